"""The sweep over all operations: classifies every lease by the store's clock and removes those that expired long ago.

A live lease is never removed: the delete applies to the version that was classified, so a renewal in between wins. The sweep is not
needed for progress: the next run of a date takes an expired lease over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from nba_grading.events import get_logger
from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.store import OPERATIONS, LeaseRecord, LeaseStore, VersionConflict, ask
from nba_grading.leases.times import milliseconds

log = get_logger(__name__)

DEAD_AFTER_LEASES = 3
RELEASE_ROUNDS = 5

Verdict = Literal["live", "long_held", "silent", "stuck"]


class NoSuchHolder(ValueError):
    """No lease has this holder, or it is being renewed too fast to be removed; the message lists the holders."""


@dataclass(frozen=True)
class LeaseVerdict:
    """A lease and its state.

    live: renewed in time. long_held: renewed in time, but held for very long. silent: expired, so the next run takes it over. stuck: expired
    and not renewed for so long that an alert is raised. ``is_removed``: not renewed for three times its lease, and deleted by the sweep.
    """

    record: LeaseRecord
    verdict: Verdict
    is_removed: bool = False

    @property
    def label(self) -> str:
        """The name under which a sweep counts it."""
        return "removed" if self.is_removed else self.verdict


def sweep_leases(store: LeaseStore, *, grace_s: float, stuck_s: float, long_held_s: float) -> tuple[list[LeaseVerdict], LeaseStoreUnavailable | None]:
    """Classify the leases of every operation and remove the dead ones. One call per operation, one per removal.

    Returns the verdicts, and the last error of a removal, if any: what was removed has to be reported all the same. Raises
    LeaseStoreUnavailable before anything is removed.
    """
    judged, problem = [], None
    for record in list_leases(store):
        one = LeaseVerdict(record, classify_lease(record, grace_s, stuck_s, long_held_s))
        if record.age_s > DEAD_AFTER_LEASES * record.lease_s + grace_s:
            try:
                # False: it was renewed or taken over since it was read.
                one = replace(one, is_removed=True) if _remove(store, record) else LeaseVerdict(record, "live")
            except LeaseStoreUnavailable as error:
                problem = error
        if one.label not in ("live", "silent"):
            log.warning(
                f"lease_{one.label}", **record.facts, ms=milliseconds(record.age_s), held_s=round(record.held_s), run_id=record.owner.get("run_id")
            )
        judged.append(one)
    return judged, problem


def list_leases(store: LeaseStore) -> list[LeaseRecord]:
    """The leases of every operation, one call each; raises LeaseStoreUnavailable."""
    return [record for operation in OPERATIONS for record in ask(partial(store.list, operation))]


def release_holder(store: LeaseStore, holder_id: str) -> LeaseRecord:
    """Remove the lease of this holder, expired or not, at a person's request; raises NoSuchHolder or LeaseStoreUnavailable."""
    for _ in range(RELEASE_ROUNDS):
        records = list_leases(store)
        record = next((record for record in records if record.holder_id == holder_id), None)
        if record is None:
            raise NoSuchHolder(_no_such_holder(holder_id, records))
        if _remove(store, record):
            log.warning("lease_released_by_hand", **record.facts, ms=milliseconds(record.held_s))
            return record
    raise NoSuchHolder(f"the lease of {holder_id} was renewed during each of {RELEASE_ROUNDS} attempts to remove it; try again")


def classify_lease(record: LeaseRecord, grace_s: float, stuck_s: float, long_held_s: float) -> Verdict:
    """The state of a lease, see ``LeaseVerdict``; changes nothing."""
    if record.is_expired(grace_s):
        return "stuck" if record.age_s > stuck_s else "silent"
    return "long_held" if record.held_s > long_held_s else "live"


def _remove(store: LeaseStore, record: LeaseRecord) -> bool:
    """Delete the lease as it was read; False when it was written since. Raises LeaseStoreUnavailable when the outcome is unknown."""
    try:
        store.delete(record.key, record.version)
    except VersionConflict:
        return False
    except LeaseStoreUnavailable:
        now = ask(partial(store.read, record.key))
        if now is not None and now.fencing_token == record.fencing_token:
            raise
    return True


def _no_such_holder(holder_id: str, records: Sequence[LeaseRecord]) -> str:
    held = ", ".join(f"{record.key} by {record.holder_id}" for record in records) or "none"
    return f"no lease is held by {holder_id!r}. Leases held now: {held}"
