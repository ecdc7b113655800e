"""Leases that nobody gives back: found over all operations, judged by the store's clock, and removed once they are long dead.

A live lease is never taken: a removal is conditional on the version that was judged, so a renewal in between wins. Removing one is a
sweep, no more; the next run of a date takes an expired lease over by itself, after its duration and the grace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from nba_grading.events import get_logger
from nba_grading.leases.store import OPERATIONS, LeaseRecord, LeaseStore, StoreUnavailable, VersionConflict, ask
from nba_grading.leases.times import milliseconds

log = get_logger(__name__)

DEAD_AFTER_LEASES = 3
RELEASE_ROUNDS = 5

Verdict = Literal["live", "long_held", "silent", "stuck"]


class NoSuchHolder(ValueError):
    """No lease is held by that id, or it could not be had; the message lists the holders there are, or says why."""


@dataclass(frozen=True)
class LeaseVerdict:
    """A lease and what became of it.

    live: renewed in time. long_held: renewed, but held for very long. silent: expired, to be taken over by the next run. stuck:
    silent for so long that people are told. ``is_removed``: it was silent for three times its lease, and is gone now.
    """

    record: LeaseRecord
    verdict: Verdict
    is_removed: bool = False

    @property
    def told(self) -> str:
        """What it counts as in the result of a sweep."""
        return "removed" if self.is_removed else self.verdict


def sweep_leases(store: LeaseStore, *, grace_s: float, stuck_s: float, long_held_s: float) -> tuple[list[LeaseVerdict], StoreUnavailable | None]:
    """Judge every lease of every operation and remove those that are dead. One call an operation, one a removal.

    Returns them, and the last error of the store if it did not answer to a removal: those that are removed must be told all the same.
    Raises StoreUnavailable before anything is removed.
    """
    judged, problem = [], None
    for record in list_leases(store):
        one = LeaseVerdict(record, classify_lease(record, grace_s, stuck_s, long_held_s))
        if record.age_s > DEAD_AFTER_LEASES * record.lease_s + grace_s:
            try:
                # Not as it was read: it was renewed, or taken over, meanwhile.
                one = replace(one, is_removed=True) if _remove(store, record) else LeaseVerdict(record, "live")
            except StoreUnavailable as error:
                problem = error
        if one.told not in ("live", "silent"):
            log.warning(
                f"lease_{one.told}", **record.facts, ms=milliseconds(record.age_s), held_s=round(record.held_s), run_id=record.owner.get("run_id")
            )
        judged.append(one)
    return judged, problem


def list_leases(store: LeaseStore) -> list[LeaseRecord]:
    """The leases of every operation, one call each; raises StoreUnavailable."""
    return [record for operation in OPERATIONS for record in ask(partial(store.list, operation))]


def release_holder(store: LeaseStore, holder_id: str) -> LeaseRecord:
    """Remove the lease of this holder, alive or not, as a person asked for; raises NoSuchHolder or StoreUnavailable."""
    for _ in range(RELEASE_ROUNDS):
        records = list_leases(store)
        record = next((record for record in records if record.holder_id == holder_id), None)
        if record is None:
            raise NoSuchHolder(_no_such_holder(holder_id, records))
        if _remove(store, record):
            log.warning("lease_released_by_hand", **record.facts, ms=milliseconds(record.held_s))
            return record
    raise NoSuchHolder(f"the lease of {holder_id} was renewed each time it was to be removed: it is alive; try again")


def classify_lease(record: LeaseRecord, grace_s: float, stuck_s: float, long_held_s: float) -> Verdict:
    """How a lease stands, as ``LeaseVerdict`` says; nothing is changed."""
    if record.age_s > stuck_s:
        return "stuck"
    if record.is_expired(grace_s):
        return "silent"
    return "long_held" if record.held_s > long_held_s else "live"


def _remove(store: LeaseStore, record: LeaseRecord) -> bool:
    """Whether the lease is gone as it was read; False: it was written since. Raises StoreUnavailable if that cannot be known."""
    try:
        store.delete(record.key, record.version)
    except VersionConflict:
        return False
    except StoreUnavailable:
        now = ask(partial(store.read, record.key))
        if now is not None and now.token == record.token:
            raise
    return True


def _no_such_holder(holder_id: str, records: Sequence[LeaseRecord]) -> str:
    held = ", ".join(f"{record.key} by {record.holder_id}" for record in records) or "none"
    return f"no lease is held by {holder_id!r}. Leases held now: {held}"
