"""Bets of record and the market figures on the emulator against the second implementation, on generated predictions, tip-offs and prices;
and what may not change a settled bet.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from commands.load import load_directory
from commands.stack_config import StackConfig
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from tests.conftest import empty_tables
from tests.emulator.small_date import refresh_all
from tests.emulator.test_grading_property import box_score_of, write_files
from tests.emulator.test_refresh import Season
from tests.sizes import examples

Row = dict[str, Any]

# The clocks in New York go back on the second day: its end is 05:00 UTC, that of the first 04:00.
DAYS = (date(2025, 11, 1), date(2025, 11, 2), date(2025, 11, 7))
SYSTEMS = ("ewma_v1", "xgboost_v1", "late_v1")
PLAYERS = ("milesnash", "elistone", "lukaquinn", "omarhayes", "benturner")
BOOKS = ("DRAFTKINGS", "FANDUEL", None)
LINES = tuple(Decimal(number) / 2 for number in range(36, 46))
EDGES = tuple(Decimal(text) for text in ("0", "1", "-1", "2", "-2", "3", "-3", "4.9", "5", "-5"))
CONFIDENCES = tuple(Decimal(text) for text in ("0", "1", "0.1", "0.55", "0.7", "70"))
PRICES = (-110, 100, -100, 150, -250, 105, None)
CAPTURED = tuple(timedelta(seconds=seconds) for seconds in (-108_000, -18_000, -3600, -2760, -2700, 0, 1))
MADE = tuple(timedelta(seconds=seconds) for seconds in (-108_000, -18_000, -2700, -0.000001, 0, 10_800))
POINTS = (None, 0, 18, 19, 20, 21, 22, 30)


@dataclass
class Market:
    """Made-up predictions, box scores, tip-offs and offers of DAYS. The second game of a day has no tip-off."""

    rng: random.Random
    predictions: list[Row] = field(default_factory=list)
    box_scores: list[Row] = field(default_factory=list)
    games: list[Row] = field(default_factory=list)
    offers: list[Row] = field(default_factory=list)

    def make(self, days: Sequence[date]) -> None:
        for day in days:
            for number in range(2):
                game_id = f"{day:%Y%m%d}_G{number}"
                self.box_scores += box_score_of(self.rng, day, game_id, ("DET", "LAC"), "240")
                tip_off = datetime.combine(day, time(), UTC) + timedelta(hours=self.rng.choice((20, 27)))
                self.games.append({"game_id": game_id, "game_date": day, "tip_off_at": None if number else tip_off, "status": "Final"})
                for player in PLAYERS:
                    self._offer(game_id, player, tip_off)
                    for system in SYSTEMS:
                        self._predict(day, game_id, player, system, tip_off)
        for row in self.box_scores:
            row["points"] = self.rng.choice(POINTS)

    def _offer(self, game_id: str, player: str, tip_off: datetime) -> None:
        for book in filter(None, BOOKS):
            for moment in self.rng.sample(CAPTURED, self.rng.randint(0, 4)):
                for line in self.rng.sample(LINES, self.rng.randint(1, 3)):
                    prices = {side: self.rng.choice(PRICES) for side in ("over_price", "under_price")}
                    offer = {"game_id": game_id, "player_lookup": player, "sportsbook": book, "line": line, **prices}
                    self.offers.append({**offer, "captured_at": tip_off + moment})

    def _predict(self, day: date, game_id: str, player: str, system: str, tip_off: datetime) -> None:
        midnight = datetime.combine(day + timedelta(days=1), time(), UTC) + timedelta(hours=4 if day < DAYS[1] else 5)
        about = self.rng.choice((tip_off, midnight))
        for moment in self.rng.sample(MADE[4:] if system == "late_v1" else MADE, self.rng.randint(1, 2)):
            # A ladder: lines of one moment, sometimes at two books.
            for line in self.rng.sample(LINES, self.rng.randint(1, 5)):
                for book in self.rng.sample(BOOKS, self.rng.choice((1, 1, 2))):
                    made = None if self.rng.random() < 0.05 else about + moment
                    self.predictions.append(self._prediction(day, game_id, player, system, line, book, made))

    def _prediction(self, day: date, game_id: str, player: str, system: str, line: Decimal, book: str | None, made: datetime | None) -> Row:
        return {
            "prediction_id": f"p{len(self.predictions):05d}",
            "system_id": system,
            "player_lookup": player,
            "game_id": game_id,
            "game_date": day,
            "predicted_points": self.rng.choice((None, Decimal(self.rng.randint(150, 280)) / 10, *(line + step for step in EDGES))),
            "confidence_score": self.rng.choice((None, *CONFIDENCES, Decimal(self.rng.randint(0, 1000)) / 10)),
            "recommendation": self.rng.choice(("OVER", "OVER", "UNDER", "UNDER", "PASS", None)),
            "current_points_line": None if self.rng.random() < 0.03 else line,
            "sportsbook": book,
            "is_active": self.rng.random() > 0.05,
            "created_at": made,
        }

    def season(self, warehouse: Warehouse, directory: Path) -> Season:
        """Load and grade it."""
        season = Season(warehouse, directory, seed=0, predictions=self.predictions, box_scores=self.box_scores, offers=self.offers)
        season.tip_offs = {row["game_id"]: row["tip_off_at"] for row in self.games if row["tip_off_at"]}
        season.probability_systems = get_settings().grading_probability_systems
        write_files(directory, self.predictions, self.box_scores, games=self.games, prop_lines=self.offers)
        load_directory(warehouse.client, directory)
        season.grade(*sorted({row["game_date"] for row in self.predictions}))
        refresh_all(warehouse)
        return season


@pytest.fixture(autouse=True)
def a_system_whose_confidence_is_a_probability(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("GRADING_PROBABILITY_SYSTEMS", '["ewma_v1"]')
        get_settings.cache_clear()
        yield
    get_settings.cache_clear()


@settings(
    max_examples=examples(2, full=40),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1), days=st.sets(st.sampled_from(DAYS), min_size=1))
def test_sql_and_reference_settle_and_judge_every_generated_market_alike(
    seed: int, days: set[date], warehouse: Warehouse, emulators: StackConfig, tmp_path: Path
) -> None:
    empty_tables(warehouse.client, emulators.url("bigquery"))
    market = Market(random.Random(seed))
    market.make(sorted(days))
    market.season(warehouse, tmp_path).assert_all_is_as_the_reference_has_it()


def test_neither_lines_around_a_bet_nor_rows_made_after_the_game_change_a_settled_bet(warehouse: Warehouse, tmp_path: Path) -> None:
    market = Market(random.Random(13))
    market.make(DAYS)
    market.season(warehouse, tmp_path)
    before = bets_of(warehouse)
    assert len({(row["system_id"], row["player_lookup"], row["game_id"]) for row in before}) == len(before)
    assert_units_add_up(warehouse, before)

    made = {row["prediction_id"]: row for row in market.predictions}
    ends = {row["game_id"]: row["tip_off_at"] or datetime.combine(row["game_date"], time(), UTC) + timedelta(hours=29) for row in market.games}
    for row in made.values():
        late = {"prediction_id": f"z{row['prediction_id']}", "created_at": ends[row["game_id"]] + timedelta(seconds=1)}
        market.predictions.append({**row, **late, "current_points_line": Decimal("18.5"), "recommendation": "OVER"})
    for row in (made[bet["prediction_id"]] for bet in before):
        for step in (Decimal("10.25"), Decimal("-10.25"), Decimal("11.25"), Decimal("-11.25")):
            line = row["current_points_line"] + step
            market.predictions.append({**row, "prediction_id": f"a{row['prediction_id']}{line}", "current_points_line": line})
    market.season(warehouse, tmp_path)
    after = bets_of(warehouse)
    assert [{**row, "candidates": 0} for row in after] == [{**row, "candidates": 0} for row in before]
    assert [row["candidates"] for row in after] == [row["candidates"] + 4 for row in before]


def bets_of(warehouse: Warehouse) -> list[Row]:
    without = "grades_version, computed_at, grading_run_id, fencing_token"
    return warehouse.query(f"SELECT * EXCEPT ({without}) FROM nba_predictions.settled_bets ORDER BY system_id, player_lookup, game_id")


def assert_units_add_up(warehouse: Warehouse, bets: Sequence[Row]) -> None:
    assert {row["result"] for row in bets} == {"won", "lost", "push", "void", "no_bet"}
    profit = sum(row["profit"] for row in bets if row["profit"] is not None)
    judged = warehouse.query("SELECT period_type, units FROM nba_predictions.system_market_performance WHERE slice_type = 'all'")
    days, season = (sum(row["units"] for row in judged if row["period_type"] == period) for period in ("day", "season"))
    won, lost = (sum(row["result"] == result for row in bets) for result in ("won", "lost"))
    assert days == pytest.approx(season) == pytest.approx(profit) == pytest.approx(won * 100 / 110 - lost)
