"""Tables made from the grades: figures per date, the bets of record, and what both add up to over a period.

Level-triggered: ``find_stale`` compares what each table was made from with the grades as they are, so a lost event leaves nothing stale.
All are replaced by the guarded write. The periods are added up from the tables of dates, never from raw grades. A partition of a table of
periods is their last day, and holds all periods that end on that day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from nba_grading.events import get_logger
from nba_grading.game_dates import season_of
from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.publish import write_dates
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import Write
from nba_grading.pipelines.grade import complete_minutes
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import load_sql, render_sql
from nba_grading.warehouse.tables import (
    PLAYER_DAILY_PERFORMANCE,
    PREDICTION_PERFORMANCE_SUMMARY,
    SETTLED_BETS,
    SYSTEM_DAILY_PERFORMANCE,
    SYSTEM_MARKET_PERFORMANCE,
    Table,
)

log = get_logger(__name__)

# In the order in which they are refreshed: the periods are made from the dates.
AGGREGATES = (SYSTEM_DAILY_PERFORMANCE, PLAYER_DAILY_PERFORMANCE, SETTLED_BETS, PREDICTION_PERFORMANCE_SUMMARY, SYSTEM_MARKET_PERFORMANCE)
# Aggregates follow the grades: whether a date may lose rows was decided when it was graded.
ANY_SHRINK = 1.0
LONGEST_ROLLING_DAYS = 30
# A prop is offered a day or two before its game; the latest game of a date ends in the morning after.
CAPTURED_BEFORE, CAPTURED_AFTER = timedelta(days=7), timedelta(days=2)
CANDIDATES, PERIODS, UPPER_TAILS = "aggregates/candidates_fragment", "aggregates/periods_fragment", "statistics/upper_tails_fragment"
Versions = Mapping[date, int]


def find_stale(warehouse: Warehouse) -> dict[str, dict[date, int]]:
    """The partitions to replace, by table and in order, each with the version of the grades that makes it fresh. One query over the fences."""
    stale: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for row in warehouse.query(render_sql("aggregates/find_stale", periods=load_sql(PERIODS))):
        stale[row["target"]][row["partition_date"]] = int(row["version"])
    log.info("stale_aggregates_found", **{table.name: len(stale[table.name]) for table in AGGREGATES})
    return dict(stale)


def refresh(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Replace the claimed partitions of the operation's aggregate. Raises what ``write_dates`` raises.

    The parameter ``versions`` has, by date, the version that ``find_stale`` returned before anything of the date was read: grades that are
    published meanwhile make it stale again. Before the periods, the dates that they cover must have been refreshed to that version.
    """
    table = _AGGREGATE[claimed.operation]
    rows = _ROWS[table.name]
    versions: Versions = request.params["versions"]
    write = Write(
        table,
        render_sql(rows.query, **{fragment.partition("/")[2].removesuffix("_fragment"): load_sql(fragment) for fragment in rows.fragments}),
        {"grading_run_id": request.grading_run_id, **rows.params(claimed.dates)},
        grading_run_id=request.grading_run_id,
        max_shrink=ANY_SHRINK,
        source_versions={day: versions[day] for day in claimed.dates},
    )
    return WriteReport(write_dates(warehouse, claimed, write))


def _captures(dates: list[date]) -> Params:
    """When prices of games on these dates are captured."""
    first, last = (datetime.combine(day, time.min, UTC) for day in (dates[0], dates[-1]))
    return {"first_capture": first - CAPTURED_BEFORE, "last_capture": last + CAPTURED_AFTER}


def _window(ends: list[date]) -> Params:
    """The first and last day that periods ending on these days can cover."""
    first = min(season_of(day)[0] if day == season_of(day)[1] else _longest_but_a_season(day) for day in ends)
    return {"first_date": first, "last_date": ends[-1]}


def _longest_but_a_season(day: date) -> date:
    return min(day - timedelta(days=LONGEST_ROLLING_DAYS - 1), day.replace(day=1))


def _market(ends: list[date]) -> Params:
    return {**_window(ends), "probability_systems": list(get_settings().grading_probability_systems)}


@dataclass(frozen=True)
class _Rows:
    """How the rows of an aggregate are made: the query, the fragments it takes, and its own params for some dates."""

    query: str
    fragments: tuple[str, ...] = ()
    params: Callable[[list[date]], Params] = lambda _: {}


_AGGREGATE: Mapping[str, Table] = {table.operation: table for table in AGGREGATES}
_ROWS = {
    SYSTEM_DAILY_PERFORMANCE.name: _Rows("aggregates/aggregate_days", (CANDIDATES,), lambda _: complete_minutes()),
    PLAYER_DAILY_PERFORMANCE.name: _Rows("aggregates/aggregate_players"),
    SETTLED_BETS.name: _Rows("aggregates/settle_bets", (CANDIDATES,), _captures),
    PREDICTION_PERFORMANCE_SUMMARY.name: _Rows("aggregates/aggregate_periods", (PERIODS,), _window),
    SYSTEM_MARKET_PERFORMANCE.name: _Rows("aggregates/aggregate_market", (PERIODS, UPPER_TAILS), _market),
}
