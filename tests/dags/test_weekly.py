"""recalibrate_confidence and watch_players run whole, in process, on the emulators: what they store, and what is told."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from commands.stack_config import StackConfig
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from tests.dags.runs import posted, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

SUNDAY, NEXT_SUNDAY = "2026-01-11", "2026-01-18"

# Bets of record of 60 days: at each of four confidences ten a day, of which the confidence less ``shift`` is won.
BETS = """
INSERT INTO nba_predictions.settled_bets (system_id, player_lookup, game_id, game_date, confidence_score, result)
SELECT '{system}', CONCAT('p', CAST(n AS STRING)), CONCAT('g', CAST(step AS STRING)), DATE_SUB(DATE '{last}', INTERVAL ago DAY),
    NUMERIC '0.1' * step, IF(MOD((n + ago), 10) < step - {shift}, 'won', 'lost')
FROM UNNEST(GENERATE_ARRAY(0, 9)) AS n CROSS JOIN UNNEST(GENERATE_ARRAY(0, 59)) AS ago CROSS JOIN UNNEST([6, 7, 8, 9]) AS step
"""
# Of each of 30 players 40 bets in as many days, of which the first player's ``won`` are won, and 15 to 30 of every other's.
PLAYERS = """
INSERT INTO nba_predictions.settled_bets (system_id, player_lookup, game_id, game_date, result)
SELECT 's', CONCAT('p', CAST(n AS STRING)), 'g', DATE_SUB(DATE '{last}', INTERVAL ago DAY),
    IF(ago < IF(n = 0, {won}, 15 + MOD(n, 6) * 3), 'won', 'lost')
FROM UNNEST(GENERATE_ARRAY(0, 29)) AS n CROSS JOIN UNNEST(GENERATE_ARRAY(0, 39)) AS ago
"""


def recorded(warehouse: Warehouse) -> list[tuple[str, date, str, bool]]:
    rows = warehouse.query("SELECT operation, game_date, outcome, leased FROM nba_predictions.grading_runs ORDER BY operation, game_date")
    return [(row["operation"], row["game_date"], row["outcome"], row["leased"]) for row in rows]


@pytest.fixture
def probability_systems(settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.setenv("GRADING_PROBABILITY_SYSTEMS", '["over", "right"]')
    get_settings.cache_clear()


@pytest.mark.usefixtures("probability_systems")
def test_each_fit_is_a_version_and_the_newest_accepted_one_is_the_latest(warehouse: Warehouse) -> None:
    for system, shift in (("over", 2), ("right", 0), ("unlisted", 2)):
        warehouse.dml(BETS.format(system=system, last=SUNDAY, shift=shift))
    for day in ("2026-01-04", SUNDAY, SUNDAY):
        assert states(run_in_process("recalibrate_confidence", day=day)) == {"recalibrate": "success"}
    fits = warehouse.query("SELECT * FROM nba_predictions.confidence_calibration ORDER BY fitted_on, system_id")
    found = [(str(row["fitted_on"]), row["system_id"], row["accepted"], row["held_out_bets"]) for row in fits]
    assert found == [
        *(("2026-01-04", "over", True, 560), ("2026-01-04", "right", False, 560)),
        *((SUNDAY, "over", True, 560), (SUNDAY, "right", False, 560)),
    ]
    assert fits[2]["fitted_bets"] == 46 * 40
    points = json.loads(fits[2]["points"])
    assert [point for pair in points for point in pair] == pytest.approx([0.6, 0.4, 0.7, 0.5, 0.8, 0.6, 0.9, 0.7], abs=0.02)
    latest = warehouse.query("SELECT system_id, fitted_on FROM nba_predictions.latest_calibration")
    assert latest == [{"system_id": "over", "fitted_on": date(2026, 1, 11)}]
    assert set(recorded(warehouse)) == {("recalibration", date(2026, 1, day), "recalibrated", True) for day in (4, 11)}


def test_without_systems_that_give_probabilities_nothing_is_fitted(warehouse: Warehouse) -> None:
    warehouse.dml(BETS.format(system="over", last=SUNDAY, shift=2))
    assert states(run_in_process("recalibrate_confidence", day=SUNDAY)) == {"recalibrate": "success"}
    assert warehouse.query("SELECT * FROM nba_predictions.confidence_calibration") == []


def watchlist(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query("SELECT as_of, player_lookup, since, until FROM nba_predictions.player_watchlist ORDER BY as_of, player_lookup")


def test_who_enters_and_who_leaves_is_told_and_nothing_when_nobody_does(warehouse: Warehouse, emulators: StackConfig, before: int) -> None:
    warehouse.dml(PLAYERS.format(last=SUNDAY, won=5))
    warehouse.dml(
        "INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, points, minutes_played) "
        f"SELECT 'p0', 'g', DATE_SUB(DATE '{SUNDAY}', INTERVAL ago DAY), ago, 30 FROM UNNEST(GENERATE_ARRAY(0, 11)) AS ago"
    )
    entered = date(2026, 1, 11)
    for _ in range(2):
        assert states(run_in_process("watch_players", day=SUNDAY)) == {"watch": "success", "measure": "success", "post": "success"}
    assert watchlist(warehouse) == [{"as_of": entered, "player_lookup": "p0", "since": entered, "until": None}]
    told = posted(emulators, before)
    assert ["Watchlist of 2026-01-11: 1 entered, 0 left, 1 listed" in message for message in told] == [True, True]
    assert "+ s, p0: 5 of 40 decided bets won" in told[0]
    [spread] = warehouse.query("SELECT measure, games FROM nba_predictions.player_variance")
    assert spread == {"measure": "points", "games": 12}

    # A week later, with the same bets and none since: nobody moves.
    assert states(run_in_process("watch_players", day=NEXT_SUNDAY))["post"] == "skipped"
    assert watchlist(warehouse)[1] == {"as_of": date(2026, 1, 18), "player_lookup": "p0", "since": entered, "until": None}
    warehouse.dml("DELETE FROM nba_predictions.settled_bets WHERE player_lookup = 'p0'")
    assert states(run_in_process("watch_players", day="2026-01-25"))["post"] == "success"
    assert watchlist(warehouse)[2] == {"as_of": date(2026, 1, 25), "player_lookup": "p0", "since": entered, "until": date(2026, 1, 25)}
    assert "- s, p0: no decided bet in 90 days" in posted(emulators, before)[-1]
    assert ("watchlist", date(2026, 1, 25), "watched", True) in recorded(warehouse)
    assert ("variance", date(2026, 1, 25), "measured", True) in recorded(warehouse)
