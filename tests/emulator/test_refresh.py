"""The refresh of the aggregates: whatever events were lost, one refresh makes all of them equal to a second implementation, and no more than
is stale is written.

The grades are those that grading makes of generated predictions, by the SQL for the one side and by the reference grader for the other.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from commands.load import load_directory
from commands.stack_config import StackConfig
from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.guarded_write.write import FencedOut
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.aggregate import AGGREGATES, find_stale, refresh
from nba_grading.pipelines.grade import grade_dates
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import (
    PLAYER_DAILY_PERFORMANCE,
    PREDICTION_PERFORMANCE_SUMMARY,
    SETTLED_BETS,
    SYSTEM_DAILY_PERFORMANCE,
    SYSTEM_MARKET_PERFORMANCE,
    Table,
)
from tests.conftest import empty_tables
from tests.emulator.small_date import Token, refresh_all, unleased
from tests.emulator.test_grading_property import box_scores_of, predictions_of, write_files
from tests.reference_aggregates import NUMERIC_UNIT, aggregate_day, aggregate_players, complete_games, period_ends, summarize
from tests.reference_grader import grade
from tests.reference_market import judge, left_out, settle
from tests.sizes import examples

Row = dict[str, Any]

DAY_TABLES = (SYSTEM_DAILY_PERFORMANCE.name, PLAYER_DAILY_PERFORMANCE.name, SETTLED_BETS.name)
PERIOD_TABLES = (PREDICTION_PERFORMANCE_SUMMARY.name, SYSTEM_MARKET_PERFORMANCE.name)
SYSTEMS, PLAYERS, PERIODS = SYSTEM_DAILY_PERFORMANCE.name, PLAYER_DAILY_PERFORMANCE.name, PREDICTION_PERFORMANCE_SUMMARY.name
# Ends of periods, and the days on which their rolling periods, months and seasons begin, or end just before.
ENDS = (date(2025, 9, 30), date(2025, 10, 31), date(2026, 2, 28), date(2026, 1, 10))
OFFSETS = (0, 1, 5, 6, 7, 28, 29, 30, 31, 363, 364, 365, -1)
WRITE_COLUMNS = ("grades_version", "computed_at", "grading_run_id", "fencing_token")
CONFIDENCES = tuple(Decimal(text) for text in ("0.549999999", "0.55", "0.699999999", "0.7", "0.2", "1"))


@dataclass
class Season:
    """Inputs of some days, in BigQuery and here, and the grades that the reference grader made of them when they were graded there."""

    warehouse: Warehouse
    directory: Path
    seed: int
    predictions: list[Row] = field(default_factory=list)
    box_scores: list[Row] = field(default_factory=list)
    graded: dict[date, list[Row]] = field(default_factory=dict)
    tip_offs: dict[str, datetime] = field(default_factory=dict)
    offers: list[Row] = field(default_factory=list)
    probability_systems: tuple[str, ...] = ()

    def load(self, *days: date, fewest: int = 30) -> None:
        """Make up the inputs of the days, each time others, and load them. Of thirty predictions some are graded."""
        rng = random.Random(self.seed)
        self.seed += 1
        predictions, box_scores = [], []
        for day in days:
            made, scores = predictions_of(rng, day, rng.randint(fewest, 60)), box_scores_of(rng, day)
            for row in made:
                row["confidence_score"] = rng.choice((*CONFIDENCES, None))
            for row in (*made, *scores):
                row["game_id"] = f"{day}_{row['game_id']}"
            predictions, box_scores = predictions + made, box_scores + scores
        self.predictions = [row for row in self.predictions if row["game_date"] not in days] + predictions
        self.box_scores = [row for row in self.box_scores if row["game_date"] not in days] + box_scores
        write_files(self.directory, predictions, box_scores)
        load_directory(self.warehouse.client, self.directory)

    def grade(self, *days: date) -> None:
        """Grade the days in one write."""
        grade_dates(self.warehouse, unleased("grading", *days), WriteRequest("run", allow_shrink=True)).raise_refused()
        self.graded |= {day: grade(self.predictions, self.box_scores, day).rows for day in days}

    def assert_all_is_as_the_reference_has_it(self) -> None:
        """Every row of all aggregates, and nothing is stale."""
        grades = [row for rows in self.graded.values() for row in rows]
        days = sorted(self.graded)
        outs = {day: left_out(self.predictions, complete_games(self.box_scores, day), day, self.tip_offs) for day in days}
        bets = [row for day in days for row in settle(self.predictions, grades, day, self.tip_offs, self.offers)]
        systems = {(row["game_date"], row["system_id"]) for row in grades}
        judged = {(day, system): outs[day][system] for day, system in systems}
        graded_days = {day for day, _ in systems}
        expected: dict[Table, list[Row]] = {
            SYSTEM_DAILY_PERFORMANCE: [
                {**row, **outs[day][row["system_id"]]} for day in days for row in aggregate_day(grades, self.predictions, self.box_scores, day)
            ],
            PLAYER_DAILY_PERFORMANCE: [row for day in days for row in aggregate_players(grades, day)],
            SETTLED_BETS: bets,
            PREDICTION_PERFORMANCE_SUMMARY: [row for day in period_ends(grades) for row in summarize(grades, day)],
            SYSTEM_MARKET_PERFORMANCE: [
                row for day in period_ends(grades) for row in judge(bets, judged, day, day in graded_days, self.probability_systems)
            ],
        }
        for table, rows in expected.items():
            found = self.warehouse.query(f"SELECT * EXCEPT ({', '.join(WRITE_COLUMNS)}) FROM {table.full_name}")
            assert_same(found, rows, table.key)
        assert stale(self.warehouse) == {}


def assert_same(found: Sequence[Row], expected: Sequence[Row], key: Sequence[str]) -> None:
    ours, theirs = ({tuple(row[name] for name in key): row for row in rows} for rows in (found, expected))
    assert len(found) == len(ours)
    assert ours.keys() == theirs.keys()
    for name, row in theirs.items():
        assert ours[name].keys() == row.keys()
        assert {column: value for column, value in row.items() if not is_same(ours[name][column], value)} == {}


def is_same(found: Any, expected: Any) -> bool:
    """Equal; a float by nine digits, as sums of floats depend on their order; a NUMERIC mean may differ by one unit of its ninth decimal.

    The reference rounds the exact mean, as BigQuery's AVG(NUMERIC) does. The emulator averages as float, so where the exact mean
    lies half way between two NUMERICs it can come out on either side. tests/unit/test_reference_aggregates.py pins the rounding.
    """
    if isinstance(found, Decimal) and isinstance(expected, Decimal):
        return abs(found - expected) <= NUMERIC_UNIT
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    return bool(found == expected)


def partitions(days: list[date], ends: list[date]) -> dict[str, list[date]]:
    """These days of every table of days, and the periods that end on these of every table of periods."""
    return {**dict.fromkeys(DAY_TABLES, days), **dict.fromkeys(PERIOD_TABLES, ends)}


def stale(warehouse: Warehouse) -> dict[str, list[date]]:
    """What is to be written, without the tables of which nothing is."""
    return {name: list(versions) for name, versions in find_stale(warehouse).items() if versions}


@pytest.fixture
def season(warehouse: Warehouse, tmp_path: Path) -> Season:
    return Season(warehouse, tmp_path, seed=2026)


@settings(
    max_examples=examples(2, full=24),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1), end=st.sampled_from(ENDS), offsets=st.sets(st.sampled_from(OFFSETS), min_size=1, max_size=6))
def test_sql_and_reference_sum_up_every_generated_batch_alike(
    seed: int, end: date, offsets: set[int], warehouse: Warehouse, emulators: StackConfig, tmp_path: Path
) -> None:
    empty_tables(warehouse.client, emulators.url("bigquery"))
    season, days = Season(warehouse, tmp_path, seed), sorted(end - timedelta(days=offset) for offset in offsets)
    season.load(*days, fewest=1)
    season.grade(*days)
    refresh_all(warehouse)
    season.assert_all_is_as_the_reference_has_it()


DECEMBER, NEW_YEAR, TENTH, ELEVENTH = date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 10), date(2026, 2, 11)
DAYS = (DECEMBER, NEW_YEAR, TENTH, ELEVENTH)
FEBRUARY, SEASON = date(2026, 2, 28), date(2026, 9, 30)


def test_one_refresh_makes_up_for_all_events_that_were_lost(season: Season) -> None:
    season.load(*DAYS)
    season.grade(TENTH)
    assert refresh_all(season.warehouse) == partitions([TENTH], [TENTH, FEBRUARY, SEASON])
    season.assert_all_is_as_the_reference_has_it()
    # Nobody hears of these four writes.
    season.grade(DECEMBER, NEW_YEAR)
    season.grade(ELEVENTH)
    season.load(NEW_YEAR)
    season.grade(NEW_YEAR)
    written = refresh_all(season.warehouse)
    assert written == partitions([DECEMBER, NEW_YEAR, ELEVENTH], [DECEMBER, NEW_YEAR, TENTH, ELEVENTH, FEBRUARY, SEASON])
    season.assert_all_is_as_the_reference_has_it()
    assert refresh_all(season.warehouse) == {}, "nothing stale, nothing written"


def test_a_date_graded_again_makes_stale_its_days_and_the_periods_that_contain_it(season: Season) -> None:
    season.load(*DAYS)
    season.grade(*DAYS)
    refresh_all(season.warehouse)
    season.load(NEW_YEAR, TENTH)
    season.grade(TENTH)
    assert stale(season.warehouse) == partitions([TENTH], [TENTH, ELEVENTH, FEBRUARY, SEASON])
    season.grade(DECEMBER)
    assert stale(season.warehouse) == partitions([DECEMBER, TENTH], [DECEMBER, *DAYS[2:], FEBRUARY, SEASON])
    season.grade(NEW_YEAR)
    refresh_all(season.warehouse)
    season.assert_all_is_as_the_reference_has_it()


def test_of_a_date_whose_grades_all_vanish_nothing_is_left_in_any_aggregate(season: Season) -> None:
    season.load(*DAYS)
    season.grade(*DAYS)
    refresh_all(season.warehouse)
    for day in (TENTH, DECEMBER):
        season.warehouse.dml("UPDATE nba_predictions.player_prop_predictions SET is_active = FALSE WHERE game_date = @day", {"day": day})
        for row in season.predictions:
            row["is_active"] = row["is_active"] if row["game_date"] != day else False
    season.grade(TENTH, DECEMBER)
    assert season.graded[TENTH] == season.graded[DECEMBER] == []
    refresh_all(season.warehouse)
    season.assert_all_is_as_the_reference_has_it()


def test_a_february_that_ends_without_games_is_made_once(season: Season) -> None:
    # Its last day ends no rolling period; what a refresh writes of the month must not make it look as if it did.
    season.load(NEW_YEAR, TENTH)
    season.grade(NEW_YEAR, TENTH)
    assert FEBRUARY in refresh_all(season.warehouse)[PERIODS]
    assert stale(season.warehouse) == {}


def test_grades_that_are_published_while_the_refresh_runs_leave_the_partition_stale(season: Season) -> None:
    warehouse = season.warehouse
    season.load(TENTH, ELEVENTH)
    season.grade(TENTH, ELEVENTH)
    versions = find_stale(warehouse)
    season.load(TENTH)
    season.grade(TENTH)
    for table in AGGREGATES:
        request = WriteRequest("early", params={"versions": versions[table.name]})
        refresh(warehouse, unleased(table.operation, *versions[table.name]), request).raise_refused()
    # The early refresh read some of the new grades, and says that it was made of the older ones.
    assert stale(warehouse) == partitions([TENTH], [TENTH, ELEVENTH, FEBRUARY, SEASON])
    refresh_all(warehouse)
    season.assert_all_is_as_the_reference_has_it()


def test_a_day_of_players_that_is_refused_keeps_the_periods_unwritten_until_it_is_there(season: Season) -> None:
    warehouse = season.warehouse
    season.load(TENTH, ELEVENTH)
    season.grade(TENTH, ELEVENTH)
    fences = "nba_predictions.write_fences_player_daily_performance"
    warehouse.dml(f"INSERT INTO {fences} (game_date, fencing_token, version, published_rows) SELECT DATE '{TENTH}', 100, 0, 0")

    def claim(operation: str, *days: date) -> ClaimedDates:
        return ClaimedDates(tuple(Token(LeaseKey(operation, day), "test", fencing_token=99) for day in days))

    with pytest.raises(FencedOut, match=f"{PLAYERS} {TENTH} holds token 100"):
        refresh_all(warehouse, claim)
    left = partitions([TENTH, ELEVENTH], [TENTH, ELEVENTH, FEBRUARY, SEASON])
    assert stale(warehouse) == {name: days for name, days in (left | {PLAYERS: [TENTH]}).items() if name != SYSTEMS}
    assert warehouse.query(f"SELECT * FROM nba_predictions.{PERIODS}") == []
    refresh_all(warehouse)
    season.assert_all_is_as_the_reference_has_it()
