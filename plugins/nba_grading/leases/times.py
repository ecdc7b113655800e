"""The durations of a lease, and the clock they are measured on."""

from __future__ import annotations

import time
from dataclasses import dataclass

DRIFT_SHARE = 0.05


def boottime() -> float:
    """Seconds on a clock that includes time spent suspended, where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, the unit of events and metrics."""
    return round(seconds * 1000)


@dataclass(frozen=True)
class LeaseTimes:
    """Durations in seconds; raises ValueError for a combination that cannot work."""

    lease_s: float = 60.0
    renew_every_s: float | None = None
    grace_s: float = 2.0
    rpc_s: float = 5.0
    max_wait_s: float = 300.0

    def __post_init__(self) -> None:
        if not 0 < self.renewal_s < self.valid_s:
            raise ValueError(f"renewing every {self.renewal_s:g} s cannot keep a lease of {self.lease_s:g} s, trusted for {self.valid_s:g} s")
        if self.lease_s < 3 * self.rpc_s:
            raise ValueError(f"a lease of {self.lease_s:g} s is shorter than three calls of up to {self.rpc_s:g} s")
        if self.max_wait_s < 0 or self.grace_s < 0:
            raise ValueError("max_wait_s and grace_s cannot be negative")

    @property
    def renewal_s(self) -> float:
        """Seconds between renewals."""
        return self.lease_s / 3 if self.renew_every_s is None else self.renew_every_s

    @property
    def valid_s(self) -> float:
        """Seconds for which a holder trusts its lease after it sent a write."""
        return self.lease_s * (1 - DRIFT_SHARE)
