"""Creating the schema over tables that an older version made."""

from __future__ import annotations

from commands.schema import create_schema
from nba_grading.warehouse.client import Warehouse


def test_a_table_of_an_older_version_gets_the_columns_it_lacks_and_keeps_its_rows(warehouse: Warehouse) -> None:
    warehouse.query("DROP TABLE nba_predictions.incidents")
    warehouse.query("CREATE TABLE nba_predictions.incidents (name STRING NOT NULL, raised_at TIMESTAMP)")
    warehouse.dml("INSERT INTO nba_predictions.incidents (name) VALUES ('old')")
    for _ in range(2):
        create_schema(warehouse.client)
        assert warehouse.query("SELECT name, seen FROM nba_predictions.incidents") == [{"name": "old", "seen": None}]
