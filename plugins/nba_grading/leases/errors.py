"""Errors of leases: held by another claim, lost, or the store cannot answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nba_grading.leases.store import LeaseKey, LeaseRecord


class LeaseHeld(Exception):
    """Another claim holds the lease; ``record`` says who and since when."""

    def __init__(self, record: LeaseRecord, waited_s: float = 0.0) -> None:
        self.record = record
        self.waited_s = waited_s
        since = datetime.now(tz=UTC) - timedelta(seconds=record.held_s)
        owner = ", ".join(f"{name} {record.owner[name]}" for name in ("dag_id", "run_id", "try_number", "hostname") if name in record.owner)
        super().__init__(
            f"lease {record.key} is held by {record.holder_id} ({owner or 'unknown owner'}) since {since:%Y-%m-%d %H:%M:%S} UTC, "
            f"{record.held_s:.0f} s ago, renewed {record.age_s:.0f} s ago; waited {waited_s:.0f} s"
        )


class LeaseLost(Exception):
    """The claim no longer holds the lease; ``reason`` is taken_over, deleted, expired or released."""

    def __init__(self, key: LeaseKey, holder_id: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"lease {key} of claim {holder_id} is lost: {reason}")


class LeaseStoreUnavailable(Exception):
    """The lease store did not answer, or refused the call. A write may or may not have taken effect."""
