"""review_models run whole, in process, on the emulators: what it reviews, which drifts it reports, and what it skips."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from commands.stack_config import StackConfig
from nba_grading.warehouse.client import Warehouse
from tests.dags.runs import posted, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

SUNDAY, SATURDAY, NEXT_SUNDAY = "2026-01-11", "2026-01-10", "2026-01-18"

# A season of one system: 37 days of ``players`` player-games a day, whose errors are ``error`` (and a little more on every other day),
# in the last 7 days ``last_error``, and of which in these the share ``won`` is won. One in ten is a void, one a push, one no bet.
BETS = """
INSERT INTO nba_predictions.settled_bets
    (system_id, player_lookup, game_id, game_date, recommendation, confidence_score, result, predicted_points, actual_points,
     absolute_error, line_error)
SELECT
    '{system}', CONCAT('p', CAST(n AS STRING)), CONCAT('g', CAST(MOD(n, 3) AS STRING)), DATE_SUB(DATE '{last}', INTERVAL ago DAY),
    IF(MOD(n, 10) = 2, 'PASS', 'OVER'), NUMERIC '0.6',
    CASE
        WHEN MOD(n, 10) = 0 THEN 'void' WHEN MOD(n, 10) = 1 THEN 'push' WHEN MOD(n, 10) = 2 THEN 'no_bet'
        WHEN MOD(n * 37 + ago * 11, 100) < {won} THEN 'won' ELSE 'lost'
    END,
    NUMERIC '20', IF(MOD(n, 10) = 0, NULL, 20),
    IF(MOD(n, 10) = 0, NULL, IF(ago < 7, NUMERIC '{last_error}', NUMERIC '{error}' + IF(MOD(ago, 2) = 0, NUMERIC '0.1', NUMERIC '0'))),
    IF(MOD(n, 10) = 0, NULL, NUMERIC '4.5')
FROM UNNEST(GENERATE_ARRAY(0, {players} - 1)) AS n CROSS JOIN UNNEST(GENERATE_ARRAY(0, 36)) AS ago
"""
PREDICTIONS = """
INSERT INTO nba_predictions.player_prop_predictions
    (system_id, player_lookup, game_id, game_date, predicted_points, current_points_line, recommendation)
