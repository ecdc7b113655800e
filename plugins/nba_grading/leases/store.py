"""What a lease needs of the place it is stored in: six verbs, and the errors they may raise.

A store keeps one document per key. ``token`` is the document's creation time in microseconds by the store's clock and grows
with every creation, deletions between them included. ``version`` changes with every write. Ages are the store's as well, so no
client clock ever decides who holds a lease.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, TypeVar

OPERATIONS = ("grading", "consolidation", "daily_performance", "performance_summary", "maintenance")
OLD_LEASE_MS = 300_000
# Between tries at a store that does not answer: gRPC refuses at once while it waits to connect again, for a second at first.
PAUSES_SECONDS = (0.5, 1.0)
READ_ROUNDS = 3
T = TypeVar("T")
_ID = re.compile(r"^[A-Za-z0-9_-]{1,200}$")


@dataclass(frozen=True)
class LeaseKey:
    """What a lease guards: one operation on one game_date."""

    operation: str
    game_date: date

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"{self.operation!r} is not a guarded operation; those are {', '.join(OPERATIONS)}")

    @property
    def collection(self) -> str:
        """Firestore collection, ``<operation>_locks``."""
        return f"{self.operation}_locks"

    @property
    def document_id(self) -> str:
        """Document id, ``<operation>_<game_date>``."""
        return f"{self.operation}_{self.game_date}"

    def __str__(self) -> str:
        return self.document_id


@dataclass(frozen=True)
class WriteResult:
    """The store's answer to a create or replace: the document's token and new version."""

    token: int
    version: Any


@dataclass(frozen=True)
class LeaseRecord:
    """A lease document as read: its fields, and its ages in seconds by the store's clock.

    ``age_s`` counts from the last write (a renewal), ``held_s`` from the creation. ``lease_s`` is the holder's own lease, and
    ``waited_s`` how long it had waited for it.
    """

    key: LeaseKey
    token: int
    version: Any
    age_s: float
    held_s: float
    holder_id: str
    lease_s: float
    waited_s: float
    renewals: int
    inflight_job: str | None
    owner: Mapping[str, Any]

    def is_expired(self, grace_s: float) -> bool:
        """Whether another claim may take the lease over."""
        return self.age_s > self.lease_s + grace_s

    @property
    def facts(self) -> dict[str, Any]:
        """What an event tells of this lease."""
        return {"operation": self.key.operation, "game_date": self.key.game_date, "holder": self.holder_id, "token": self.token}


class StoreUnavailable(Exception):
    """The store did not answer, or answered that it cannot; a write may or may not have taken effect."""


class AlreadyExists(Exception):
    """A create found a document."""


class VersionConflict(Exception):
    """A replace or delete found another version, or none."""


class LeaseStore(Protocol):
    """Where leases live. Every verb may raise StoreUnavailable; none of them retries by itself."""

    def create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        """Create the document; AlreadyExists when it is there."""

    def read(self, key: LeaseKey) -> LeaseRecord | None:
        """The document, or None."""

    def replace(self, key: LeaseKey, version: Any, fields: Mapping[str, Any]) -> WriteResult:
        """Change ``fields`` and count a renewal, if the version is still the one given; Changed otherwise."""

    def delete(self, key: LeaseKey, version: Any) -> None:
        """Delete the document if the version is still the one given; Changed otherwise."""

    def watch(self, key: LeaseKey, on_change: Callable[[LeaseRecord | None], None]) -> AbstractContextManager[None]:
        """Call ``on_change`` with the document, or None, at once and at every change, from another thread, until the context ends.

        A store whose watch has no clock tells the ages at the last write: of a write that is told when it happens.
        """

    def list(self, operation: str) -> list[LeaseRecord]:
        """All leases of an operation."""


def pause(tried: int) -> None:
    """Let a store that did not answer its ``tried``-th call (0 is the first) come back before the next."""
    time.sleep(random.uniform(0.5, 1.0) * PAUSES_SECONDS[min(tried, len(PAUSES_SECONDS) - 1)])


def ask(read: Callable[[], T]) -> T:
    """The answer of a call that only reads, tried three times; raises StoreUnavailable."""
    for tried in range(READ_ROUNDS - 1):
        try:
            return read()
        except StoreUnavailable:
            pause(tried)
    return read()


def check_document_id(document_id: str) -> str:
    """The id, if a Firestore document can have it and a person can type it; ValueError otherwise."""
    if not _ID.match(document_id):
        raise ValueError(f"{document_id!r} cannot be a lease's id")
    return document_id


def fields_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a Record that a store reads from the document's own fields.

    An old document without lease_ms counts as 300 s, and so does one that a person spoiled: no document keeps the others from being read.
    """
    return {
        "holder_id": str(document.get("holder_id") or "unknown"),
        "lease_s": _number(document, "lease_ms", OLD_LEASE_MS) / 1000,
        "waited_s": _number(document, "waited_ms", 0) / 1000,
        "renewals": int(_number(document, "renewals", 0)),
        "inflight_job": document.get("inflight_job"),
        "owner": {name: document[name] for name in OWNER_FIELDS if document.get(name) is not None},
    }


def _number(document: Mapping[str, Any], name: str, default: float) -> float:
    value = document.get(name)
    return float(value) if isinstance(value, int | float) and value >= 0 else default


OWNER_FIELDS = ("dag_id", "run_id", "task_id", "try_number", "hostname", "log_url")
