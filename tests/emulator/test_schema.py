"""Creating the schema over the tables of version 0.1.0, whose CREATE statements are in schema_97f3c64, and over its fences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commands.console import CommandError
from commands.schema import create_schema
from nba_grading.guarded_write.write import FencedOut
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.aggregate import AGGREGATES, find_stale
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.sql import SqlFolder
from nba_grading.warehouse.tables import (
    GUARDED,
    PLAYER_DAILY_PERFORMANCE,
    PLAYER_PROP_PREDICTIONS,
    PREDICTION_ACCURACY,
    PREDICTION_PERFORMANCE_SUMMARY,
    SYSTEM_DAILY_PERFORMANCE,
)
from tests.emulator.small_date import Token, grade_claimed

OLDER = SqlFolder(Path(__file__).parent / "schema_97f3c64")
OLDER_FENCES = """
CREATE TABLE nba_predictions.write_fences
    (table_name STRING NOT NULL, game_date DATE NOT NULL, fencing_token INT64 NOT NULL, holder_id STRING, updated_at TIMESTAMP)
"""
NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
LATER, LAST = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
ALERT = '{"title": "T", "done": "It said \\"done\\": nothing.", "facts": {}}'
MIGRATED_ALERT = '{"title": "T", "impact": "It said \\"done\\": nothing.", "facts": {}}'
STEPS = ["schema_change/delete_outdated_incidents", "schema_change/copy_conditions", "schema_change/resolve_task_incidents"]

BEGUN: Row = {"begun_at": NOON, "severity": "ERROR", "detail": "d", "alert": ALERT, "seen": 3, "seen_at": LATER, "changed_at": LATER}
DELIVERED: Row = {"told_at": LATER, "channel": "C1", "thread": "1.2"}
CONDITIONS: list[Row] = [
    {"name": "open", **BEGUN, **DELIVERED, "raised_at": NOON, "game_date": date(2026, 1, 9)},
    {"name": "open/without-begun", "raised_at": NOON, "probed_at": LATER, "probed_by": "run1"},
    {"name": "resolved", **BEGUN, **DELIVERED, "cleared_at": LATER, "recovery": "The run succeeded."},
    {"name": "event", **BEGUN, **DELIVERED, "cleared_at": NOON},
    {"name": "undelivered", **BEGUN, "raised_at": NOON, "telling_at": LAST},
    {"name": "escalated", **BEGUN, **DELIVERED, "raised_at": NOON, "escalated_at": LAST},
    {"name": "seed"},
    {"name": "twice", **BEGUN, "raised_at": NOON},
    {"name": "twice"},
]
OPENED: Row = {
    "opened_at": NOON,
    "severity": "ERROR",
    "detail": "d",
    "alert": MIGRATED_ALERT,
    "occurrences": 3,
    "last_seen_at": LATER,
    "changed_at": LATER,
}
IN_SLACK: Row = {"delivered_at": LATER, "channel": "C1", "thread": "1.2"}
INCIDENTS: dict[str, Row] = {
    "open": {**OPENED, **IN_SLACK, "game_date": date(2026, 1, 9)},
    "open/without-begun": {"opened_at": NOON, "probed_at": LATER, "probed_by": "run1"},
    "resolved": {**OPENED, **IN_SLACK, "resolved_at": LATER, "resolution": "The run succeeded."},
    "event": {**OPENED, **IN_SLACK, "resolved_at": NOON},
    "undelivered": {**OPENED, "delivery_claimed_at": LAST},
    "escalated": {**OPENED, **IN_SLACK, "escalated_at": LAST},
    "seed": {},
    "twice": OPENED,
}
MOVED = ["nba_predictions.conditions is now nba_predictions.incidents", "nba_predictions.data_quality_results: figure is now value"]


def insert(warehouse: Warehouse, table: str, row: Row) -> None:
    warehouse.dml(f"INSERT INTO nba_predictions.{table} ({', '.join(row)}) VALUES ({', '.join(f'@{name}' for name in row)})", row)


def incidents(warehouse: Warehouse) -> dict[str, Row]:
    """Name → the columns that are not NULL; a name that is stored twice fails."""
    rows = warehouse.query("SELECT * FROM nba_predictions.incidents ORDER BY name")
    found = {row["name"]: {key: value for key, value in row.items() if value is not None and key != "name"} for row in rows}
    assert len(found) == len(rows)
    return found


def tables(warehouse: Warehouse) -> set[str]:
    return {table.table_id for table in warehouse.client.list_tables("nba_predictions")}


@pytest.fixture
def older(warehouse: Warehouse) -> Iterator[Warehouse]:
    """A warehouse with the two tables of version 0.1.0 that changed, with rows."""
    for table in ("incidents", "data_quality_results"):
        warehouse.drop_table(f"nba_predictions.{table}")
    for name in ("create_conditions", "create_data_quality_results"):
        warehouse.query(OLDER.load(name))
    for row in CONDITIONS:
        insert(warehouse, "conditions", row)
    result = {"run_id": "r", "check_name": "c", "checked_at": NOON, "day": NOON.date(), "status": "passed", "figure": Decimal("1.123456789")}
    insert(warehouse, "data_quality_results", result)
    yield warehouse
    for table in ("conditions", "incidents", "data_quality_results"):
        warehouse.drop_table(f"nba_predictions.{table}")
    create_schema(warehouse.client)


def assert_migrated(warehouse: Warehouse) -> None:
    assert incidents(warehouse) == INCIDENTS
    assert "conditions" not in tables(warehouse)
    [result] = warehouse.query("SELECT * FROM nba_predictions.data_quality_results")
    assert (result["value"], result["check_name"], "figure" in result) == (Decimal("1.123456789"), "c", False)


def test_the_tables_of_the_older_version_are_migrated_with_their_rows_and_once(older: Warehouse) -> None:
    assert create_schema(older.client) == MOVED
    assert_migrated(older)
    assert create_schema(older.client) == []
    assert_migrated(older)


@pytest.mark.parametrize("done", range(len(STEPS) + 1))
def test_a_migration_that_was_killed_continues(older: Warehouse, done: int, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Warehouse.query_file

    def killed(self: Warehouse, name: str, *rest: Any) -> list[Row]:
        if name == [*STEPS, "schema_change/list_uncopied_conditions"][done]:
            raise KeyboardInterrupt
        return run(self, name, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Warehouse, "query_file", killed)
        with pytest.raises(KeyboardInterrupt):
            create_schema(older.client)
    assert "conditions" in tables(older)
    assert create_schema(older.client) == MOVED
    assert_migrated(older)


def test_a_migration_that_was_killed_after_it_dropped_the_older_table_continues(older: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = Warehouse.drop_table

    def killed(self: Warehouse, name: str) -> None:
        drop(self, name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Warehouse, "drop_table", killed)
        with pytest.raises(KeyboardInterrupt):
            create_schema(older.client)
    assert create_schema(older.client) == MOVED[1:]
    assert_migrated(older)


def test_open_incidents_of_tasks_are_resolved_as_no_success_knows_their_names(older: Warehouse) -> None:
    insert(older, "conditions", {"name": "task-failed/grade_predictions/2026-01-09", **BEGUN, **DELIVERED, "raised_at": NOON})
    create_schema(older.client)
    [row] = older.query("SELECT * FROM nba_predictions.incidents WHERE STARTS_WITH(name, 'task-failed/')")
    assert row["resolved_at"] == row["changed_at"] > row["delivered_at"], "to be delivered to its thread"
    assert "opens a new incident" in row["resolution"]


def test_the_older_table_is_kept_while_a_row_of_it_is_not_copied(older: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Warehouse.query_file
    skipped = "schema_change/copy_conditions"
    monkeypatch.setattr(Warehouse, "query_file", lambda self, name, *rest: [] if name == skipped else run(self, name, *rest))
    with pytest.raises(CommandError, match=r"not in incidents: escalated, event, open, .*stop its scheduler"):
        create_schema(older.client)
    assert len(older.query("SELECT name FROM nba_predictions.conditions")) == len(CONDITIONS)


def test_after_a_return_to_the_older_version_the_newer_state_of_each_incident_is_kept(older: Warehouse) -> None:
    create_schema(older.client)
    older.query(OLDER.load("create_conditions"))
    insert(older, "conditions", {"name": "open", **BEGUN, "cleared_at": LAST, "recovery": "Later.", "changed_at": LAST})
    insert(older, "conditions", {"name": "resolved", **BEGUN, "raised_at": NOON, "changed_at": NOON})
    assert create_schema(older.client) == MOVED[:1]
    assert incidents(older) == {**INCIDENTS, "open": {**OPENED, "resolved_at": LAST, "resolution": "Later.", "changed_at": LAST}}


def test_a_table_of_an_older_version_gets_the_columns_it_lacks_and_keeps_its_rows(warehouse: Warehouse) -> None:
    fences = "nba_predictions.write_fences_prediction_accuracy"
    warehouse.drop_table(fences)
    warehouse.query(f"CREATE TABLE {fences} (game_date DATE NOT NULL, fencing_token INT64 NOT NULL, version INT64)")
    insert(warehouse, "write_fences_prediction_accuracy", {"game_date": date(2026, 1, 10), "fencing_token": 7})
    added = ("grading_run_id", "holder_id", "published_keys", "published_rows", "source_version", "updated_at", "write_id")
    assert create_schema(warehouse.client) == [f"{fences}: added {column}" for column in added]
    assert create_schema(warehouse.client) == []
    [row] = warehouse.query(f"SELECT * FROM {fences}")
    assert (row["fencing_token"], row["holder_id"], row["updated_at"]) == (7, None, None)


def test_a_table_made_from_the_grades_is_refreshed_after_it_got_a_column(warehouse: Warehouse) -> None:
    day = date(2026, 1, 10)
    insert(warehouse, "write_fences_prediction_accuracy", {"game_date": day, "fencing_token": 1, "version": 7, "published_rows": 1})
    for table in AGGREGATES:
        insert(warehouse, table.fences.partition(".")[2], {"game_date": day, "fencing_token": 1, "version": 1, "source_version": 7})
    warehouse.query("ALTER TABLE nba_predictions.system_daily_performance DROP COLUMN late_candidates")
    assert find_stale(warehouse)[SYSTEM_DAILY_PERFORMANCE.name] == {}
    assert create_schema(warehouse.client) == ["nba_predictions.system_daily_performance: added late_candidates"]
    stale = find_stale(warehouse)
    assert stale[SYSTEM_DAILY_PERFORMANCE.name] == {day: 7}
    assert stale[PLAYER_DAILY_PERFORMANCE.name] == {}


GRADES, MERGED = PREDICTION_ACCURACY.name, PLAYER_PROP_PREDICTIONS.name
FENCED, UNFENCED, EMPTY, SEEDED, OLDER_THAN_ITS_ROWS = (date(2026, 1, day) for day in (10, 11, 12, 13, 14))
FENCES_MOVED = [
    "nba_predictions.write_fences is now a table of its own for each guarded table, nba_predictions.write_fences_prediction_accuracy and others"
]
# Table → date → token, version, rows, keys. The versions are microseconds of the newest row.
MOVED_FENCES: dict[str, dict[date, tuple[int, int, int, int]]] = {
    **{name: {} for name in GUARDED},
    GRADES: {
        FENCED: (70, 1_768_050_000_000_000, 3, 2),
        UNFENCED: (65, 1_768_046_400_000_000, 1, 1),
        EMPTY: (71, 0, 0, 0),
        SEEDED: (0, 0, 0, 0),
        OLDER_THAN_ITS_ROWS: (75, 1, 1, 1),
    },
    MERGED: {FENCED: (80, 1_768_050_000_000_000, 1, 1), UNFENCED: (0, 1_768_046_400_000_000, 1, 1)},
    SYSTEM_DAILY_PERFORMANCE.name: {FENCED: (90, 1_768_046_400_000_000, 1, 1)},
    PREDICTION_PERFORMANCE_SUMMARY.name: {date(2026, 1, 31): (95, 0, 0, 0)},
}


@pytest.fixture
def fenced(warehouse: Warehouse) -> Iterator[Warehouse]:
    """A warehouse with the older write_fences, and with rows of dates that it has a fence of and of others that it has none of."""
    warehouse.query(OLDER_FENCES)
    for table, day, token in (
        (GRADES, FENCED, 70),
        (GRADES, FENCED, 0),  # a racing seed
        (GRADES, EMPTY, 71),
        (GRADES, SEEDED, 0),
        (GRADES, OLDER_THAN_ITS_ROWS, 74),
        (MERGED, FENCED, 80),
        (SYSTEM_DAILY_PERFORMANCE.name, FENCED, 90),
        (PREDICTION_PERFORMANCE_SUMMARY.name, date(2026, 1, 31), 95),
        ("a_table_that_is_gone", FENCED, 99),
    ):
        insert(warehouse, "write_fences", {"table_name": table, "game_date": day, "fencing_token": token, "holder_id": "h"})
    grade: Row = {"player_lookup": "p", "game_id": "g", "game_date": FENCED, "system_id": "s", "fencing_token": 70, "graded_at": NOON}
    insert(warehouse, GRADES, grade)
    insert(warehouse, GRADES, {**grade, "graded_at": LATER})
    insert(warehouse, GRADES, {**grade, "system_id": "t"})
    insert(warehouse, GRADES, {**grade, "game_date": UNFENCED, "fencing_token": 65})
    insert(
        warehouse,
        GRADES,
        {name: value for name, value in grade.items() if name != "graded_at"} | {"game_date": OLDER_THAN_ITS_ROWS, "fencing_token": 75},
    )
    prediction: Row = {"prediction_id": "a", "player_lookup": "p", "game_id": "g", "game_date": FENCED, "system_id": "s", "created_at": NOON}
    insert(warehouse, MERGED, {**prediction, "updated_at": LATER})
    insert(warehouse, MERGED, {**prediction, "game_date": UNFENCED})
    insert(warehouse, SYSTEM_DAILY_PERFORMANCE.name, {"game_date": FENCED, "system_id": "s", "computed_at": NOON, "fencing_token": 90})
    yield warehouse
    warehouse.drop_table("nba_predictions.write_fences")


def moved_fences(warehouse: Warehouse) -> dict[str, dict[date, tuple[int, int, int, int]]]:
    found: dict[str, dict[date, tuple[int, int, int, int]]] = {}
    for name, table in GUARDED.items():
        rows = warehouse.query(f"SELECT game_date, fencing_token, version, published_rows, published_keys FROM {table.fences}")
        found[name] = {row.pop("game_date"): tuple(row.values()) for row in rows}
        assert len(found[name]) == len(rows)
    return found


def test_the_older_fences_are_moved_to_the_fences_of_each_table_and_dates_with_rows_get_one(fenced: Warehouse) -> None:
    assert create_schema(fenced.client) == FENCES_MOVED
    assert moved_fences(fenced) == MOVED_FENCES
    assert "write_fences" not in tables(fenced)
    assert create_schema(fenced.client) == []
    assert moved_fences(fenced) == MOVED_FENCES


def test_after_the_move_an_older_writer_is_fenced_out_and_the_aggregates_are_stale(fenced: Warehouse) -> None:
    create_schema(fenced.client)
    with pytest.raises(FencedOut, match="holds token 71, this writer has 70"):
        grade_claimed(fenced, Token(LeaseKey("grading", EMPTY), "test", fencing_token=70), "older")
    stale = find_stale(fenced)
    assert list(stale[SYSTEM_DAILY_PERFORMANCE.name]) == [FENCED, UNFENCED, OLDER_THAN_ITS_ROWS], "not dates without rows"


def test_a_move_of_fences_that_was_killed_continues(fenced: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: Warehouse, name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Warehouse, "drop_table", killed)
        with pytest.raises(KeyboardInterrupt):
            create_schema(fenced.client)
    assert "write_fences" in tables(fenced)
    # Somebody still published with the older version meanwhile: the newer token comes along.
    insert(fenced, "write_fences", {"table_name": GRADES, "game_date": EMPTY, "fencing_token": 72})
    assert create_schema(fenced.client) == FENCES_MOVED
    assert moved_fences(fenced) == {**MOVED_FENCES, GRADES: {**MOVED_FENCES[GRADES], EMPTY: (72, 0, 0, 0)}}


def test_the_older_fences_are_kept_while_an_older_writer_still_publishes(fenced: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    dml = Warehouse.dml

    def publish_after_the_copy(self: Warehouse, text: str, params: Any = None, *rest: Any) -> int:
        changed = dml(self, text, params, *rest)
        if "MERGE INTO nba_predictions.write_fences_player_prop_predictions" in text:
            insert(fenced, "write_fences", {"table_name": MERGED, "game_date": FENCED, "fencing_token": 81})
        return changed

    with monkeypatch.context() as patched:
        patched.setattr(Warehouse, "dml", publish_after_the_copy)
        with pytest.raises(
            CommandError, match=f"newer tokens of {MERGED} than nba_predictions.write_fences_{MERGED} on {FENCED}. .* stop its scheduler and workers"
        ):
            create_schema(fenced.client)
    assert "write_fences" in tables(fenced)
    assert create_schema(fenced.client) == FENCES_MOVED
    assert moved_fences(fenced)[MERGED][FENCED] == (81, *MOVED_FENCES[MERGED][FENCED][1:])
