"""Creating the schema over the tables of version 0.1.0, whose CREATE statements are in schema_97f3c64."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commands.console import CommandError
from commands.schema import create_schema
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.sql import SqlFolder

OLDER = SqlFolder(Path(__file__).parent / "schema_97f3c64")
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
    warehouse.drop_table("nba_predictions.write_fences")
    warehouse.query("CREATE TABLE nba_predictions.write_fences (table_name STRING NOT NULL, game_date DATE NOT NULL, fencing_token INT64 NOT NULL)")
    insert(warehouse, "write_fences", {"table_name": "t", "game_date": date(2026, 1, 10), "fencing_token": 7})
    assert create_schema(warehouse.client) == [f"nba_predictions.write_fences: added {column}" for column in ("holder_id", "updated_at")]
    assert create_schema(warehouse.client) == []
    [row] = warehouse.query("SELECT * FROM nba_predictions.write_fences")
    assert (row["fencing_token"], row["holder_id"], row["updated_at"]) == (7, None, None)
