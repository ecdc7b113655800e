"""Aggregates of the grades: per date and system, per date and player, and the summary by period, player and confidence tier.

Level-triggered: ``find_stale`` compares what each aggregate was made from with the grades as they are, so a lost event leaves nothing stale.
All three tables are replaced by the guarded write. The periods are added up from the days of players, never from raw grades. A partition of
the summary is the last day of its periods, and holds all periods that end on that day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta

from nba_grading.events import get_logger
from nba_grading.game_dates import season_of
from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.publish import write_dates
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import Write
from nba_grading.pipelines.grade import complete_minutes
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import load_sql, render_sql
from nba_grading.warehouse.tables import PLAYER_DAILY_PERFORMANCE, PREDICTION_PERFORMANCE_SUMMARY, SYSTEM_DAILY_PERFORMANCE, Table

log = get_logger(__name__)

# In the order in which they are refreshed: the summary is made from the days of players.
AGGREGATES = (SYSTEM_DAILY_PERFORMANCE, PLAYER_DAILY_PERFORMANCE, PREDICTION_PERFORMANCE_SUMMARY)
# Aggregates follow the grades: whether a date may lose rows was decided when it was graded.
ANY_SHRINK = 1.0
LONGEST_ROLLING_DAYS = 30
Versions = Mapping[date, int]


def find_stale(warehouse: Warehouse) -> dict[str, dict[date, int]]:
    """The partitions to replace, by table and in order, each with the version of the grades that makes it fresh. One query over the fences."""
    stale: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for row in warehouse.query(render_sql("aggregates/find_stale", periods=load_sql("aggregates/periods_fragment"))):
        stale[row["target"]][row["partition_date"]] = int(row["version"])
    log.info("stale_aggregates_found", **{table.name: len(stale[table.name]) for table in AGGREGATES})
    return dict(stale)


def refresh(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Replace the claimed partitions of the operation's aggregate. Raises what ``write_dates`` raises.

    The parameter ``versions`` has, by date, the version that ``find_stale`` returned before anything of the date was read: grades that are
    published meanwhile make it stale again. Before the summary, the days that its periods cover must have been refreshed to that version.
    """
    table = _AGGREGATE[claimed.operation]
    params: Params = {"grading_run_id": request.grading_run_id}
    if table is SYSTEM_DAILY_PERFORMANCE:
        params = {**params, **complete_minutes()}
    if table is PREDICTION_PERFORMANCE_SUMMARY:
        params = {**params, **_window(claimed.dates)}
    versions: Versions = request.params["versions"]
    write = Write(
        table,
        _ROWS[table.name](),
        params,
        grading_run_id=request.grading_run_id,
        max_shrink=ANY_SHRINK,
        source_versions={day: versions[day] for day in claimed.dates},
    )
    return WriteReport(write_dates(warehouse, claimed, write))


def _window(ends: list[date]) -> Params:
    """The first and last day that periods ending on these days can cover."""
    first = min(season_of(day)[0] if day == season_of(day)[1] else _longest_but_a_season(day) for day in ends)
    return {"first_date": first, "last_date": ends[-1]}


def _longest_but_a_season(day: date) -> date:
    return min(day - timedelta(days=LONGEST_ROLLING_DAYS - 1), day.replace(day=1))


_AGGREGATE: Mapping[str, Table] = {table.operation: table for table in AGGREGATES}
_ROWS = {
    SYSTEM_DAILY_PERFORMANCE.name: lambda: load_sql("aggregates/aggregate_days"),
    PLAYER_DAILY_PERFORMANCE.name: lambda: load_sql("aggregates/aggregate_players"),
    PREDICTION_PERFORMANCE_SUMMARY.name: lambda: render_sql("aggregates/aggregate_periods", periods=load_sql("aggregates/periods_fragment")),
}
