"""Creating the schema over tables that an older version made."""

from __future__ import annotations

from commands.schema import create_schema
from nba_grading.warehouse.client import Warehouse


def test_a_table_of_an_older_version_gets_the_columns_it_lacks_and_keeps_its_rows(warehouse: Warehouse) -> None:
    warehouse.run("DROP TABLE nba_predictions.conditions")
    warehouse.run("CREATE TABLE nba_predictions.conditions (name STRING NOT NULL, raised_at TIMESTAMP)")
    warehouse.execute("INSERT INTO nba_predictions.conditions (name) VALUES ('old')")
    for _ in range(2):
        create_schema(warehouse.client)
        assert warehouse.run("SELECT name, seen FROM nba_predictions.conditions") == [{"name": "old", "seen": None}]
