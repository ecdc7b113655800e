"""The tables as the code names them against the tables as include/sql/schema creates them."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from commands.console import CommandError
from commands.input_tables import INPUT_TABLES, InputTable
from commands.load import SCHEMA_TYPES
from commands.schema import read_columns
from nba_grading.runs.record import COLUMN_TYPES
from nba_grading.warehouse.sql import SQL_DIR, load_sql
from nba_grading.warehouse.tables import (
    CONFIDENCE_CALIBRATION,
    PLAYER_DAILY_PERFORMANCE,
    PLAYER_PROP_PREDICTIONS,
    PLAYER_VARIANCE,
    PLAYER_WATCHLIST,
    PREDICTION_ACCURACY,
    PREDICTION_PERFORMANCE_SUMMARY,
    SETTLED_BETS,
    SYSTEM_DAILY_PERFORMANCE,
    SYSTEM_MARKET_PERFORMANCE,
    Table,
)

COLUMN = re.compile(r"^    (\w+) ([A-Z0-9]+(?:\(38, 9\))?)( NOT NULL)? OPTIONS", re.MULTILINE)
# A load job's schema has the older names of two types, and no precision.
DDL_TYPES = {"BOOLEAN": "BOOL", "INTEGER": "INT64", "NUMERIC": "NUMERIC(38, 9)"}


def columns_of(table: str) -> dict[str, str]:
    """Column → type of include/sql/schema/create_<table>.sql, in order."""
    return {name: type_ for name, type_, _ in COLUMN.findall(load_sql(f"schema/create_{table}"))}


def required_columns_of(table: str) -> set[str]:
    return {name for name, _, required in COLUMN.findall(load_sql(f"schema/create_{table}")) if required}


def selected_columns(query: str) -> list[str]:
    """Names of the last SELECT of a query, which begins a line, with each column indented by four spaces; those of a WITH for its ``.*``."""
    names = names_of(f"\n{query}".rsplit("\nSELECT\n", 1)[1].split("\nFROM ", 1)[0], indent=4)
    if names[0] != "*":
        return names
    source = query.rsplit("\nFROM ", 1)[1].split()[0]
    return names_of(query.split(f"{source} AS (\n    SELECT\n", 1)[1].split("\n    FROM ", 1)[0], indent=8) + names[1:]


def names_of(select: str, indent: int) -> list[str]:
    lines = [line for line in select.splitlines() if not line.strip().startswith("--")]
    columns = re.split(rf",\n(?= {{{indent}}}\S)", "\n".join(lines))
    return [re.split(r"[\s.]", column.strip())[-1] for column in columns]


# Table → the query whose rows a guarded write puts into it.
WRITTEN = {
    PREDICTION_ACCURACY: "grading/grade_predictions",
    SYSTEM_DAILY_PERFORMANCE: "aggregates/aggregate_days",
    PLAYER_DAILY_PERFORMANCE: "aggregates/aggregate_players",
    PREDICTION_PERFORMANCE_SUMMARY: "aggregates/aggregate_periods",
    SETTLED_BETS: "aggregates/settle_bets",
    SYSTEM_MARKET_PERFORMANCE: "aggregates/aggregate_market",
    CONFIDENCE_CALIBRATION: "reviews/store_calibrations",
    PLAYER_WATCHLIST: "reviews/store_watchlist",
    PLAYER_VARIANCE: "reviews/measure_variance",
}


def name_of(table: Table) -> str:
    return table.name


SCHEMA = {path.name: load_sql(f"schema/{path.stem}") for path in (SQL_DIR / "schema").glob("*.sql")}


def test_every_table_of_the_schema_is_read_with_all_its_columns() -> None:
    found = [table for table in map(read_columns, SCHEMA, SCHEMA.values()) if table]
    assert len(found) == len(list((SQL_DIR / "schema").glob("create_*.sql")))
    for name, columns in found:
        assert list(columns) == list(columns_of(name.rpartition(".")[2]))


CREATE = "CREATE TABLE IF NOT EXISTS d.t (\n"


def test_a_column_may_be_indented_by_anything() -> None:
    text = CREATE + "a STRING OPTIONS (description = 'x, (y)'),\n\t b NUMERIC(38, 9) NOT NULL OPTIONS (description = 'z')\n)\nCLUSTER BY a\n"
    columns = {"a": "a STRING OPTIONS (description = 'x, (y)')", "b": "b NUMERIC(38, 9) NOT NULL OPTIONS (description = 'z')"}
    assert read_columns("create_t.sql", text) == ("d.t", columns)


@pytest.mark.parametrize(
    "lines",
    [
        "a STRING OPTIONS (description = 'x'), b STRING OPTIONS (description = 'y')",
        "a STRING,\nb STRING OPTIONS (description = 'y')",
        "a STRING\n    OPTIONS (description = 'x')",
        "a STRING OPTIONS (description = 'x'), -- a comment",
    ],
)
def test_a_line_that_is_not_one_column_is_refused_with_the_file(lines: str) -> None:
    with pytest.raises(CommandError, match=r"create_t.sql: .* is not read as a column"):
        read_columns("create_t.sql", f"{CREATE}{lines}\n)\n")


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE d.t (\na STRING\n)\n",
        "CREATE OR REPLACE TABLE d.t (a STRING)",
        "CREATE TABLE IF NOT EXISTS d.t (a STRING)\n",
        f"{CREATE}\n)\n",
        "",
    ],
)
def test_a_file_of_another_statement_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match=r"create_t.sql must be a CREATE SCHEMA or CREATE TABLE"):
        read_columns("create_t.sql", text)


def test_no_statement_uses_a_bare_numeric_type_which_the_emulator_cuts_to_three_decimals() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in SQL_DIR.rglob("*.sql")}
    assert [str(path) for path, text in texts.items() if re.search(r"\bAS NUMERIC\)|^    \w+ NUMERIC\b(?!\()", text, re.MULTILINE)] == []


@pytest.mark.parametrize("table", WRITTEN, ids=name_of)
def test_a_guarded_table_has_the_columns_of_its_ddl_and_the_fencing_token_last(table: Table) -> None:
    assert [*table.columns, "fencing_token"] == list(columns_of(table.name))


@pytest.mark.parametrize("table", WRITTEN, ids=name_of)
def test_a_guarded_table_is_partitioned_by_its_date_column_and_refuses_a_key_that_is_null(table: Table) -> None:
    assert f"\nPARTITION BY {table.date_column}\n" in load_sql(f"schema/create_{table.name}")
    assert {*table.required_key, table.date_column} <= required_columns_of(table.name)


def test_the_guarded_predictions_have_the_columns_of_their_ddl() -> None:
    assert list(PLAYER_PROP_PREDICTIONS.columns) == list(columns_of("player_prop_predictions"))
    assert {*PLAYER_PROP_PREDICTIONS.required_key, PLAYER_PROP_PREDICTIONS.date_column} == required_columns_of("player_prop_predictions")


def test_the_merge_of_a_batch_selects_the_columns_in_the_order_they_are_inserted() -> None:
    assert selected_columns(load_sql("consolidation/merge_batch")) == list(PLAYER_PROP_PREDICTIONS.columns)


def test_the_key_that_must_not_be_null_is_not_null_in_the_ddl() -> None:
    assert set(PREDICTION_ACCURACY.required_key) | {"game_date"} == required_columns_of("prediction_accuracy")
    assert set(PREDICTION_ACCURACY.key) - set(PREDICTION_ACCURACY.required_key) == {"line_value"}


@pytest.mark.parametrize(("table", "query"), WRITTEN.items(), ids=[table.name for table in WRITTEN])
def test_a_query_selects_the_columns_in_the_order_they_are_inserted(table: Table, query: str) -> None:
    assert selected_columns(load_sql(query)) == list(table.columns)


@pytest.mark.parametrize("spec", INPUT_TABLES, ids=lambda spec: spec.stem)
def test_input_files_have_the_columns_and_types_of_their_table(spec: InputTable) -> None:
    loaded = {name: DDL_TYPES.get(SCHEMA_TYPES[type_], SCHEMA_TYPES[type_]) for name, type_ in spec.columns.items()}
    assert list(loaded.items()) == list(columns_of(spec.stem).items())
    assert f"CREATE TABLE IF NOT EXISTS {spec.full_name} (" in load_sql(f"schema/create_{spec.stem}")


@pytest.mark.parametrize("spec", INPUT_TABLES, ids=lambda spec: spec.stem)
def test_the_file_check_refuses_null_in_every_required_column(spec: InputTable) -> None:
    assert required_columns_of(spec.stem) <= set(spec.required)


def test_every_type_of_the_input_files_can_be_loaded() -> None:
    used: set[pa.DataType] = {type_ for spec in INPUT_TABLES for type_ in spec.columns.values()}
    assert used == set(SCHEMA_TYPES)


def test_a_recorded_run_has_the_columns_and_types_of_grading_runs() -> None:
    assert list(COLUMN_TYPES.items()) == list(columns_of("grading_runs").items())


def test_the_merge_of_runs_names_every_column_of_grading_runs_in_order() -> None:
    text = load_sql("records/merge_grading_runs")
    names = list(COLUMN_TYPES)
    assert re.findall(r"\w+", text.split("INSERT (", 1)[1].split(")", 1)[0]) == names
    assert re.findall(r"fresh\.(\w+)", text.split("VALUES", 1)[1]) == names
    of_the_key = {"grading_run_id", "game_date"}
    assert re.findall(r"^ +(\w+) = fresh\.\1,?$", text, re.MULTILINE) == [name for name in names if name not in of_the_key]


def test_the_merge_of_runs_reads_every_column_from_its_json_with_its_type() -> None:
    text = load_sql("records/merge_grading_runs").split("FROM UNNEST", 1)[0]
    read = re.findall(r"^ +(?:CAST\()?JSON_VALUE\(run, '\$\.(\w+)'\)(?: AS (\w+)\))? AS (\w+),?$", text, re.MULTILINE)
    assert all(name == column for name, _, column in read)
    assert {column: type_ or "STRING" for _, type_, column in read} == COLUMN_TYPES


FENCE_COLUMNS = [name for name, _, _ in COLUMN.findall(load_sql("guarded_write/create_fences"))]


def test_a_publish_sets_every_column_of_a_fence_but_its_date() -> None:
    update = load_sql("guarded_write/publish_staging").split("SET\n", 1)[1].split("\nFROM (", 1)[0]
    assert re.findall(r"^    (\w+) = ", update, re.MULTILINE) == FENCE_COLUMNS[1:]


def test_a_seed_selects_the_columns_of_a_fence_in_the_order_they_are_inserted() -> None:
    text = load_sql("guarded_write/seed_fences")
    inserted = re.findall(r"\w+", text.split("INSERT INTO {fences} (", 1)[1].split(")", 1)[0])
    assert set(inserted) <= set(FENCE_COLUMNS)
    assert selected_columns(text) == ["unfenced_date", *inserted[1:]]
