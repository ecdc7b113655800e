"""The proof that staged rows are merged, on which both the consolidation and the staging cleanup drop tables."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from google.cloud import bigquery

from nba_grading.pipelines.merged import StagedRows, count_unmerged_rows, find_staged_dates
from nba_grading.pipelines.staging_cleanup import judge_staging_tables
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import load_sql
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS as TABLE

DAY, NEXT = date(2026, 1, 10), date(2026, 1, 11)
ROW: dict[str, Any] = {
    "prediction_id": "'a'",
    "system_id": "'ewma_v1'",
    "player_lookup": "'p'",
    "game_id": "'g1'",
    "game_date": "DATE '2026-01-10'",
    "current_points_line": "NUMERIC '19.5'",
    "created_at": "TIMESTAMP '2026-01-10 10:00:00'",
    "updated_at": "NULL",
}
NINE, TEN, NOON = (f"TIMESTAMP '2026-01-10 {hour}:00:00'" for hour in ("09", "10", "12"))


def insert(client: bigquery.Client, table: str, *changes: dict[str, str]) -> None:
    rows = [{**ROW, **change} for change in changes]
    values = ", ".join(f"({', '.join(row.values())})" for row in rows)
    client.query(f"INSERT INTO nba_predictions.{table} ({', '.join(ROW)}) VALUES {values}").result(timeout=60)


def stage(client: bigquery.Client, worker: str, *changes: dict[str, str]) -> str:
    name = f"_staging_batch_b1_{worker}"
    client.query(f"CREATE TABLE nba_predictions.{name} AS SELECT * FROM {TABLE.full_name} WHERE FALSE").result(timeout=60)
    if changes:
        insert(client, name, *changes)
    return name


@pytest.fixture
def names(bigquery_client: bigquery.Client) -> list[str]:
    """Batch tables whose rows are merged, newer, or missing, beside a date that holds rows with and without times."""
    client = bigquery_client
    insert(
        client,
        TABLE.name,
        {},
        {"current_points_line": "NULL", "updated_at": NOON},
        {"player_lookup": "'q'", "created_at": "NULL"},
        {"player_lookup": "'r'", "game_date": "DATE '2026-01-11'"},
    )
    return [
        stage(client, "merged", {}, {"created_at": NINE}, {"current_points_line": "NULL", "created_at": NOON}, {"created_at": "NULL"}),
        stage(client, "newer", {}, {"created_at": "TIMESTAMP '2026-01-10 10:00:00.000001'"}),
        stage(client, "timeless", {"player_lookup": "'q'", "created_at": NOON}),
        stage(
            client,
            "missing",
            {"current_points_line": "NUMERIC '19'"},
            {"player_lookup": "'r'", "created_at": "NULL"},
            {"game_date": "DATE '2026-01-11'"},
        ),
        stage(client, "empty"),
    ]


def test_a_row_is_merged_when_its_key_is_there_with_values_as_new(warehouse: Warehouse, names: list[str]) -> None:
    found = count_unmerged_rows(warehouse, TABLE, names, DAY, NEXT)
    assert found == {
        "_staging_batch_b1_merged": StagedRows(4, 0),
        "_staging_batch_b1_newer": StagedRows(2, 1),
        "_staging_batch_b1_timeless": StagedRows(1, 1),
        "_staging_batch_b1_missing": StagedRows(3, 3),
        "_staging_batch_b1_empty": StagedRows(0, 0),
    }


def test_rows_on_dates_that_are_not_looked_at_are_unmerged(warehouse: Warehouse, bigquery_client: bigquery.Client) -> None:
    insert(bigquery_client, TABLE.name, {"game_date": "DATE '2026-01-11'"})
    name = stage(bigquery_client, "other", {"game_date": "DATE '2026-01-11'"})
    assert count_unmerged_rows(warehouse, TABLE, [name], DAY, DAY)[name].unmerged == 1
    assert count_unmerged_rows(warehouse, TABLE, [name], DAY, NEXT)[name].unmerged == 0


def test_the_dates_of_staged_rows(warehouse: Warehouse, names: list[str]) -> None:
    assert find_staged_dates(warehouse, TABLE, names) == (DAY, NEXT)
    assert find_staged_dates(warehouse, TABLE, [names[-1]]) is None


def test_the_cleanup_keeps_a_newer_row_over_a_stored_row_without_a_time(warehouse: Warehouse, names: list[str]) -> None:
    judged = {table.name: table for table in judge_staging_tables(warehouse, older_than_days=0)}
    assert {name for name in names if judged[name].is_proven} == {"_staging_batch_b1_merged", "_staging_batch_b1_empty"}
    assert judged["_staging_batch_b1_timeless"].kept_because == (
        "1 of its 1 rows are not in player_prop_predictions, or newer than there: consolidate its batch first"
    )


def test_an_oddly_named_table_is_kept_and_stops_no_other(warehouse: Warehouse, bigquery_client: bigquery.Client, names: list[str]) -> None:
    bigquery_client.create_table(bigquery.Table(f"{bigquery_client.project}.nba_predictions._staging_batch_a_worker-1"))
    judged = {table.name: table for table in judge_staging_tables(warehouse, older_than_days=0)}
    assert "other characters" in str(judged["_staging_batch_a_worker-1"].kept_because)
    assert judged["_staging_batch_b1_merged"].is_proven


def test_the_merge_ranks_by_the_same_definition_of_gradable_as_the_view() -> None:
    view = load_sql("schema/view_gradable_predictions").partition("WHERE ")[2].strip().rstrip(";")
    assert "invalidation_reason" in view
    assert f"staging_table IS NULL AND {view} AS is_gradable" in load_sql("consolidation/merge_batch")


def test_the_view_holds_active_predictions_that_are_not_invalidated(warehouse: Warehouse, bigquery_client: bigquery.Client) -> None:
    flags = [(active, reason) for active in ("TRUE", "FALSE", "NULL") for reason in ("'postponed'", "NULL")]
    columns = "prediction_id, system_id, player_lookup, game_id, game_date, is_active, invalidation_reason"
    values = ", ".join(f"('{n}', 's', 'p{n}', 'g', DATE '2026-01-10', {active}, {reason})" for n, (active, reason) in enumerate(flags))
    bigquery_client.query(f"INSERT INTO {TABLE.full_name} ({columns}) VALUES {values}").result(timeout=60)
    rows = warehouse.query("SELECT prediction_id FROM nba_predictions.gradable_predictions WHERE game_date = DATE '2026-01-10'")
    assert sorted(row["prediction_id"] for row in rows) == ["1", "5"]