SELECT system_id, player_lookup, game_id, game_date, NUMERIC '20', NUMERIC '20.5', 'OVER'
FROM nba_predictions.settled_bets
"""
BOX_SCORES = """
INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, points)
SELECT DISTINCT 'p', game_id, game_date, 20 FROM nba_predictions.settled_bets
"""


def insert_system(
    warehouse: Warehouse, system: str, *, last: str = SUNDAY, error: str = "4", last_error: str = "4.05", won: int = 60, players: int = 100
) -> None:
    warehouse.dml(BETS.format(system=system, last=last, error=error, last_error=last_error, won=won, players=players))


def result(run: Any, task_id: str) -> Any:
    return next(iter(run.get_task_instances())).xcom_pull(task_ids=task_id)


def with_setting(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    from nba_grading.settings import get_settings

    environment.setenv(name, value)
    get_settings.cache_clear()


def open_names(warehouse: Warehouse) -> list[str]:
    return [
        row["name"]
        for row in warehouse.query("SELECT name FROM nba_predictions.incidents WHERE resolved_at IS NULL AND opened_at IS NOT NULL ORDER BY name")
    ]


def test_on_a_monday_the_table_lists_the_systems_that_drift_and_no_others(warehouse: Warehouse, emulators: StackConfig, before: int) -> None:
    insert_system(warehouse, "steady")
    insert_system(warehouse, "worse", last_error="5")
    insert_system(warehouse, "suspiciously_good", last_error="2")
    insert_system(warehouse, "losing", won=40)
    insert_system(warehouse, "under_within_chance", won=52, players=40)
    insert_system(warehouse, "small", last_error="9", won=0, players=10)
    run = run_in_process("review_models", day=SUNDAY)
    assert states(run) == {"milestones": "skipped", "weekly_review": "success"}

    rows = {row["system_id"]: row for row in result(run, "weekly_review")}
    json.dumps(rows)
    assert {system: (row["mae_verdict"], row["win_rate_verdict"]) for system, row in rows.items()} == {
        "losing": ("inside", "low"),
        "small": ("too_few", "too_few"),
        "steady": ("inside", "ok"),
        "suspiciously_good": ("below", "ok"),
        "under_within_chance": ("inside", "ok"),
        "worse": ("above", "ok"),
    }
    assert rows["under_within_chance"]["win_rate"] < 0.524 < rows["under_within_chance"]["win_rate_high"]
    # 7 days of 100: one in ten is void, three in ten have no verdict.
    steady = rows["steady"]
    assert (steady["settled"], steady["voided"], steady["errors"], steady["decided"], steady["bet_days"]) == (700, 70, 630, 490, 7)
    assert (steady["mae"], steady["line_mae"], steady["band_days"], steady["graded_days"]) == (4.05, 4.5, 30, 7)
    assert [(each["confidence_decile"], each["mean_confidence"], each["is_off"]) for each in steady["calibration"]] == [(7, 0.6, False)]

    assert open_names(warehouse) == ["mae-out-of-band/suspiciously_good", "mae-out-of-band/worse", "win-rate-low/losing"]
    *drifts, table = posted(emulators, before)
    assert len(drifts) == 3
    assert "worse: the MAE of the week is above its own 30-day band" in drifts[1]
    assert "losing: the win rate of the week is under 52.4 %, beyond chance" in drifts[2]
    assert "Weekly review of 6 systems, 2026-01-05 to 2026-01-11: 3 drifting" in table
    assert "losing (win rate low)" in table
    assert "too few for MAE, too few bets" in table
    assert "of 10 pairs differs in MAE beyond chance" in table, "without any spread between the dates there is no p-value"
    assert len(table) < 3000


def test_a_drift_is_reported_once_and_resolved_when_the_system_is_back_or_gone(warehouse: Warehouse, emulators: StackConfig, before: int) -> None:
    insert_system(warehouse, "worse", last_error="5")
    insert_system(warehouse, "retired", won=40)
    for _ in range(2):
        run_in_process("review_models", day=SUNDAY)
    assert len(posted(emulators, before)) == 2 + 2
    warehouse.dml("DELETE FROM nba_predictions.settled_bets WHERE TRUE")
    insert_system(warehouse, "worse", last=NEXT_SUNDAY)
    before = len(posted(emulators))
    run_in_process("review_models", day=NEXT_SUNDAY)
    back, gone, _ = posted(emulators, before)
    assert all("RESOLVED" in message for message in (back, gone))
    assert "worse: the MAE is back in its 30-day band" in back
    assert "retired: not graded for more than a month" in gone
    assert open_names(warehouse) == []


def test_too_little_to_judge_leaves_a_named_system_as_it_is(warehouse: Warehouse, emulators: StackConfig, before: int) -> None:
    insert_system(warehouse, "worse", last_error="5")
    run_in_process("review_models", day=SUNDAY)
    warehouse.dml("DELETE FROM nba_predictions.settled_bets WHERE game_date > DATE '2026-01-04'")
    before = len(posted(emulators))
    run = run_in_process("review_models", day=SUNDAY)
    [row] = result(run, "weekly_review")
    assert (row["mae_verdict"], row["win_rate_verdict"], row["mae"]) == ("no_errors", "no_bets", None)
    assert open_names(warehouse) == ["mae-out-of-band/worse"]
    [table] = posted(emulators, before)
    assert "no grades from 2026-01-05 to 2026-01-11" in table
    assert "Graded in the month before: worse." in table


@pytest.mark.parametrize(
    ("day", "weekly", "made"), [(SATURDAY, "on Mondays", False), (SATURDAY, "always", True), (SUNDAY, "never", False), (SUNDAY, "on Mondays", True)]
)
def test_the_table_is_made_on_mondays_unless_forced_and_says_so_without_data(
    day: str, weekly: str, made: bool, warehouse: Warehouse, emulators: StackConfig, before: int
) -> None:
    run = run_in_process("review_models", day=day, weekly=weekly)
    assert states(run) == {"milestones": "skipped", "weekly_review": "success" if made else "skipped"}
    messages = posted(emulators, before)
    assert len(messages) == made
    if made:
        assert result(run, "weekly_review") == []
        assert "Weekly review: no grades from" in messages[0]


def test_a_milestone_is_checked_on_the_morning_of_its_date_alone(
    warehouse: Warehouse, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    dates = {"good": "2026-01-11", "bad": "2026-01-11", "unheard_of": "2026-01-11", "later": "2026-01-12", "earlier": str(date(2026, 1, 10))}
    with_setting(settings_environment, "GRADING_MILESTONES", json.dumps(dates))
    insert_system(warehouse, "good", last=SATURDAY, last_error="4.5", won=60)
    insert_system(warehouse, "bad", last=SATURDAY, last_error="4.6", won=40)
    for statement in (PREDICTIONS, BOX_SCORES):
        warehouse.dml(statement)
    warehouse.dml(
        "UPDATE nba_predictions.player_prop_predictions SET current_points_line = NULL "
        f"WHERE system_id = 'bad' AND game_date = DATE '{SATURDAY}' AND player_lookup = 'p1'"
    )
    warehouse.dml("DELETE FROM nba_predictions.player_prop_predictions WHERE system_id = 'bad' AND game_date = DATE '2026-01-06'")
    run = run_in_process("review_models", day=SATURDAY)
    assert states(run) == {"milestones": "success", "weekly_review": "skipped"}

    bad, good, unheard_of = result(run, "milestones")
    met = ("is_mae_met", "is_placeholders_met", "is_volume_met", "is_win_rate_met")
    assert [good[name] for name in met] == [True] * 4
    assert [bad[name] for name in met] == [False] * 4
    assert (bad["placeholders"], bad["silent_days"], bad["game_days"], good["volume_variation"]) == (1, 1, 7, 0)
    bad_message, good_message, missing_message = posted(emulators, before)
    assert "WARNING: Milestone of bad: missed by MAE, placeholders, volume, win rate" in bad_message
    assert "INFO: Milestone of good: met" in good_message
    assert "4.50 (at most 4.5; baseline 3.98; 630 errors)" in good_message
    assert "+0.52 points of MAE" in good_message
    assert "it has no predictions and no grades from 2026-01-04 to 2026-01-10" in missing_message
    assert not any(unheard_of[name] for name in met)
