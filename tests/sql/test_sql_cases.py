"""Runs the SQL cases: every <area>/<query>/<case>.yaml beside this file, on the emulator, through the project's own Warehouse.

A case has ``description``; ``tables``, the rows of each table (an omitted column is NULL); ``params``, a list of dates for an
ARRAY<DATE>; for a query with placeholders ``identifiers``, ``queries``, the names of the SELECTs to put in, or ``batch``, the
staging tables it merges; and ``expect``, the rows that come back, in any order. Only the columns of ``expect`` are compared.
Tables named ``_staging_batch_…`` are made with the columns of player_prop_predictions.
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
from nba_grading.warehouse.sql import SQL_DIR, SqlFolder, identifier, load_sql
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY
from proofs import PROOFS_SQL

HERE = Path(__file__).parent
CASES = sorted(HERE.rglob("*.yaml"))
OTHER_FOLDERS = {"commands": COMMANDS_SQL, "proofs": PROOFS_SQL}
FIELDS = {"description", "tables", "params", "identifiers", "queries", "batch", "expect"}
# Every other SQL file has a case. The reasons say what runs these instead.
WITHOUT_CASE: Mapping[str, Sequence[str]] = {
    "No statement of its own: a part of the queries that have cases, which put it in.": (
        *(
            "aggregates/candidates_fragment",
            "aggregates/periods_fragment",
            "consolidation/staging_rows_fragment",
            "consolidation/stored_rows_fragment",
            "guarded_write/claim_fragment",
            "guarded_write/no_counts_fragment",
            "staging/staged_rows_fragment",
            "statistics/clustered_rates_fragment",
            "statistics/upper_tails_fragment",
        ),
    ),
    "Changes incidents, with times of the server's clock: tests/emulator/test_incidents.py compares the table before and after.": (
        *("incidents/claim_probe", "incidents/claim_delivery", "incidents/resolve_incident", "incidents/escalate_incidents"),
        *("incidents/mark_delivered", "incidents/prune_incidents", "incidents/open_incident", "incidents/record_event"),
        *("incidents/record_occurrence", "incidents/seed_incident", "incidents/count_pending"),
    ),
    "A step of the guarded write, which makes sense with the others alone: tests/emulator/test_write_dates.py, test_fence.py, test_kills_*.py.": (
        *("guarded_write/stage_rows", "guarded_write/audit_staging", "guarded_write/publish_staging", "guarded_write/seed_fences"),
    ),
    "Repairs a table, from a backup or under a lease: tests/emulator/test_repairs.py.": (
        *("repair/create_backup", "repair/keep_earliest_rows", "repair/resolve_duplicate_audit", "repair/resolve_repaired_dates"),
        "repair/rows_of_backup",
    ),
    "Reads the catalog, or compares staging tables of several kinds: tests/emulator/test_staging_cleanup.py.": (
        *("staging/count_bytes", "staging/count_unmerged_rows", "staging/find_staged_dates", "staging/list_columns", "staging/list_staging_tables"),
    ),
    "Reads the catalog, whose times no case can set: tests/dags/test_page.py.": ("page/list_orphans",),
    "Reads the catalog, whose times no case can set: tests/dags/test_check_data_quality.py.": ("quality/10_orphaned_staging_tables",),
    "Stores or previews results: tests/dags/test_check_data_quality.py.": ("quality/results/count_rows", "quality/results/merge_results"),
    "Records runs: tests/emulator/test_records.py, and tests/unit/test_schema.py compares its columns with the table's.": (
        "records/merge_grading_runs",
    ),
    "Writes the audit of duplicates that were found: tests/dags/test_grade_predictions.py.": ("validation/insert_duplicate_audit",),
    "Creates or changes a table: tests/unit/test_schema.py, tests/emulator/test_schema.py, and every test on the emulator.": (
        *("schema/01_create_nba_predictions", "schema/02_create_nba_box_scores", "schema/create_incidents"),
        *("schema/03_create_nba_reference", "schema/04_create_nba_odds", "schema/create_games", "schema/create_prop_lines"),
        *("schema/create_settled_bets", "schema/create_system_market_performance", "schema/create_confidence_calibration"),
        *("schema/create_player_watchlist", "schema/create_player_variance", "schema/view_latest_calibration"),
        *("schema/create_data_quality_results", "schema/create_grading_duplicate_audit", "schema/create_grading_runs"),
        *("schema/create_player_game_summary", "schema/create_player_prop_predictions", "schema/create_prediction_accuracy"),
        *(
            "guarded_write/create_fences",
            "schema/create_player_daily_performance",
            "schema/create_prediction_performance_summary",
            "schema/create_system_daily_performance",
            "schema/create_accepted_games",
            "schema/view_gradable_predictions",
            "schema/view_game_completeness",
        ),
        *("schema_change/add_column", "schema_change/copy_conditions", "schema_change/delete_outdated_incidents"),
        *(
            "schema_change/copy_fences",
            "schema_change/require_filter",
            "schema_change/list_uncopied_conditions",
            "schema_change/list_uncopied_fences",
            "schema_change/make_stale",
            "schema_change/rename_figure",
            "schema_change/resolve_task_incidents",
            "schema_change/select_columns",
        ),
    ),
    "Fills or empties tables for the benchmark, which compares every row with DuckDB's: tests/emulator/test_bench.py.": (
        *(
            "proofs/append_table",
            "proofs/drop_table",
            "proofs/copy_table",
            "proofs/create_batch_staging",
            "proofs/delete_date",
            "proofs/delete_every_second_prediction",
        ),
        *("proofs/empty_table", "commands/export_table", "proofs/insert_duplicate_grades", "proofs/insert_synthetic_box_scores"),
        *("proofs/insert_synthetic_grades", "proofs/insert_synthetic_predictions", "proofs/select_rows_of_date"),
    ),
    "Compare staged grades with stored ones: tests/emulator/test_preview.py.": ("preview/compare_grades", "preview/summarize_systems"),
    "Explain single grades, all together: tests/emulator/test_explain.py.": (
        *("explain/list_candidates", "explain/list_box_scores", "explain/list_stored", "explain/list_names", "explain/select_expected"),
    ),
    "Accepts games, once each: tests/dags/test_grade_predictions.py.": ("grading/accept_games",),
    "Loads files in one transaction: tests/emulator/test_load.py.": ("commands/replace_loaded_dates", "commands/replace_dates_fragment"),
    "Store what Python has fitted: tests/dags/test_weekly.py.": ("reviews/store_calibrations", "reviews/store_watchlist"),
    "Settles and judges generated markets, and whole seasons: tests/emulator/test_market_property.py, test_refresh.py.": (
        *("aggregates/settle_bets", "aggregates/aggregate_market"),
    ),
    "Makes or counts what `make repair` repairs, which fails when the numbers are not those of the incident.": (
        *("proofs/count_lost_keys_of_backup", "proofs/create_orphaned_staging", "proofs/insert_duplicate_predictions"),
    ),
}

Row = Mapping[str, Any]


def name_of(case: Path) -> str:
    return str(case.relative_to(HERE).with_suffix(""))


def query_of(case: Path) -> str:
    """``area/query``: the case's folder. The areas ``commands`` and ``proofs`` are those programs' own statements."""
    return str(case.parent.relative_to(HERE))


def folder_of(query: str) -> tuple[SqlFolder, str]:
    """The folder of ``area/query``, and its name there."""
    area, _, name = query.partition("/")
    return (OTHER_FOLDERS[area], name) if area in OTHER_FOLDERS else (SqlFolder(SQL_DIR), query)


def statement_of(query: str) -> str:
    """The statement of ``area/query``."""
    folder, name = folder_of(query)
    return folder.load(name)


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


def render(path: Path, case: Mapping[str, Any]) -> str:
    """The case's statement, with its placeholders filled in."""
    parts = {name: identifier(value) for name, value in case.get("identifiers", {}).items()}
    if case.get("batch"):
        columns = PLAYER_PROP_PREDICTIONS.columns
        batch = Batch("b1", tuple(BatchTable(name, frozenset(columns)) for name in case["batch"]))
        parts["candidates"] = batch.candidates(columns) if path.parent.name == "merge_batch" else batch.candidates()
    parts |= {name: load_sql(value) for name, value in case.get("queries", {}).items()}
    text = statement_of(query_of(path))
    return text.format(**parts) if parts else text


