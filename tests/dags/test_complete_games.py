"""Only complete games are graded: what a run waits for, what it says of the others, and what heals them without a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from commands.stack_config import StackConfig
from nba_grading.airflow.operators.check import CheckInputsOperator
from nba_grading.airflow.tasks.regrade import find_dates_to_heal
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Row, Warehouse
from tests.dags.runs import posted, result, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

DAY = date(2026, 1, 10)
WHOLE, LATE = "whole", "late"
NEW_YORK = ZoneInfo("America/New_York")


def predict(warehouse: Warehouse, *games: str, day: date = DAY) -> None:
    """A prediction of each of two players of each game."""
    rows = [f"('system', '{player}', '{game}', DATE '{day}', NUMERIC '21', 'OVER', NUMERIC '20.5')" for game in games for player in ("p", "q")]
    columns = "system_id, player_lookup, game_id, game_date, predicted_points, recommendation, current_points_line"
    warehouse.dml(f"INSERT INTO nba_predictions.player_prop_predictions ({columns}) VALUES {', '.join(rows)}")


def play(warehouse: Warehouse, game: str, minutes: Sequence[str] = ("240", "240"), day: date = DAY) -> None:
    """A box score of one player of each team, with these minutes."""
    rows = [
        f"('{player}', '{game}', DATE '{day}', '{team}', 25, {each})" for player, team, each in zip(("p", "q"), ("DET", "LAC"), minutes, strict=False)
    ]
    columns = "player_lookup, game_id, game_date, team_abbr, points, minutes_played"
    warehouse.dml(f"INSERT INTO nba_box_scores.player_game_summary ({columns}) VALUES {', '.join(rows)}")


def runs(warehouse: Warehouse) -> list[Row]:
    return warehouse.query("SELECT * FROM nba_predictions.grading_runs WHERE operation = 'grading' ORDER BY finished_at")


def games_graded(warehouse: Warehouse) -> set[str]:
    return {row["game_id"] for row in warehouse.query("SELECT DISTINCT game_id FROM nba_predictions.prediction_accuracy")}


def test_a_run_grades_the_complete_games_and_records_the_others_by_reason(warehouse: Warehouse) -> None:
    predict(warehouse, WHOLE, LATE, "running")
    play(warehouse, WHOLE)
    play(warehouse, "running", ("120.5", "119"))
    run = run_in_process("grade_predictions", game_date=str(DAY))
    assert states(run)["validate"] == "success"
    [row] = runs(warehouse)
    assert {name: row[name] for name in ("outcome", "graded", "pending", "pending_no_box_score", "pending_incomplete", "incomplete_games")} == {
        "outcome": "graded",
        "graded": 2,
        "pending": 4,
        "pending_no_box_score": 2,
        "pending_incomplete": 2,
        "incomplete_games": 1,
    }
    assert "2 of the 3 games predicted for 2026-01-10 are not complete: late (no box score), running (a team has 119.0 minutes)" in row["detail"]
    assert games_graded(warehouse) == {WHOLE}


def test_a_date_whose_games_are_all_running_is_skipped_with_that_reason_and_recorded(warehouse: Warehouse) -> None:
    predict(warehouse, LATE)
    play(warehouse, LATE, ("240",))
    run = run_in_process("grade_predictions", game_date=str(DAY))
    assert states(run)["grade"] == "skipped"
    [row] = runs(warehouse)
    assert (row["outcome"], row["pending"], row["pending_incomplete"], row["incomplete_games"]) == ("incomplete_games", 2, 2, 1)
    assert "late (rows of 1 team)" in row["detail"]


def test_a_game_that_was_accepted_is_graded_by_that_run_and_by_every_later_one(warehouse: Warehouse) -> None:
    predict(warehouse, WHOLE, LATE)
    play(warehouse, WHOLE)
    play(warehouse, LATE, ("100", "100"))
    run_in_process("grade_predictions", game_date=str(DAY), accept_games=[LATE])
    assert games_graded(warehouse) == {WHOLE, LATE}
    run_in_process("grade_predictions", game_date=str(DAY), accept_games=[LATE])
    run_in_process("grade_predictions", game_date=str(DAY))
    assert games_graded(warehouse) == {WHOLE, LATE}
    [accepted] = warehouse.query("SELECT * FROM nba_predictions.accepted_games")
    assert (accepted["game_date"], accepted["game_id"]) == (DAY, LATE)
    assert accepted["accepted_by"].startswith("grade_predictions/")


def test_a_game_without_a_box_score_cannot_be_accepted(warehouse: Warehouse) -> None:
    predict(warehouse, WHOLE, LATE)
    play(warehouse, WHOLE)
    run = run_in_process("grade_predictions", game_date=str(DAY), accept_games=[WHOLE, "lat"])
    assert states(run)["check_inputs"] == "failed"
    [row] = runs(warehouse)
    assert (row["outcome"], row["detail"]) == (
        "refused",
        "ParamsRefused: accept_games: no box score on 2026-01-10 has the game lat; its games are whole",
    )
    assert warehouse.query("SELECT * FROM nba_predictions.accepted_games") == []


def test_games_without_minutes_are_graded_and_said(warehouse: Warehouse, emulators: StackConfig, before: int) -> None:
    predict(warehouse, WHOLE)
    play(warehouse, WHOLE, ("NULL", "NULL"))
    run = run_in_process("grade_predictions", game_date=str(DAY))
    assert states(run)["validate"] == "success"
    assert games_graded(warehouse) == {WHOLE}
    assert "completeness_unknown" in runs(warehouse)[0]["detail"]
    [message] = posted(emulators, before)
    assert "no row of 1 games has minutes" in message


def look(warehouse: Warehouse, started: datetime) -> dict[str, Any]:
    """What CheckInputsOperator finds in a scheduled run that began at this time."""
    ti = SimpleNamespace(dag_id="grade_predictions", run_id="scheduled__1", task_id="check_inputs", xcom_push=lambda **_keywords: None)
    run = SimpleNamespace(run_type="scheduled", start_date=started, run_after=started)
    return CheckInputsOperator(task_id="check_inputs", operation="grading").look({"ti": ti, "dag_run": run, "params": {}}, DAY)  # type: ignore[typeddict-item]


def test_a_scheduled_run_waits_for_every_game_and_grades_what_is_complete_when_the_wait_is_over(warehouse: Warehouse) -> None:
    now = datetime.now(tz=UTC)
    predict(warehouse, WHOLE, LATE)
    play(warehouse, WHOLE)
    with pytest.raises(TaskDeferred):
        look(warehouse, now)
    found = look(warehouse, now - timedelta(seconds=get_settings().grading_box_score_wait_seconds))
    assert (found["complete_games"], found["games"]) == (1, 2)
    assert found["missing"] == "1 of the 2 games predicted for 2026-01-10 are not complete: late (no box score)"
    play(warehouse, LATE)
    found = look(warehouse, now)
    assert (found["complete_games"], found["missing"]) == (2, None)


def heal(at: datetime, run_type: str = "scheduled") -> list[dict[str, Any]]:
    """The params of the run that heal_grading would start; none when it is skipped."""
    ti = SimpleNamespace(dag_id="heal_grading", run_id="scheduled__1", task_id="find", try_number=1)
    try:
        return find_dates_to_heal({"ti": ti, "dag_run": SimpleNamespace(run_type=run_type, run_after=at), "params": {}})  # type: ignore[typeddict-item]
    except AirflowSkipException:
        return []


def at(hour: int, minute: int = 0) -> datetime:
    """A time of the day after DAY in New York."""
    return datetime(2026, 1, 11, hour, minute, tzinfo=NEW_YORK)


def dates_of(params: list[dict[str, Any]]) -> list[str]:
    return [day for each in params for day in each["dates"]]


def test_yesterday_is_looked_at_every_hour_from_the_end_of_the_wait_and_older_dates_once_a_day(warehouse: Warehouse) -> None:
    older = DAY - timedelta(days=1)
    for day in (DAY, older):
        predict(warehouse, LATE, day=day)
        play(warehouse, LATE, day=day)
    assert dates_of(heal(at(8))) == [str(older)], "the scheduled run of yesterday may still wait"
    assert dates_of(heal(at(9))) == []
    assert dates_of(heal(at(11, 59))) == []
    assert dates_of(heal(at(12))) == [str(DAY)]
    assert dates_of(heal(at(23))) == [str(DAY)]
    assert dates_of(heal(at(12), run_type="manual")) == [str(older), str(DAY)]


def test_yesterday_is_left_to_the_next_day_after_three_failures(warehouse: Warehouse) -> None:
    from nba_grading.runs.record import record_runs

    predict(warehouse, LATE)
    play(warehouse, LATE)
    row = {"operation": "grading", "game_date": DAY, "started_at": datetime.now(tz=UTC), "outcome": "failed"}
    record_runs(warehouse, [{**row, "grading_run_id": f"x{number}"} for number in range(2)])
    assert dates_of(heal(at(13))) == [str(DAY)]
    record_runs(warehouse, [{**row, "grading_run_id": "x2"}])
    assert heal(at(13)) == []


def test_a_half_loaded_box_score_heals_on_the_same_day_through_the_dags_alone(warehouse: Warehouse) -> None:
    predict(warehouse, WHOLE, LATE)
    play(warehouse, WHOLE)
    play(warehouse, LATE, ("240",))
    run_in_process("grade_predictions", game_date=str(DAY))
    assert games_graded(warehouse) == {WHOLE}
    assert heal(at(14)) == [], "the game is still not complete"
    warehouse.dml("DELETE FROM nba_box_scores.player_game_summary WHERE game_id = 'late'")
    play(warehouse, LATE)
    [conf] = heal(at(15))
    run = run_in_process("backfill_grades", **conf)
    assert [row["outcome"] for row in result(run, "report", "dates")] == ["graded"]
    assert games_graded(warehouse) == {WHOLE, LATE}
    assert warehouse.query("SELECT COUNT(*) AS n FROM nba_predictions.prediction_accuracy WHERE is_voided") == [{"n": 0}]
    assert heal(at(16)) == []
