"""Create every dataset, table and column of include/sql/schema, in the local stack or a real project; existing ones are left as they are.

Usage: python -m commands.schema [--local]

GRADING_PROJECT and GRADING_LOCATION say where; --local means the stack of `make up`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from google.cloud import bigquery

from commands.clients import make_bigquery_client
from commands.console import command, console, warehouse_of
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import SQL_DIR, identifier, load_sql, render_sql

TABLE = re.compile(r"^CREATE TABLE IF NOT EXISTS (\w+)\.(\w+) \(", re.MULTILINE)
COLUMN = re.compile(r"^    ((\w+) [A-Z0-9]+(?:\(38, 9\))?(?: NOT NULL)? OPTIONS \(.*\)),?$", re.MULTILINE)


def create_schema(client: bigquery.Client) -> list[str]:
    """Run every file of include/sql/schema, datasets first, and add what older tables lack; returns the names of the files.

    A column that a table got later can only be nullable: BigQuery adds no other.
    """
    names = sorted(path.stem for path in (SQL_DIR / "schema").glob("*.sql"))
    warehouse = warehouse_of(client)
    for name in names:
        warehouse.query(load_sql(f"schema/{name}"))
    _add_missing_columns(warehouse, [load_sql(f"schema/{name}") for name in names])
    return names


def _add_missing_columns(warehouse: Warehouse, files: Sequence[str]) -> None:
    there: dict[str, set[tuple[str, str]]] = {}
    for text in files:
        for dataset, table in TABLE.findall(text):
            if dataset not in there:
                rows = warehouse.query(render_sql("schema_change/list_columns", dataset=identifier(dataset)))
                there[dataset] = {(row["table_name"], row["column_name"]) for row in rows}
            for definition, column in COLUMN.findall(text):
                if (table, column) not in there[dataset]:
                    warehouse.query(render_sql("schema_change/add_column", target=identifier(f"{dataset}.{table}"), definition=definition))


@command()
def main(local: Annotated[bool, typer.Option("--local", help="In the running local stack.")] = False) -> None:
    """Command line; exit code 0, or 1 with a sentence."""
    if local:
        # Imported here, as the production image has no supervisor.
        from commands.stack import use_local_stack

        use_local_stack()
    settings = get_settings()
    names = create_schema(make_bigquery_client(settings))
    console.print(f"{settings.grading_project}: {len(names)} datasets and tables exist")


if __name__ == "__main__":
    sys.exit(main())
