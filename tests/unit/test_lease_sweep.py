"""How the sweep classifies a lease."""

from __future__ import annotations

from datetime import date

import pytest

from nba_grading.leases.store import LeaseKey, LeaseRecord, fields_of
from nba_grading.leases.sweep import classify_lease


@pytest.mark.parametrize(
    ("lease_s", "age_s", "held_s", "state"),
    [
        (60, 30, 30, "live"),
        (3600, 1800, 1800, "live"),  # not renewed for longer than the limit for stuck leases, but not expired either
        (3600, 1800, 7200, "long_held"),
        (60, 100, 100, "silent"),
        (60, 700, 700, "stuck"),
        (3600, 3700, 3700, "stuck"),
    ],
)
def test_only_an_expired_lease_can_be_stuck(lease_s: float, age_s: float, held_s: float, state: str) -> None:
    fields = fields_of({"holder_id": "a", "lease_ms": lease_s * 1000})
    record = LeaseRecord(LeaseKey("grading", date(2026, 1, 10)), fencing_token=1, version=1, age_s=age_s, held_s=held_s, **fields)
    assert classify_lease(record, grace_s=2, stuck_s=600, long_held_s=3600) == state
