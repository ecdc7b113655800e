"""The guarded write on Google's engine: seeded, staged, audited and published by the project's own code, its guards firing."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any, cast

import pytest

from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import AuditFailed, FencedOut
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.grade import grade_dates
from nba_grading.warehouse.client import Warehouse
from tests.emulator.small_date import Token
from tests.emulator.test_grading_property import box_scores_of, predictions_of
from tests.googlesql.database import GoogleWarehouse, dates_of
from tests.reference_grader import grade

GRADES = "nba_predictions.prediction_accuracy"
DAYS = [date(2025, 11, 1) + timedelta(days=number) for number in range(2)]


@pytest.fixture
def warehouse(google_warehouse: GoogleWarehouse) -> GoogleWarehouse:
    """With the inputs of DAYS."""
    rng = random.Random(7)
    for day in DAYS:
        google_warehouse.fill("nba_predictions.player_prop_predictions", predictions_of(rng, day, 60))
        google_warehouse.fill("nba_box_scores.player_game_summary", box_scores_of(rng, day))
    return google_warehouse


def write(warehouse: GoogleWarehouse, run: str, token: int, *days: date) -> WriteReport:
    claims = ClaimedDates(tuple(Token(LeaseKey("grading", day), run, fencing_token=token) for day in days))
    return grade_dates(cast("Warehouse", warehouse), claims, WriteRequest(run, max_shrink=0.2))


def expected_rows(warehouse: GoogleWarehouse) -> int:
    inputs = [warehouse.rows(f"nba_{name}") for name in ("predictions.player_prop_predictions", "box_scores.player_game_summary")]
    return sum(len(grade([dict(row) for row in inputs[0]], [dict(row) for row in inputs[1]], day).rows) for day in DAYS)


def state(warehouse: GoogleWarehouse) -> list[str]:
    return sorted(map(repr, warehouse.rows(GRADES)))


def test_two_dates_are_written_whole_and_written_again_without_a_double(warehouse: GoogleWarehouse) -> None:
    for run, token in (("first", 100), ("second", 200)):
        report = write(warehouse, run, token, *DAYS)
        assert not report.refused
        assert len(warehouse.rows(GRADES)) == expected_rows(warehouse) > 0
        assert dates_of(warehouse.rows(GRADES)) == {day: {run} for day in DAYS}
        assert {row["fencing_token"] for row in warehouse.rows(GRADES)} == {token}
    assert not [name for name in warehouse.tables() if "_staging_" in name]


def test_a_claim_without_a_lease_takes_the_stored_token_and_one(warehouse: GoogleWarehouse) -> None:
    write(warehouse, "leased", 100, *DAYS)
    write(warehouse, "unleased", 0, DAYS[0])
    assert {row["fencing_token"] for row in warehouse.rows(GRADES) if row["game_date"] == DAYS[0]} == {101}


def test_a_date_that_a_newer_claim_has_published_is_left_out_and_the_other_is_written(warehouse: GoogleWarehouse) -> None:
    write(warehouse, "newer", 200, DAYS[0])
    report = write(warehouse, "older", 100, *DAYS)
    assert isinstance(report.refused[DAYS[0]], FencedOut)
    assert dates_of(warehouse.rows(GRADES)) == {DAYS[0]: {"newer"}, DAYS[1]: {"older"}}


def test_rows_that_are_not_as_audited_are_refused(warehouse: GoogleWarehouse) -> None:
    write(warehouse, "before", 100, *DAYS)
    before = state(warehouse)

    def meddle(statement: str) -> None:
        if statement.startswith("UPDATE"):
            [staging] = [name for name in warehouse.tables() if "_staging_" in name]
            warehouse.fill(staging, warehouse.rows(staging)[:1])

    warehouse.interrupt = meddle
    report = write(warehouse, "meddled", 200, DAYS[0])
    assert isinstance(report.refused[DAYS[0]], AuditFailed)
    assert state(warehouse) == before


@pytest.mark.parametrize("word", ["UPDATE", "DELETE", f"INSERT INTO {GRADES}"])
def test_a_transaction_that_fails_changes_nothing(word: str, warehouse: GoogleWarehouse) -> None:
    write(warehouse, "before", 100, *DAYS)
    before = state(warehouse)

    def fail(statement: str) -> Any:
        if statement.startswith(word):
            raise RuntimeError("the server is gone")

    warehouse.interrupt = fail
    with pytest.raises(RuntimeError, match="gone"):
        write(warehouse, "killed", 200, *DAYS)
    assert state(warehouse) == before
