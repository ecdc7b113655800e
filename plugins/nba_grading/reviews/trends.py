"""Trends over the stored data: duplicates, grading durations, lease waits, volumes. Each is one SELECT of include/sql/trends."""

from __future__ import annotations

from datetime import date

from nba_grading.warehouse.client import Row, Warehouse

NAMES = ("duplicate_rate", "grading_duration", "lease_wait", "volume_per_system")


def trend(warehouse: Warehouse, name: str, day: date, days: int) -> list[Row]:
    """The rows of one trend over the ``days`` days that end on ``day``, oldest first; ValueError for a name not in ``NAMES`` or ``days`` < 1.

    Rates, shares and ratios are 1 for all, NULL where there is nothing to divide by. Days of runs are New York's. Columns:

    - duplicate_rate, a row per week of seven days that ends on ``day`` or whole weeks before it: week_start, week_end, row_count,
      duplicates (surplus rows), duplicate_rate, rate_change (from the week before), detections, detected_duplicates (found by the checks
      after the writes of that week).
    - grading_duration, per day and operation: day, operation, runs, failed, timed_runs, median_ms, p95_ms (of the write, without
      the wait for its lease).
    - lease_wait, per day and operation: day, operation, runs (that reached the lease), median_wait_ms, p95_wait_ms, unleased,
      unleased_share.
    - volume_per_system, per day with predictions and system: game_date, system_id, predictions, mean_before (of the seven days before),
      volume_ratio.
    """
    if name not in NAMES:
        raise ValueError(f"there is no trend {name!r}: the trends are {', '.join(NAMES)}")
    if days < 1:
        raise ValueError(f"a trend needs at least one day, not {days}")
    return warehouse.query_file(f"trends/{name}", {"day": day, "days": days})
