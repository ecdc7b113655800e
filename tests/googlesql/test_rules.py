"""The grading SQL on Google's engine against the row-by-row grader: a third voice beside the emulator, on the same kind of batches."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from nba_grading.warehouse.sql import load_sql
from tests.emulator.test_grading_property import box_scores_of, predictions_of
from tests.googlesql.engine import GoogleSql
from tests.reference_grader import COMPLETE_MINUTES, NOT_COMPARED, grade
from tests.sizes import examples
from tests.sql.test_sql_cases import comparable_rows

FIRST = date(2025, 11, 1)


def differs(googlesql: GoogleSql, seed: int, statement: str) -> tuple[int, bool]:
    """How many rows the grader gives for a batch of two dates, and whether the statement gives others."""
    rng = random.Random(seed)
    dates = [FIRST, FIRST + timedelta(days=1)]
    predictions = [row for day in dates for row in predictions_of(rng, day, 200)]
    box_scores = [row for day in dates for row in box_scores_of(rng, day)]
    params = {"game_dates": dates, "complete_minutes": COMPLETE_MINUTES, "grading_run_id": "run-1"}
    tables = {"nba_predictions.player_prop_predictions": predictions, "nba_box_scores.player_game_summary": box_scores}
    found = googlesql.rows(statement, params, tables)
    expected = [row for day in dates for row in grade(predictions, box_scores, day).rows]
    columns = [name for name in found[0] if name not in NOT_COMPARED] if found else []
    return len(expected), comparable_rows(found, columns) != comparable_rows(expected, columns)


@pytest.mark.parametrize("seed", range(examples(12, 60)))
def test_google_grades_a_batch_as_the_row_by_row_grader_does(seed: int, googlesql: GoogleSql) -> None:
    rows, is_different = differs(googlesql, seed, load_sql("grading/grade_predictions"))
    assert rows > 0
    assert not is_different


@pytest.mark.parametrize(("rule", "slip"), [("<= 3", "< 3"), ("ORDER BY", "ORDER BY prediction_id,")])
def test_a_slip_in_a_rule_is_found(rule: str, slip: str, googlesql: GoogleSql) -> None:
    text = load_sql("grading/grade_predictions")
    assert rule in text
    assert any(differs(googlesql, seed, text.replace(rule, slip))[1] for seed in range(12))
