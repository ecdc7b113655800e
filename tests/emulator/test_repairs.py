"""Repairs on the emulator: duplicates removed and brought back, under the guard, and refused when read too early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from nba_grading.guarded_write.work import WriteRequest
from nba_grading.guarded_write.write import FencedOut
from nba_grading.pipelines.repair import (
    DatePlan,
    NoSuchBackup,
    backup_name,
    check_backup,
    create_backup,
    plan_repair,
    remove_duplicates,
    restore_dates,
    rows_by_date,
)
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY
from tests.conftest import BYTES
from tests.emulator.small_date import ROWS, grade_unleased, unleased

DAY, OTHER = date(2026, 1, 10), date(2026, 1, 11)
SURPLUS = 30
# A name for each backup: the emulator keeps a snapshot whose table was deleted.
MOMENTS = (datetime(2026, 1, 12, 8, minute, 0, tzinfo=UTC) for minute in range(60))


GRADES, PREDICTIONS = unleased("grading", DAY), unleased("consolidation", DAY)


def dirty(warehouse: Warehouse) -> None:
    """30 grades of the date again, a day later and with other actuals; the first two of them a third time; 5 predictions again."""
    again = """
INSERT INTO nba_predictions.prediction_accuracy
SELECT * EXCEPT (n) REPLACE (TIMESTAMP_ADD(graded_at, INTERVAL 1 DAY) AS graded_at, 'late' AS grading_run_id, 99 AS actual_points)
FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY player_lookup, system_id) AS n FROM nba_predictions.prediction_accuracy WHERE grading_run_id = 'first')
WHERE n <= {count}
"""
    warehouse.dml(again.format(count=SURPLUS - 2))
    warehouse.dml(again.format(count=2))
    warehouse.dml(
        "INSERT INTO nba_predictions.player_prop_predictions "
        "SELECT * REPLACE (TIMESTAMP_ADD(created_at, INTERVAL 1 HOUR) AS created_at, 'copy' AS prediction_id) "
        "FROM nba_predictions.player_prop_predictions WHERE player_lookup IN ('player1', 'player2') AND system_id != 'system0'"
    )


@pytest.fixture
def dirty_date(warehouse: Warehouse, small_date: date) -> Iterator[Warehouse]:
    grade_unleased(warehouse, small_date, "first")
    dirty(warehouse)
    yield warehouse
    for table in warehouse.client.list_tables("nba_predictions"):
        if table.table_id.startswith("_"):
            warehouse.client.delete_table(table.reference, not_found_ok=True)


def grades(warehouse: Warehouse) -> list[Row]:
    """All rows without what says by whom and when they were written last."""
    text = (
        "SELECT * EXCEPT (fencing_token) FROM nba_predictions.prediction_accuracy "
        "ORDER BY game_date, player_lookup, game_id, system_id, line_value, graded_at, grading_run_id"
    )
    return warehouse.query(text)


def test_the_plan_counts_rows_keys_and_what_would_go_and_changes_nothing(dirty_date: Warehouse) -> None:
    before = grades(dirty_date)
    assert plan_repair(dirty_date, PREDICTION_ACCURACY, DAY, OTHER) == [DatePlan(DAY, ROWS + SURPLUS, ROWS, SURPLUS)]
    assert plan_repair(dirty_date, PLAYER_PROP_PREDICTIONS, DAY, DAY) == [DatePlan(DAY, ROWS + 4, ROWS, 4)]
    assert plan_repair(dirty_date, PREDICTION_ACCURACY, OTHER, OTHER) == []
    assert grades(dirty_date) == before


def test_the_row_of_each_key_that_was_written_first_stays_as_it_is(dirty_date: Warehouse) -> None:
    before = grades(dirty_date)
    [published] = remove_duplicates(dirty_date, GRADES, WriteRequest("run")).written.published
    assert (published.replaced, published.written) == (ROWS + SURPLUS, ROWS)
    assert grades(dirty_date) == [row for row in before if row["grading_run_id"] == "first"]
    assert plan_repair(dirty_date, PREDICTION_ACCURACY, DAY, DAY) == []
    remove_duplicates(dirty_date, PREDICTIONS, WriteRequest("run"))
    assert dirty_date.query("SELECT COUNT(*) AS n, COUNTIF(prediction_id = 'copy') AS copies FROM nba_predictions.player_prop_predictions") == [
        {"n": ROWS, "copies": 0}
    ]


def test_other_dates_are_not_touched(dirty_date: Warehouse) -> None:
    dirty_date.dml(
        f"INSERT INTO nba_predictions.prediction_accuracy SELECT * REPLACE (DATE '{OTHER}' AS game_date) FROM nba_predictions.prediction_accuracy"
    )
    before = [row for row in grades(dirty_date) if row["game_date"] == OTHER]
    remove_duplicates(dirty_date, GRADES, WriteRequest("run"))
    assert [row for row in grades(dirty_date) if row["game_date"] == OTHER] == before


def test_what_was_found_is_marked_as_resolved(dirty_date: Warehouse) -> None:
    from nba_grading.quality.after_write import record_duplicates

    record_duplicates(dirty_date, PREDICTION_ACCURACY, DAY, "grading", None)
    remove_duplicates(dirty_date, GRADES, WriteRequest("run"))
    rows = dirty_date.query("SELECT resolved_at, resolution_notes FROM nba_predictions.grading_duplicate_audit")
    assert len(rows) == 20
    assert all(row["resolved_at"] and row["resolution_notes"].startswith("surplus rows removed") for row in rows)


def test_a_restore_brings_the_date_back_as_the_backup_holds_it(dirty_date: Warehouse) -> None:
    before = grades(dirty_date)
    name = backup_name(PREDICTION_ACCURACY, next(MOMENTS))
    assert create_backup(dirty_date, PREDICTION_ACCURACY, name, keep_days=90) == ROWS + SURPLUS
    remove_duplicates(dirty_date, GRADES, WriteRequest("run"))
    assert create_backup(dirty_date, PREDICTION_ACCURACY, name, keep_days=90) == ROWS + SURPLUS, (
        "a second try does not take the repaired table for the backup"
    )
    check_backup(dirty_date, PREDICTION_ACCURACY, name)
    assert rows_by_date(dirty_date, name, DAY, OTHER) == {DAY: ROWS + SURPLUS}
    restore_dates(dirty_date, GRADES, WriteRequest("run", params={"backup": name}))
    assert grades(dirty_date) == before


def test_an_unknown_backup_is_refused_with_the_names_of_those_there_are(dirty_date: Warehouse) -> None:
    known = backup_name(PREDICTION_ACCURACY, next(MOMENTS))
    create_backup(dirty_date, PREDICTION_ACCURACY, known, keep_days=90)
    for name in ("_backup_prediction_accuracy_20200101000000", "_backup_player_prop_predictions_20260112080000", "prediction_accuracy"):
        with pytest.raises(NoSuchBackup, match=known):
            check_backup(dirty_date, PREDICTION_ACCURACY, name)


@dataclass
class Late(Warehouse):
    """A warehouse in which the backup that a killed try asked for is finished right before this one's."""

    def query(self, text: str, *arguments: Any, **keywords: Any) -> list[Row]:
        if text.startswith("CREATE SNAPSHOT"):
            super().query(text)
        return super().query(text, *arguments, **keywords)


def test_a_backup_that_a_killed_try_asked_for_is_taken_for_ones_own(dirty_date: Warehouse) -> None:
    name = backup_name(PREDICTION_ACCURACY, next(MOMENTS))
    assert create_backup(Late(dirty_date.client, maximum_bytes_billed=BYTES), PREDICTION_ACCURACY, name, keep_days=90) == ROWS + SURPLUS


@dataclass
class Overtaken(Warehouse):
    """A warehouse in which somebody else publishes the date while its rows are read."""

    def query(self, text: str, *arguments: Any, **keywords: Any) -> list[Row]:
        rows = super().query(text, *arguments, **keywords)
        if "CREATE TABLE" in text:
            grade_unleased(Warehouse(self.client, maximum_bytes_billed=BYTES), DAY, "newer")
        return rows


def test_a_repair_is_refused_when_the_date_was_published_since_it_was_read(dirty_date: Warehouse) -> None:
    report = remove_duplicates(Overtaken(dirty_date.client, maximum_bytes_billed=BYTES), GRADES, WriteRequest("run"))
    assert report.written.published == ()
    with pytest.raises(FencedOut):
        report.raise_refused()
    assert {row["grading_run_id"] for row in grades(dirty_date)} == {"newer"}
