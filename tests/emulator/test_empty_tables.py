"""Tests begin with empty tables: what decides which ones are emptied follows each statement."""

from __future__ import annotations

from google.cloud import bigquery

from commands.stack_config import StackConfig
from tests.conftest import empty_tables

TABLES = {
    "nba_predictions.prediction_accuracy": "(player_lookup, game_id, game_date, system_id) VALUES ('p', 'g', DATE '2026-01-10', 's')",
    "nba_predictions.incidents": "(name) VALUES ('a')",
    "nba_box_scores.player_game_summary": "(player_lookup, game_id, game_date, points) VALUES ('p', 'g', DATE '2026-01-10', 9)",
}


def counts(client: bigquery.Client) -> list[int]:
    return [next(iter(client.query(f"SELECT COUNT(*) AS n FROM {table}").result(timeout=60)))["n"] for table in TABLES]


def test_every_table_with_rows_is_emptied_and_others_of_tests_are_dropped(bigquery_client: bigquery.Client, emulators: StackConfig) -> None:
    for _ in range(2):
        for table, row in TABLES.items():
            bigquery_client.query(f"INSERT INTO {table} {row}").result(timeout=60)
        bigquery_client.query("CREATE TABLE nba_predictions._staging_a AS SELECT 1 AS a").result(timeout=60)
        assert counts(bigquery_client) == [1, 1, 1]
        empty_tables(bigquery_client, emulators.url("bigquery"))
        assert counts(bigquery_client) == [0, 0, 0]
        assert not [table for table in bigquery_client.list_tables("nba_predictions") if table.table_id.startswith("_")]


def test_rows_of_a_committed_transaction_count(bigquery_client: bigquery.Client, emulators: StackConfig) -> None:
    inserts = "".join(f"INSERT INTO {table} {row}; " for table, row in TABLES.items())
    bigquery_client.query(f"BEGIN TRANSACTION; {inserts} COMMIT TRANSACTION;").result(timeout=60)
    empty_tables(bigquery_client, emulators.url("bigquery"))
    assert counts(bigquery_client) == [0, 0, 0]
