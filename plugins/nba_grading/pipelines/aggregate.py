"""Aggregates of the grades: values per date and system, and the summary by period, player and confidence tier.

Both tables are replaced one partition at a time by the guarded write. A partition of the summary is the last day of its periods, and
holds all periods that end on that day. ``grades_version`` shows which partitions are stale; see aggregates/find_stale_periods.sql.
"""

from __future__ import annotations

from datetime import date

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import Claim
from nba_grading.guarded_write.publish import Write, write_date
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.warehouse.client import Params, Warehouse
from nba_grading.warehouse.sql import load_sql, render_sql
from nba_grading.warehouse.tables import PREDICTION_PERFORMANCE_SUMMARY, SYSTEM_DAILY_PERFORMANCE

log = get_logger(__name__)

# How long to wait for a date's own run before another run refreshes the periods that both dates share.
PATIENCE_MINUTES = 30
# Aggregates follow the grades: whether a date may lose rows was decided when it was graded.
ANY_SHRINK = 1.0


def aggregate_day(warehouse: Warehouse, claim: Claim, request: WriteRequest) -> WriteReport:
    """Replace the claim's date of system_daily_performance. Raises what ``write_date`` raises."""
    params: Params = {"game_date": claim.key.game_date, "grading_run_id": request.grading_run_id}
    return WriteReport(write_date(warehouse, claim, Write(SYSTEM_DAILY_PERFORMANCE, load_sql("aggregates/aggregate_day"), params, ANY_SHRINK)))


def aggregate_periods(warehouse: Warehouse, claim: Claim, request: WriteRequest) -> WriteReport:
    """Replace a partition of the summary: every period that ends on the claim's date. Raises what ``write_date`` raises."""
    rows = render_sql("aggregates/aggregate_periods", periods=load_sql("aggregates/periods_fragment"))
    params: Params = {"period_end_date": claim.key.game_date, "grading_run_id": request.grading_run_id}
    return WriteReport(write_date(warehouse, claim, Write(PREDICTION_PERFORMANCE_SUMMARY, rows, params, ANY_SHRINK)))


def find_stale_periods(warehouse: Warehouse, game_date: date) -> list[date]:
    """The partitions to replace, in order: last days of the periods that contain the date and do not match the grades.

    Periods that also cover a date whose own run is still to come are left out: the last of those runs refreshes them once, for all.
    """
    text = render_sql("aggregates/find_stale_periods", periods=load_sql("aggregates/periods_fragment"))
    found = warehouse.query(text, {"game_date": game_date, "patience_minutes": PATIENCE_MINUTES})
    stale = [row["period_end_date"] for row in found if not row["awaited_dates"]]
    log.info("stale_periods_found", game_date=game_date, stale=len(stale), left_to_later_runs=len(found) - len(stale))
    return stale
