"""Runs the SQL cases: every <area>/<query>/<case>.yaml beside this file, on the emulator, through the project's own Warehouse.

A case has ``description``; ``tables``, the rows of each table (an omitted column is NULL); ``params``; for a query with
placeholders ``identifiers``, ``queries``, the names of the SELECTs to put in, or ``batch``, the staging tables it merges; and
``expect``, the rows that come back, in any order. Only the columns of ``expect`` are compared. Tables named ``_staging_batch_…`` are
made with the columns of player_prop_predictions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.cloud import bigquery

from commands.statements import COMMANDS_SQL
from nba_grading.pipelines.consolidate import Batch, BatchTable
from nba_grading.quality.after_write import find_duplicates
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import identifier, load_sql
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("*/*/*.yaml"))
FIELDS = {"description", "tables", "params", "identifiers", "queries", "batch", "expect"}
COVERED = (
    *("grading/grade_predictions", "grading/count_outcomes", "grading/count_inputs"),
    "healing/list_dates_to_heal",
    *("records/count_failures_in_a_row", "incidents/list_incidents"),
    *("validation/find_duplicate_keys", "validation/find_unbalanced_date"),
    *("aggregates/aggregate_day", "aggregates/aggregate_periods", "aggregates/find_stale_periods"),
    *("commands/summarize_dates", "commands/summarize_systems"),
    *("page/list_seasons", "page/summarize_season", "page/list_findings", "page/list_duplicate_keys"),
    *("page/list_runs", "page/list_quality", "page/list_system_days"),
    *("trends/duplicate_rate", "trends/grading_duration", "trends/lease_wait", "trends/volume_per_system"),
    *("reviews/review_systems", "reviews/calibration", "reviews/review_milestone"),
    *("consolidation/merge_batch", "consolidation/count_merge", "consolidation/describe_staging"),
)

Row = Mapping[str, Any]


def name_of(case: Path) -> str:
    return str(case.relative_to(HERE).with_suffix(""))


def statement_of(case: Path) -> str:
    """The statement that a case tries: of include/sql, or of commands/sql for the folder ``commands``."""
    area, name = case.parts[-3:-1]
    return COMMANDS_SQL.load(name) if area == "commands" else load_sql(f"{area}/{name}")


def literal(value: Any) -> str:
    """A GoogleSQL literal of what YAML read."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (float, Decimal)):
        return f"NUMERIC '{value}'"
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.replace(tzinfo=UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
    if isinstance(value, date):
        return f"DATE '{value}'"
    return json.dumps(str(value))


def insert_rows(client: bigquery.Client, table: str, rows: Sequence[Row]) -> None:
    """All rows of one table in one INSERT."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    values = ",\n".join(f"({', '.join(literal(row.get(column)) for column in columns)})" for row in rows)
    client.query(f"INSERT INTO {identifier(table)} ({', '.join(columns)}) VALUES {values}").result(timeout=60)


def comparable(value: Any) -> Any:
    """Numbers of whatever type as one, to nine decimals (what NUMERIC keeps), and timestamps in UTC."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return f"{round(Decimal(str(value)), 9).normalize():f}"
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return value


def comparable_rows(rows: Sequence[Row], columns: Sequence[str]) -> list[dict[str, Any]]:
    projected = [{column: comparable(row[column]) for column in columns} for row in rows]
    return sorted(projected, key=lambda row: repr(list(row.values())))


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_the_query_returns_what_the_case_expects(path: Path, bigquery_client: bigquery.Client, warehouse: Warehouse) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    for table, rows in case["tables"].items():
        if "._staging_batch_" in table:
            like = "SELECT * FROM nba_predictions.player_prop_predictions WHERE FALSE"
            bigquery_client.query(f"CREATE TABLE {identifier(table)} AS {like}").result(timeout=60)
        insert_rows(bigquery_client, table, rows)
    text = statement_of(path)
    parts = {name: identifier(value) for name, value in case.get("identifiers", {}).items()}
    if case.get("batch"):
        columns = PLAYER_PROP_PREDICTIONS.columns
        batch = Batch("b1", tuple(BatchTable(name, frozenset(columns)) for name in case["batch"]))
        parts["candidates"] = batch.candidates(columns) if path.parent.name == "merge_batch" else batch.candidates()
    parts |= {name: load_sql(value) for name, value in case.get("queries", {}).items()}
    if parts:
        text = text.format(**parts)
    params = {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in case.get("params", {}).items()}
    found = warehouse.query(text, params)
    expected = case["expect"]
    columns = list(expected[0]) if expected else []
    assert comparable_rows(found, columns) == comparable_rows(expected, columns)


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_a_case_is_whole(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert case.keys() <= FIELDS
    assert case.keys() >= {"description", "tables", "expect"}
    assert statement_of(path)
    assert all(row.keys() == case["expect"][0].keys() for row in case["expect"]), "every expected row names the same columns"


def test_no_covered_query_has_lost_its_cases() -> None:
    assert {str(path.parent.relative_to(HERE)) for path in CASES} >= set(COVERED)


def grades(count: int, *, copies: int) -> list[Row]:
    """``copies`` rows of each of ``count`` keys of one date."""
    row = {"game_id": "20260110_DET_LAC", "game_date": date(2026, 1, 10), "system_id": "ewma_v1", "line_value": 25.5}
    return [{**row, "player_lookup": f"player{number:02d}"} for number in range(count) for _ in range(copies)]


def test_duplicate_keys_are_listed_up_to_twenty_and_counted_in_full(bigquery_client: bigquery.Client, warehouse: Warehouse) -> None:
    insert_rows(bigquery_client, "nba_predictions.prediction_accuracy", grades(25, copies=3))
    found = find_duplicates(warehouse, PREDICTION_ACCURACY, date(2026, 1, 10))[0].rows
    assert [row["player_lookup"] for row in found] == [f"player{number:02d}" for number in range(20)]
    assert {(row["duplicate_keys"], row["surplus_rows"]) for row in found} == {(25, 50)}


def test_null_keys_are_counted_in_one_row(bigquery_client: bigquery.Client, warehouse: Warehouse) -> None:
    # The table itself refuses them, so the query reads a copy that does not.
    copy = "nba_predictions._prediction_accuracy_without_constraints"
    bigquery_client.query(f"CREATE TABLE {copy} AS SELECT * FROM nba_predictions.prediction_accuracy WHERE FALSE").result(timeout=60)
    for missing in ("player_lookup", "game_id", "system_id"):
        insert_rows(bigquery_client, copy, [{**grades(1, copies=1)[0], missing: None, "grading_run_id": "run-1"}])
    insert_rows(bigquery_client, copy, [{**grades(1, copies=1)[0], "line_value": None}])
    insert_rows(bigquery_client, copy, [{**grades(1, copies=1)[0], "player_lookup": None, "game_date": date(2026, 1, 9)}])
    text = load_sql("validation/find_null_keys").replace("nba_predictions.prediction_accuracy", copy)
    [found] = warehouse.query(text, {"game_date": date(2026, 1, 10)})
    assert found == {"null_key_rows": 3, "grading_run_id": "run-1"}


def test_whole_keys_and_a_null_line_are_no_finding(bigquery_client: bigquery.Client, warehouse: Warehouse) -> None:
    insert_rows(bigquery_client, "nba_predictions.prediction_accuracy", [{**grades(1, copies=1)[0], "line_value": None}])
    assert warehouse.query_file("validation/find_null_keys", {"game_date": date(2026, 1, 10)}) == []


def test_the_table_refuses_a_null_key(bigquery_client: bigquery.Client) -> None:
    with pytest.raises(Exception, match=r"(?i)null"):
        insert_rows(bigquery_client, "nba_predictions.prediction_accuracy", [{**grades(1, copies=1)[0], "player_lookup": None}])
