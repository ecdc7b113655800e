"""The guard around a write: a lease where one is to be had, an explicit unleased claim where its store is down or it is switched off.

Going on without is safe, not hopeful: the publish is fenced with the stored token + 1, so it cannot double a date, and the next lease
holder still wins. It costs wasted work when two writers race, and that is what the lease is for. It is loud: the caller alerts.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from nba_grading.events import get_logger
from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey

if TYPE_CHECKING:
    from collections.abc import Callable


log = get_logger(__name__)


class Claim(Protocol):
    """The right to write a date: a Lease, or an UnleasedClaim, whose token is None."""

    @property
    def key(self) -> LeaseKey:
        """The operation and the date."""

    @property
    def holder_id(self) -> str:
        """Random id of the claim."""

    @property
    def token(self) -> int | None:
        """Fencing token in microseconds, None without a lease."""

    def check(self) -> None:
        """Raise LeaseLost when the right is gone."""

    def note_job(self, job_id: str) -> None:
        """Tell a successor which query job is about to be submitted."""


OnUnavailable = Literal["degrade", "fail"]


@dataclass(frozen=True)
class UnleasedClaim:
    """The right to write a date without a lease: never None, so that nobody forgets to look.

    ``reason`` says why; ``switched_off`` whether somebody wanted it so, or the store was down.
    """

    key: LeaseKey
    reason: str
    switched_off: bool = False
    holder_id: str = field(default_factory=lambda: secrets.token_hex(16))
    token: None = None
    taken_over: None = None
    leased: Literal[False] = False

    def check(self) -> None:
        """Nothing can be lost."""

    def note_job(self, job_id: str) -> None:
        """Nowhere to write it down."""

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
    """The claim to write ``key``, without waiting; raises LeaseHeld, or LeaseStoreUnavailable when that is to fail.

    ``switched_off`` says who wants no lease; none is then asked for, and the store is not touched.
    """
    if switched_off:
        return _unleased(UnleasedClaim(key, switched_off, switched_off=True), "switch the leases on again once the emergency is over")
    try:
        return make_leases().try_acquire(key, owner, waited_s)
    except LeaseStoreUnavailable as error:
        if on_unavailable == "fail":
            raise
        return _unleased(UnleasedClaim(key, str(error)), "bring the lease store back")


def _unleased(claim: UnleasedClaim, next_step: str) -> UnleasedClaim:
    log.critical(
        "lease_degraded",
        operation=claim.key.operation,
        game_date=claim.key.game_date,
        holder=claim.holder_id,
        next=f"the write goes on behind the fence; {next_step}",
        reason=claim.reason,
    )
    return claim
