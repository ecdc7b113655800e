"""Who may write a date: the holder of its lease, or an explicit claim without one when leases are off or their store is down.

Writing without a lease is safe: the publish takes the stored token + 1, so it cannot double a date, and the next lease holder still
wins. It can waste the work of two runs that race, which the lease prevents, and therefore the caller raises an alert.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

from nba_grading.events import get_logger
from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey, LeaseRecord
from nba_grading.warehouse.client import Warehouse

log = get_logger(__name__)

OnUnavailable = Literal["degrade", "fail"]


class Claim(Protocol):
    """The right to write one date: a Lease, or an UnleasedClaim, whose token is None."""

    @property
    def key(self) -> LeaseKey:
        """The operation and the date."""

    @property
    def holder_id(self) -> str:
        """Random id of the claim."""

    @property
    def fencing_token(self) -> int | None:
        """Fencing token in microseconds, None without a lease."""

    @property
    def taken_over(self) -> LeaseRecord | None:
        """The expired lease that this claim replaced, if it did."""

    def check(self) -> None:
        """Raise LeaseLost when the right is gone."""

    def note_job(self, job_id: str) -> None:
        """Record the query job about to be submitted, so that a successor can cancel it."""


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()


def claim_date(
    make_leases: Callable[[], LeaseManager],
    key: LeaseKey,
    owner: Mapping[str, Any],
    on_unavailable: OnUnavailable,
    *,
    waited_s: float = 0.0,
    switched_off: str | None = None,
) -> Lease | UnleasedClaim:
    """The claim to write ``key``, without waiting; raises LeaseHeld, or LeaseStoreUnavailable when ``on_unavailable`` is fail.

    ``switched_off`` says who wants no lease; the store is then not asked.
    """
    if switched_off:
        return _unleased(UnleasedClaim(key, switched_off, switched_off=True), "switch leases on again once the emergency is over")
    try:
        return make_leases().try_acquire(key, owner, waited_s)
    except LeaseStoreUnavailable as error:
        if on_unavailable == "fail":
            raise
        return _unleased(UnleasedClaim(key, str(error)), "bring the lease store back")


@contextmanager
def writing_under(warehouse: Warehouse, claim: Claim) -> Iterator[None]:
    """Tie a warehouse to a claim: each statement checks the claim first, and losing the claim cancels the running statement.

    If the claim took over an expired lease, the query job of the dead holder is cancelled.
    """
    if claim.taken_over is not None and claim.taken_over.inflight_job:
        warehouse.cancel(claim.taken_over.inflight_job)
    if isinstance(claim, Lease):
        claim.on_lost = warehouse.cancel_running
    warehouse.before_attempt = claim.check
    try:
        yield
    finally:
        warehouse.before_attempt = lambda: None


def _unleased(claim: UnleasedClaim, next_step: str) -> UnleasedClaim:
    log.critical(
        "lease_degraded",
        operation=claim.key.operation,
        game_date=claim.key.game_date,
        holder=claim.holder_id,
        next=f"the write continues behind the fence; {next_step}",
        reason=claim.reason,
    )
    return claim
