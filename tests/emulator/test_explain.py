"""The explanation of every key of generated batches, held against the reference grader; and what it says of corrections and duplicates."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from commands.console import CommandError
from commands.explain import choose_line, show
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.pipelines.explain import NothingToExplain, Subject, explain_grades
from nba_grading.pipelines.grade import grade_dates
from nba_grading.runs.record import record_runs
from nba_grading.warehouse.client import Warehouse
from tests.emulator.small_date import unleased
from tests.emulator.test_grading_property import PLAYERS, SYSTEMS, box_scores_of, predictions_of
from tests.emulator.test_preview import load
from tests.reference_grader import _standing, grade
from tests.sizes import examples

Row = dict[str, Any]

DAY = date(2026, 1, 10)


def grade_day(warehouse: Warehouse) -> None:
    grade_dates(warehouse, unleased("grading", DAY), WriteRequest("run1", allow_shrink=True)).raise_refused()


@settings(
    max_examples=examples(3, full=20),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.timeout(600)
def test_every_key_is_explained_as_the_reference_grades_it(seed: int, warehouse: Warehouse, tmp_path: Path) -> None:
    rng = random.Random(seed)
    predictions, box_scores = predictions_of(rng, DAY, 150), box_scores_of(rng, DAY)
    load(warehouse, tmp_path, predictions, box_scores)
    grade_day(warehouse)
    done = grade(predictions, box_scores, DAY)
    grades = {(row["system_id"], row["player_lookup"], row["game_id"], row["line_value"]): row for row in done.rows}
    winners = {(row["system_id"], row["player_lookup"], row["game_id"], row["current_points_line"]): row for row in _standing(predictions, DAY)}
    seen = 0
    for system in SYSTEMS:
        for player in PLAYERS:
            try:
                explanations = explain_grades(warehouse, Subject(system, player, DAY))
            except NothingToExplain:
                assert not any(row["system_id"] == system and row["player_lookup"] == player for row in predictions)
                continue
            for found in explanations:
                key = (system, player, found["game_id"], found["line_value"])
                expected, winner = grades.get(key), winners.get(key)
                state = ("voided" if expected["is_voided"] else "graded") if expected else "pending" if winner else "not_gradable"
                assert found["state"] == state, found["verdict"]
                graded = [row for row in found["candidates"] if row["why"].startswith("graded")]
                assert [row["prediction_id"] for row in graded] == ([winner["prediction_id"]] if winner else [])
                assert len(found["rules"]) == {"graded": 6, "voided": 5, "pending": 3, "not_gradable": 1}[state]
                assert (found["differences"], found["corrections"]) == ({}, [])
                assert show(found)
                seen += 1
    assert seen == len({(row["system_id"], row["player_lookup"], row["game_id"], row["current_points_line"]) for row in predictions})


PREDICTION = (
    "INSERT INTO nba_predictions.player_prop_predictions (prediction_id, system_id, player_lookup, game_id, game_date, predicted_points, "
    "confidence_score, recommendation, current_points_line, is_active, created_at) VALUES "
    f"('p1', 'ewma_v1', 'milesnash', 'g1', DATE '{DAY}', 28, 70, 'OVER', 25.5, TRUE, TIMESTAMP '2026-01-10 12:00:00'), "
    f"('p2', 'ewma_v1', 'milesnash', 'g1', DATE '{DAY}', 30, 70, 'OVER', 25.5, TRUE, TIMESTAMP '2026-01-10 11:00:00'), "
    f"('p3', 'ewma_v1', 'milesnash', 'g1', DATE '{DAY}', 30, 70, 'OVER', 25.5, FALSE, TIMESTAMP '2026-01-10 13:00:00'), "
    f"('p4', 'ewma_v1', 'milesnash', 'g1', DATE '{DAY}', 30, 70, 'NO_LINE', NULL, TRUE, TIMESTAMP '2026-01-10 13:00:00')"
)
BOX_SCORE = (
    "INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, team_abbr, points, minutes_played) VALUES "
    f"('milesnash', 'g1', DATE '{DAY}', 'DET', 26, 240), ('elistone', 'g1', DATE '{DAY}', 'LAC', 4, {{minutes}})"
)


def explain(warehouse: Warehouse, line: str = "25.5") -> Row:
    [found] = choose_line(explain_grades(warehouse, Subject("ewma_v1", "milesnash", DAY)), line)
    return found


def test_a_grade_is_explained_rule_by_rule_with_the_run_that_wrote_it(warehouse: Warehouse) -> None:
    warehouse.dml(PREDICTION)
    warehouse.dml(BOX_SCORE.format(minutes=240))
    grade_day(warehouse)
    run = {"grading_run_id": "run1", "operation": "grading", "game_date": DAY, "dag_id": "grade_predictions", "run_id": "manual__1"}
    [stored] = explain(warehouse)["stored"]
    record_runs(warehouse, [{**run, "run_type": "manual", "started_at": stored["graded_at"], "outcome": "graded"}])
    found = explain(warehouse)
    assert [row["why"] for row in found["candidates"]] == [
        "graded: the newest gradable row of its key",
        "not graded: an older created_at than p1",
        "not gradable: is_active is FALSE",
    ]
    assert found["rules"] == [
        "Rule 1: p1 is gradable, and the newest of its key.",
        "Rule 2: matched on game g1, player milesnash: a row in the box score.",
        "Rule 3: the game is complete: minutes DET 240, LAC 240; 235 of each of two teams are needed.",
        "Rule 4: played (26 points in 240 minutes).",
        "Rule 5: predicted 28 - actual 26 = 2; actual 26 - line 25.5 = 0.5, so OVER is right.",
        "Rule 6: confidence 70 is kept as 0.7, decile 8.",
    ]
    assert (found["state"], found["verdict"], found["next_step"]) == ("graded", "Graded, as stored.", "Nothing to do.")
    text = show(found)
    assert "by grade_predictions/manual__1 (manual), run run1, token" in text
    assert explain(warehouse, "none")["line_value"] is None


def test_a_pending_prediction_says_what_its_game_lacks(warehouse: Warehouse) -> None:
    warehouse.dml(PREDICTION)
    warehouse.dml(BOX_SCORE.format(minutes=118))
    found = explain(warehouse)
    assert (found["state"], found["verdict"]) == ("pending", "Pending: the game is not complete.")
    assert found["rules"][-1] == "Rule 3: the game is not complete: minutes DET 240, LAC 118; 235 of each of two teams are needed."


def test_corrections_and_duplicates_are_named(warehouse: Warehouse) -> None:
    warehouse.dml(PREDICTION)
    warehouse.dml(BOX_SCORE.format(minutes=240))
    grade_day(warehouse)
    correct = (
        "UPDATE nba_box_scores.player_game_summary SET points = 20, updated_at = TIMESTAMP '2999-01-01 00:00:00' WHERE player_lookup = 'milesnash'"
    )
    warehouse.dml(correct + f" AND game_date = DATE '{DAY}'")
    found = explain(warehouse)
    assert found["state"] == "outdated"
    assert found["differences"]["actual_points"] == {"stored": 26, "expected": 20}
    assert found["differences"]["prediction_correct"] == {"stored": True, "expected": False}
    assert found["corrections"] == ["the box-score row was corrected at 2999-01-01 00:00 UTC, after the grading"]
    warehouse.dml(f"INSERT INTO nba_predictions.prediction_accuracy SELECT * FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{DAY}'")
    assert explain(warehouse)["verdict"] == "The key is stored 2 times."


def test_names_that_are_not_there_are_answered_with_those_that_are_near(warehouse: Warehouse) -> None:
    with pytest.raises(NothingToExplain, match="2026-01-10 has no predictions"):
        explain(warehouse)
    warehouse.dml(PREDICTION)
    for subject, sentence in (
        (Subject("ewma_v2", "milesnash", DAY), "no prediction of system 'ewma_v2'; systems of the date are ewma_v1"),
        (Subject("ewma_v1", "milesnahs", DAY), "no prediction of player 'milesnahs'; players of the date are milesnash"),
    ):
        with pytest.raises(NothingToExplain, match=sentence):
            explain_grades(warehouse, subject)
    for line, sentence in (("x", "is not a number"), ("19.5", "its lines are 25.5, none")):
        with pytest.raises(CommandError, match=sentence):
            explain(warehouse, line)
