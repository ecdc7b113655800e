"""Records of guarded writes: several dates in one statement, each once, and brought up to date by a later task."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from nba_grading.runs.record import COLUMN_TYPES, DETAIL_CHARACTERS, record_runs
from nba_grading.warehouse.client import Warehouse

NOON = datetime(2026, 1, 11, 12, tzinfo=UTC)
TENTH, ELEVENTH = date(2026, 1, 10), date(2026, 1, 11)
EVERY_COLUMN: dict[str, Any] = {
    "grading_run_id": "run1",
    "operation": "grading",
    "game_date": TENTH,
    "dag_id": "grade_predictions",
    "run_id": "manual__2026",
    "run_type": "manual",
    "holder_id": "h1",
    "fencing_token": 1_768_132_800_000_001,
    "leased": False,
    "unleased_reason": 'it said "down"',
    "lease_wait_ms": 12,
    "gradable": 10,
    "graded": 7,
    "voided": 2,
    "pending": 5,
    "pending_no_box_score": 3,
    "pending_incomplete": 2,
    "incomplete_games": 1,
    "written": 9,
    "replaced": 8,
    "duplicates": 0,
    "started_at": NOON,
    "finished_at": NOON + timedelta(microseconds=123456),
    "duration_ms": 3456,
    "outcome": "graded",
    "detail": "é\n'quoted'",
}

LEAST: dict[str, Any] = {"grading_run_id": "run2", "operation": "grading", "started_at": NOON, "outcome": "failed"}


def recorded(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query("SELECT * FROM nba_predictions.grading_runs ORDER BY grading_run_id, game_date")


def test_every_column_comes_back_as_it_was_given_and_a_missing_one_is_null(warehouse: Warehouse) -> None:
    assert EVERY_COLUMN.keys() == COLUMN_TYPES.keys()
    record_runs(warehouse, [EVERY_COLUMN, {**LEAST, "detail": "x" * 3000}])
    whole, sparse = recorded(warehouse)
    assert whole == EVERY_COLUMN
    assert sparse.pop("finished_at") > NOON
    assert {name: value for name, value in sparse.items() if value is not None} == {
        **LEAST,
        "detail": "x" * DETAIL_CHARACTERS,
    }


def test_a_record_is_known_by_its_write_and_its_date_and_is_brought_up_to_date(warehouse: Warehouse) -> None:
    run: dict[str, Any] = {"grading_run_id": "run1", "operation": "grading", "started_at": NOON, "outcome": "graded"}
    record_runs(warehouse, [{**run, "game_date": TENTH}, {**run, "game_date": ELEVENTH}, run])
    record_runs(warehouse, [{**run, "game_date": ELEVENTH, "outcome": "failed"}, {**run, "outcome": "refused"}, {**run, "grading_run_id": "run2"}])
    assert [(row["grading_run_id"], row["game_date"], row["outcome"]) for row in recorded(warehouse)] == [
        ("run1", None, "refused"),
        ("run1", TENTH, "graded"),
        ("run1", ELEVENTH, "failed"),
        ("run2", None, "graded"),
    ]


def test_a_column_that_the_table_does_not_have_is_refused_by_name(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="grading_runs has no column mood"):
        record_runs(warehouse, [{"grading_run_id": "run1", "started_at": NOON, "mood": "good"}])
    assert recorded(warehouse) == []
