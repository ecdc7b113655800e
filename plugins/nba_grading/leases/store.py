"""The interface of a lease store: six verbs, the documents they exchange, and the errors they raise.

A store keeps one document per key. ``fencing_token`` is the document's creation time in microseconds by the store's clock. It grows with
every creation, also after a deletion. ``version`` changes with every write. Ages are computed by the store too, so no client's
clock ever decides who holds a lease.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol, Self, TypeVar

from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_attempt

from nba_grading.leases.errors import LeaseStoreUnavailable

OPERATIONS = (
    *("grading", "consolidation", "daily_performance", "player_performance", "settlement", "performance_summary", "market_performance"),
    *("recalibration", "watchlist", "variance", "maintenance"),
)
OLD_LEASE_MS = 300_000
# Upper bounds of the pauses between attempts; a random pause is at least half of it. While gRPC waits to reconnect, for about a second,
# it refuses calls without sending them, so attempts without a pause would all fail within milliseconds.
PAUSES_SECONDS = (0.5, 1.0)
READ_ROUNDS = 3
T = TypeVar("T")
_ID = re.compile(r"^[A-Za-z0-9_-]{1,200}$")


@dataclass(frozen=True)
class LeaseKey:
    """The key of a lease: one operation on one game_date; without a date, the operation's turn to publish, one for its whole table."""

    operation: str
    game_date: date | None = None

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"{self.operation!r} is not a guarded operation; those are {', '.join(OPERATIONS)}")

    @classmethod
    def parse(cls, operation: str, document_id: str) -> Self | None:
        """The key with this document id; None for an id that no key of the operation has."""
        if document_id == cls(operation).document_id:
            return cls(operation)
        try:
            key = cls(operation, datetime.strptime(document_id, f"{operation}_%Y-%m-%d").date())  # noqa: DTZ007 - a date, not a moment
        except ValueError:
            return None
        return key if key.document_id == document_id else None

    @property
    def collection(self) -> str:
        """Firestore collection, ``<operation>_locks``."""
        return f"{self.operation}_locks"

    @property
    def document_id(self) -> str:
        """Document id, ``<operation>_<game_date>`` or ``<operation>_publish``."""
        return f"{self.operation}_{self.game_date or 'publish'}"

    def __str__(self) -> str:
        return self.document_id


@dataclass(frozen=True)
class WriteResult:
    """The store's answer to a create or replace: the document's token and new version."""

    fencing_token: int
    version: Any


@dataclass(frozen=True)
class LeaseRecord:
    """A lease document as read: its fields, and its ages in seconds by the store's clock.

    ``age_s`` counts from the last write (a renewal), ``held_s`` from the creation. ``lease_s`` is the holder's own lease, and
    ``waited_s`` how long it had waited for it.
    """

    key: LeaseKey
    fencing_token: int
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
        """The fields that identify this lease in events."""
        return {"operation": self.key.operation, "game_date": self.key.game_date, "holder": self.holder_id, "fencing_token": self.fencing_token}


class AlreadyExists(Exception):
    """The document to create exists."""


class VersionConflict(Exception):
    """The document to replace or delete has another version, or is gone."""


class LeaseStore(Protocol):
    """The place where leases are stored. Every verb may raise LeaseStoreUnavailable, and none retries."""

    def create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        """Create the document; raises AlreadyExists."""

    def read(self, key: LeaseKey) -> LeaseRecord | None:
        """The document, or None."""

    def replace(self, key: LeaseKey, version: Any, fields: Mapping[str, Any]) -> WriteResult:
        """Change ``fields`` and count a renewal if the document still has this version; raises VersionConflict otherwise."""

    def delete(self, key: LeaseKey, version: Any) -> None:
        """Delete the document if it still has this version; raises VersionConflict otherwise."""

    def watch(self, key: LeaseKey, on_change: Callable[[LeaseRecord | None], None]) -> AbstractContextManager[None]:
        """Call ``on_change`` with the document, or None, at once and at every change, from another thread, until the context ends.

        A store whose watch reports no time gives the ages at the last write.
        """

    def list(self, operation: str) -> list[LeaseRecord]:
        """All leases of an operation; documents with an id that ``LeaseKey.parse`` refuses are left out."""


def pause_s(attempts: int) -> float:
    """Seconds to wait after this many attempts without an answer, at least one."""
    return random.uniform(0.5, 1.0) * PAUSES_SECONDS[min(attempts, len(PAUSES_SECONDS)) - 1]


def _pause_s(state: RetryCallState) -> float:
    return pause_s(state.attempt_number)


@retry(retry=retry_if_exception_type(LeaseStoreUnavailable), stop=stop_after_attempt(READ_ROUNDS), wait=_pause_s, reraise=True)
def ask(read: Callable[[], T]) -> T:
    """The answer of a call that only reads, after up to three attempts; raises LeaseStoreUnavailable."""
    return read()


def check_document_id(document_id: str) -> str:
    """The id, if it is short and plain enough for a Firestore document and for a person to type; raises ValueError."""
    if not _ID.match(document_id):
        raise ValueError(f"{document_id!r} cannot be a lease's id")
    return document_id


def fields_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a LeaseRecord that come from the document itself.

    A missing or invalid lease_ms counts as 300 s, so that one document edited by hand does not keep the others from being read.
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
