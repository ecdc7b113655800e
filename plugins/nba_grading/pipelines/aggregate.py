"""What is summed up from the grades: figures per date and system, and the summary by period, player and confidence tier.

Both tables are replaced a partition at a time by the one guarded write. A partition of the summary is the last day of its periods,
and holds all that end on that day. Which partitions are stale is told by their ``grades_version``; see aggregates/find_stale_periods.sql.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import Claim
from nba_grading.guarded_write.publish import Write, write_date
from nba_grading.warehouse.client import Params, Warehouse
from nba_grading.warehouse.sql import load_sql, render_sql
from nba_grading.warehouse.tables import PREDICTION_PERFORMANCE_SUMMARY, SYSTEM_DAILY_PERFORMANCE, Table

log = get_logger(__name__)

# For so long after its grading a date's own run is waited for to refresh the periods that it shares with others.
PATIENCE_MINUTES = 30
# Aggregates follow the grades: whether a date may lose rows was decided when it was graded.
ANY_SHRINK = 1.0


def aggregate_day(
    warehouse: Warehouse, claim: Claim, game_date: date, *, grading_run_id: str, max_shrink: float, allow_shrink: bool
) -> dict[str, Any]:
    """Replace a date of system_daily_performance; returns columns of grading_runs. Raises what ``write_date`` raises."""
    del max_shrink, allow_shrink
    rows = load_sql("aggregates/aggregate_day")
    return _replace(warehouse, claim, SYSTEM_DAILY_PERFORMANCE, game_date, rows, {"game_date": game_date, "grading_run_id": grading_run_id})


def aggregate_periods(
    warehouse: Warehouse, claim: Claim, period_end_date: date, *, grading_run_id: str, max_shrink: float, allow_shrink: bool
) -> dict[str, Any]:
    """Replace a partition of the summary: every period that ends on the date. Returns and raises the same as ``aggregate_day``."""
    del max_shrink, allow_shrink
    rows = render_sql("aggregates/aggregate_periods", periods=load_sql("aggregates/periods_fragment"))
    params: Params = {"period_end_date": period_end_date, "grading_run_id": grading_run_id}
    return _replace(warehouse, claim, PREDICTION_PERFORMANCE_SUMMARY, period_end_date, rows, params)


def find_stale_periods(warehouse: Warehouse, game_date: date) -> list[date]:
    """Last days of the periods that contain the date and do not show the grades as they are, in order: partitions to replace.

    Left out are those that cover another date whose run is still to come: the last of the runs refreshes them once, for all.
    """
    text = render_sql("aggregates/find_stale_periods", periods=load_sql("aggregates/periods_fragment"))
    found = warehouse.query(text, {"game_date": game_date, "patience_minutes": PATIENCE_MINUTES})
    stale = [row["period_end_date"] for row in found if not row["awaited_dates"]]
    log.info("stale_periods_found", game_date=game_date, stale=len(stale), left_to_later_runs=len(found) - len(stale))
    return stale


def _replace(warehouse: Warehouse, claim: Claim, table: Table, day: date, rows: str, params: Params) -> dict[str, Any]:
    published = write_date(warehouse, claim, Write(table=table, game_date=day, rows=rows, params=params, max_shrink=ANY_SHRINK), _no_further_audit)
    return {
        "fencing_token": published.fencing_token,
        "written": published.written_rows,
        "replaced": published.replaced_rows,
        "duration_ms": published.duration_ms,
    }


def _no_further_audit(_staging: str) -> None:
    """The keys, which every guarded write checks, are all there is to check: no figure here is known from elsewhere."""