def params_of(case: Mapping[str, Any]) -> dict[str, Any]:
    """The case's parameters; YAML's fractions are NUMERIC."""
    return {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in case.get("params", {}).items()}


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_the_query_returns_what_the_case_expects(path: Path, bigquery_client: bigquery.Client, warehouse: Warehouse) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    for table, rows in case["tables"].items():
        if "._staging_batch_" in table:
            like = "SELECT * FROM nba_predictions.player_prop_predictions WHERE FALSE"
            bigquery_client.query(f"CREATE TABLE {identifier(table)} AS {like}").result(timeout=60)
        insert_rows(bigquery_client, table, rows)
    found = warehouse.query(render(path, case), params_of(case))
    expected = case["expect"]
    columns = list(expected[0]) if expected else []
    assert comparable_rows(found, columns) == comparable_rows(expected, columns)


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_a_case_is_whole(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert case.keys() <= FIELDS
    assert case.keys() >= {"description", "tables", "expect"}
    assert statement_of(query_of(path))
    assert all(row.keys() == case["expect"][0].keys() for row in case["expect"]), "every expected row names the same columns"


def queries_in(sql_dir: Path) -> set[str]:
    """``area/query`` of every SQL file below a folder."""
    return {str(path.relative_to(sql_dir).with_suffix("")) for path in sql_dir.rglob("*.sql")}


def every_query() -> set[str]:
    others = {f"{area}/{name}" for area, folder in OTHER_FOLDERS.items() for name in queries_in(folder.path)}
    return queries_in(SQL_DIR) | others


def names_without_case() -> list[str]:
    return [name for names in WITHOUT_CASE.values() for name in names]


def untested(queries: set[str]) -> set[str]:
    """Those that have neither a case nor a reason in WITHOUT_CASE."""
    return queries - set(map(query_of, CASES)) - set(names_without_case())


def test_every_query_has_a_case_or_a_reason_to_have_none() -> None:
    assert untested(every_query()) == set(), "give each a case beside this file, or a reason in WITHOUT_CASE"


def test_the_reasons_name_files_that_exist_once_each_and_have_no_case() -> None:
    names = names_without_case()
    assert len(names) == len(set(names))
    assert set(names) - every_query() == set()
    assert set(names) & set(map(query_of, CASES)) == set()


def test_a_new_file_without_a_case_is_found(tmp_path: Path) -> None:
    for name in ("grading/grade_predictions", "grading/a_new_query", "records/merge_grading_runs"):
        file = tmp_path / f"{name}.sql"
        file.parent.mkdir(exist_ok=True)
        file.touch()
    assert untested(queries_in(tmp_path)) == {"grading/a_new_query"}


def grades(count: int, *, copies: int) -> list[Row]:
    """``copies`` rows of each of ``count`` keys of one date."""
    row = {"game_id": "20260110_DET_LAC", "game_date": date(2026, 1, 10), "system_id": "ewma_v1", "line_value": 25.5}
    return [{**row, "player_lookup": f"player{number:02d}"} for number in range(count) for _ in range(copies)]


def test_duplicate_keys_are_listed_up_to_twenty_and_counted_in_full(bigquery_client: bigquery.Client, warehouse: Warehouse) -> None:
    insert_rows(bigquery_client, "nba_predictions.prediction_accuracy", grades(25, copies=3))
    found = find_duplicates(warehouse, PREDICTION_ACCURACY, [date(2026, 1, 10)])[date(2026, 1, 10)][0].rows
    assert [row["player_lookup"] for row in found] == [f"player{number:02d}" for number in range(20)]
    assert {(row["duplicate_keys"], row["surplus_rows"]) for row in found} == {(25, 50)}


def test_null_keys_are_counted(bigquery_client: bigquery.Client, warehouse: Warehouse) -> None:
    # The table itself refuses them, so the query reads a copy that does not.
    copy = "nba_predictions._prediction_accuracy_without_constraints"
    bigquery_client.query(f"CREATE TABLE {copy} AS SELECT * FROM nba_predictions.prediction_accuracy WHERE FALSE").result(timeout=60)
    for missing in ("player_lookup", "game_id", "system_id"):
        insert_rows(bigquery_client, copy, [{**grades(1, copies=1)[0], missing: None, "grading_run_id": "run-1"}])
    insert_rows(bigquery_client, copy, [{**grades(1, copies=1)[0], "line_value": None}])
    insert_rows(bigquery_client, copy, [{**grades(1, copies=1)[0], "player_lookup": None, "game_date": date(2026, 1, 9)}])
    insert_rows(bigquery_client, copy, [grades(1, copies=1)[0]])
    text = load_sql("validation/check_dates").replace("nba_predictions.prediction_accuracy AS", f"{copy} AS")
    [found] = warehouse.query(text, {"game_dates": [date(2026, 1, 10)]})
    assert (found["null_key_rows"], found["foreign_keys"]) == (3, 5)


def test_the_table_refuses_a_null_key(bigquery_client: bigquery.Client) -> None:
    with pytest.raises(Exception, match=r"(?i)null"):
        insert_rows(bigquery_client, "nba_predictions.prediction_accuracy", [{**grades(1, copies=1)[0], "player_lookup": None}])
