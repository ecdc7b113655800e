"""Who may write some dates of a table: the holder of their leases, or an explicit claim without one when leases are off or their store is down.

Writing without a lease is safe: the publish takes the stored token + 1, so it cannot double a date, and the next lease holder still
wins. It can waste the work of two runs that race, which the lease prevents, and therefore the caller raises an alert.

No two sets of dates can wait for each other. A date whose lease is held is left out, never waited for while others are held. The lease for
the publish comes after those of the dates, and its holder waits for nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, Self, TypeVar

from nba_grading.events import get_logger
from nba_grading.leases.errors import LeaseHeld, LeaseStoreUnavailable
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.warehouse.client import Warehouse

log = get_logger(__name__)

OnUnavailable = Literal["degrade", "fail"]
# Leases are taken, and their documents changed, by so many calls at once.
CALLS_AT_ONCE = 8
# The longest wait for the turn to publish. With many writers of large dates a turn takes ten minutes to come; see docs/scale.md.
TURN_SECONDS = 1800.0
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class UnleasedClaim:
    """The right to write a date without a lease. It is never None, so that nobody forgets to check.

    ``reason`` says why there is no lease; ``switched_off`` is True if somebody asked for that, False if the store was down.
    """

    key: LeaseKey
    reason: str
    switched_off: bool = False
    holder_id: str = field(default_factory=lambda: secrets.token_hex(16))
    fencing_token: None = None
    taken_over: None = None
    leased: Literal[False] = False

    def check(self) -> None:
        """Nothing can be lost."""

    def note_job(self, job_id: str) -> None:
        """There is no document to record it in."""

    def release(self) -> bool:
        """Nothing to release."""
        return True


Claim = Lease | UnleasedClaim


@dataclass(frozen=True)
class ClaimedDates:
    """The right to write some dates of one table: a claim for each, in order. Use it as a context manager, which releases them.

    ``leases`` and ``owner`` are for the lease of the publish; without ``leases`` there is none.
    """

    claims: tuple[Claim, ...]
    leases: LeaseManager | None = None
    owner: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.claims or len({claim.key.operation for claim in self.claims}) != 1:
            raise ValueError("a write needs claims of one operation")

    @property
    def operation(self) -> str:
        """The operation of every claim."""
        return self.claims[0].key.operation

    @property
    def by_date(self) -> dict[date, Claim]:
        """The claims by their date."""
        return {claim.key.game_date: claim for claim in self.claims if claim.key.game_date}

    @property
    def dates(self) -> list[date]:
        """The claimed dates, in order."""
        return list(self.by_date)

    @property
    def unleased(self) -> UnleasedClaim | None:
        """A claim without a lease, if there is one."""
        return next((claim for claim in self.claims if isinstance(claim, UnleasedClaim)), None)

    def check(self) -> None:
        """Raise LeaseLost when the right to one of the dates is gone."""
        for claim in self.claims:
            claim.check()

    def note_job(self, job_id: str) -> None:
        """Record the query job about to be submitted with every claim, so that a successor of any of them can cancel it."""
        _at_once(lambda claim: claim.note_job(job_id), self.claims)

    @contextmanager
    def turn_to_publish(self) -> Iterator[None]:
        """Hold the publish lease of the table, if it can be had: BigQuery would cancel one of two transactions that change the same table.

        Without it the publish goes on all the same: the fence is the safety, and a cancelled transaction is tried again.
        """
        turn: Lease | None = None
        if self.leases and self.unleased is None:
            try:
                turn = self.leases.acquire(LeaseKey(self.operation), self.owner, TURN_SECONDS)
            except (LeaseHeld, LeaseStoreUnavailable) as error:
                log.warning("publish_without_turn", operation=self.operation, reason=str(error), next="the publish goes on behind the fence")
        try:
            yield
        finally:
            if turn:
                turn.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        _at_once(lambda claim: claim.release(), self.claims)


def claim_dates(
    make_leases: Callable[[], LeaseManager],
    operation: str,
    dates: Sequence[date],
    owner: Mapping[str, Any],
    on_unavailable: OnUnavailable,
    *,
    waited_s: Mapping[date, float] | None = None,
    switched_off: str | None = None,
) -> tuple[ClaimedDates | None, dict[date, LeaseHeld]]:
    """Claim each of the dates that can be had now, without waiting; None for none. The others come with who holds them.

    ``switched_off`` says who wants no lease; the store is then not asked. ``waited_s`` is how long the run has waited for a date. Raises
    LeaseStoreUnavailable, with no lease held, when ``on_unavailable`` is fail.
    """
    days = sorted(dates)
    keys = [LeaseKey(operation, day) for day in days]
    if not keys:
        return None, {}
    if switched_off:
        return _without_leases(keys, switched_off, switched_off=True), {}
    try:
        leases = make_leases()
    except LeaseStoreUnavailable as error:
        if on_unavailable == "fail":
            raise
        return _without_leases(keys, str(error)), {}

    acquired: list[Lease] = []
    try:
        found = _at_once(
            lambda key: _try_acquire(leases, key, owner, (waited_s or {}).get(key.game_date, 0.0) if key.game_date else 0.0, acquired), keys
        )
    except BaseException:
        _at_once(lambda claim: claim.release(), acquired)
        raise
    held = {day: each for day, each in zip(days, found, strict=True) if isinstance(each, LeaseHeld)}
    down = [each for each in found if isinstance(each, LeaseStoreUnavailable)]
    claims: list[Claim] = [*acquired]
    if down and on_unavailable == "fail":
        _at_once(lambda claim: claim.release(), acquired)
        raise down[0]
    unleased = [key for key, each in zip(keys, found, strict=True) if isinstance(each, LeaseStoreUnavailable)]
    if unleased:
        claims += _without_leases(unleased, str(down[0])).claims
    return ClaimedDates(tuple(sorted(claims, key=lambda claim: str(claim.key))), leases, owner) if claims else None, held


@contextmanager
def writing_under(warehouse: Warehouse, claimed: ClaimedDates) -> Iterator[None]:
    """Tie a warehouse to claims: each statement checks them first, and losing one cancels the running statement.

    If a claim took over an expired lease, the query job of the dead holder is cancelled.
    """
    dead_jobs = {claim.taken_over.inflight_job for claim in claimed.claims if claim.taken_over}
    for job_id in sorted(job_id for job_id in dead_jobs if job_id):
        warehouse.cancel(job_id)
    for claim in claimed.claims:
        if isinstance(claim, Lease):
            claim.on_lost = warehouse.cancel_running
    warehouse.before_attempt = claimed.check
    try:
        yield
    finally:
        warehouse.before_attempt = lambda: None


def _at_once(call: Callable[[T], R], each: Sequence[T]) -> list[R]:
    """The results of a call for each, in order, several at a time."""
    if len(each) < 2:
        return [call(one) for one in each]
    with ThreadPoolExecutor(min(CALLS_AT_ONCE, len(each))) as pool:
        return list(pool.map(call, each))


def _try_acquire(
    leases: LeaseManager, key: LeaseKey, owner: Mapping[str, Any], waited_s: float, acquired: list[Lease]
) -> Lease | LeaseHeld | LeaseStoreUnavailable:
    """The lease, which is also added to ``acquired``, or why there is none."""
    try:
        acquired.append(lease := leases.try_acquire(key, owner, waited_s))
        return lease
    except (LeaseHeld, LeaseStoreUnavailable) as error:
        return error


def _without_leases(keys: Sequence[LeaseKey], reason: str, *, switched_off: bool = False) -> ClaimedDates:
    claims = tuple(UnleasedClaim(key, reason, switched_off) for key in keys)
    next_step = "switch leases on again once the emergency is over" if switched_off else "bring the lease store back"
    for claim in claims:
        facts = {"operation": claim.key.operation, "game_date": claim.key.game_date, "holder": claim.holder_id, "reason": reason}
        log.critical("lease_degraded", **facts, next=f"the write continues behind the fence; {next_step}")
    return ClaimedDates(claims)
