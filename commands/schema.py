"""Create every dataset, table and column of include/sql/schema, in the local stack or a real project, and migrate older tables.

Usage: python -m commands.schema [--local]

GRADING_PROJECT and GRADING_LOCATION say where; --local means the stack of `make up`.
"""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer
from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from commands.clients import make_bigquery_client
from commands.console import CommandError, command, console, warehouse_of
from nba_grading.pipelines.aggregate import AGGREGATES
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import SQL_DIR, identifier, identifiers, load_sql, render_sql
from nba_grading.warehouse.tables import GUARDED

DATASET = re.compile(r"CREATE SCHEMA IF NOT EXISTS \w+\s")
VIEW = re.compile(r"CREATE OR REPLACE VIEW \w+\.\w+\s")
TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+\.\w+) \(\n(.+?)\n\)\n", re.DOTALL)
PARTITION = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+\.\w+) \(.+\nPARTITION BY (?:DATE\()?(\w+)", re.DOTALL)
COLUMN = re.compile(r"\s*((\w+) [A-Z0-9]+(?:\([0-9, ]+\))?(?: NOT NULL)? OPTIONS \(description = '[^'\\]+'\)),?")
CONDITIONS = "nba_predictions.conditions"
FENCES = "nba_predictions.write_fences"
RESULTS = "nba_predictions.data_quality_results"


def create_schema(client: bigquery.Client) -> list[str]:
    """Run every file of include/sql/schema, datasets first, and migrate older tables; returns a sentence for each change of an older table.

    A migration that is interrupted continues at the next call. A table made from the grades is stale after it got a column. A missing
    column can only be added as nullable: BigQuery adds no other.
    """
    texts = {path.name: load_sql(f"schema/{path.stem}") for path in sorted((SQL_DIR / "schema").glob("*.sql"))}
    texts |= {table.fences: render_sql("guarded_write/create_fences", fences=identifier(table.fences)) for table in GUARDED.values()}
    tables = dict(filter(None, (read_columns(name, text) for name, text in texts.items())))
    warehouse = warehouse_of(client)
    for text in texts.values():
        if not VIEW.match(text):
            warehouse.query(text)
    changes = _migrate(client, warehouse)
    partitioned = {table[1]: table[2] for table in filter(None, map(PARTITION.search, texts.values()))}
    # The fences first, as those of a table may have to say that it is stale.
    for table, columns in reversed(tables.items()):
        missing = sorted(set(columns) - _stored_columns(client, table, partitioned.get(table)))
        # Before the columns are there: an interrupted migration does it again.
        for aggregate in (each for each in AGGREGATES if missing and each.full_name == table):
            warehouse.dml(render_sql("schema_change/make_stale", fences=identifier(aggregate.fences)))
        for column in missing:
            warehouse.query(render_sql("schema_change/add_column", target=identifier(table), definition=columns[column]))
            changes.append(f"{table}: added {column}")
    for table in partitioned:
        if not _requires_filter(client, table):
            warehouse.query(render_sql("schema_change/require_filter", target=identifier(table)))
            changes.append(f"{table}: every query must filter its partitions now")
    # Last, as a view keeps the columns that its tables had when it was made.
    for text in filter(VIEW.match, texts.values()):
        warehouse.query(text)
    return changes


def _migrate(client: bigquery.Client, warehouse: Warehouse) -> list[str]:
    """Move what older versions stored under other names; returns a sentence for each change."""
    changes = []
    if _stored_columns(client, CONDITIONS):
        _move_conditions(warehouse)
        changes.append(f"{CONDITIONS} is now nba_predictions.incidents")
    if "figure" in _stored_columns(client, RESULTS, "checked_at"):
        warehouse.query_file("schema_change/rename_figure")
        changes.append(f"{RESULTS}: figure is now value")
    if _stored_columns(client, FENCES):
        _move_fences(warehouse)
        changes.append(f"{FENCES} is now a table of its own for each guarded table, {GUARDED['prediction_accuracy'].fences} and others")
    return changes


def read_columns(name: str, text: str) -> tuple[str, dict[str, str]] | None:
    """The table of a file's CREATE TABLE, with column → definition; None for a dataset or view. CommandError for a line in another form."""
    if DATASET.match(text) or VIEW.match(text):
        return None
    table = TABLE.match(text)
    if not table:
        raise CommandError(
            f"{name} must be a CREATE SCHEMA or CREATE TABLE with IF NOT EXISTS and a column in each line, or a CREATE OR REPLACE VIEW."
        )
    columns = {}
    for line in table[2].splitlines():
        column = COLUMN.fullmatch(line)
        if not column:
            raise CommandError(f"{name}: {line.strip()!r} is not read as a column. Write: name TYPE [NOT NULL] OPTIONS (description = '...')")
        columns[column[2]] = column[1]
    return table[1], columns


def _stored_columns(client: bigquery.Client, table: str, partition_column: str | None = None) -> set[str]:
    """The columns of a table in BigQuery, none if there is no such table; by a dry run, as the emulator's INFORMATION_SCHEMA misses changes."""
    try:
        where = f"WHERE {identifier(partition_column)} >= '1970-01-01'" if partition_column else "WHERE TRUE"
        job = client.query(render_sql("schema_change/select_columns", target=identifier(table), where=where), bigquery.QueryJobConfig(dry_run=True))
    except NotFound:
        return set()
    return {field.name for field in job.schema or ()}


def _requires_filter(client: bigquery.Client, table: str) -> bool:
    # By the answer itself: the emulator has it in the older of the two places.
    found = client.get_table(table).to_api_repr()
    return bool(found.get("requirePartitionFilter") or found.get("timePartitioning", {}).get("requirePartitionFilter"))


def _move_conditions(warehouse: Warehouse) -> None:
    """Move the rows of ``conditions`` to ``incidents``; the older table is dropped when each of its rows is proven to be there."""
    warehouse.query_file("schema_change/delete_outdated_incidents")
    warehouse.query_file("schema_change/copy_conditions")
    warehouse.query_file("schema_change/resolve_task_incidents")
    left = [row["name"] for row in warehouse.query_file("schema_change/list_uncopied_conditions")]
    if left:
        raise CommandError(
            f"{CONDITIONS} has rows that are not in incidents: {', '.join(left)}. "
            "The older version still writes to it: stop its scheduler and workers, then run this again."
        )
    warehouse.drop_table(CONDITIONS)


def _move_fences(warehouse: Warehouse) -> None:
    """Move the rows of ``write_fences`` to the fences of each table; the older table is dropped when each of its rows is proven to be there.

    A writer of the older version then fails, as its table is gone. Dates with rows but without a fence get one too.
    """
    for table in GUARDED.values():
        parts = {"fences": identifier(table.fences), "target": identifier(table.full_name), "date_column": identifier(table.date_column)}
        more = {"key": identifiers(table.key), "value_time": table.value_time, "stored_token": "MAX(fencing_token)" if table.has_token else "MAX(0)"}
        warehouse.dml(render_sql("schema_change/copy_fences", **parts, **more), {"table_name": table.name})
        params = {"table_name": table.name}
        left = [str(row["game_date"]) for row in warehouse.query(render_sql("schema_change/list_uncopied_fences", fences=parts["fences"]), params)]
        if left:
            raise CommandError(
                f"{FENCES} has newer tokens of {table.name} than {table.fences} on {', '.join(left[:5])}. "
                "The older version still writes to it: stop its scheduler and workers, then run this again."
            )
    warehouse.drop_table(FENCES)


@command()
def main(local: Annotated[bool, typer.Option("--local", help="In the running local stack.")] = False) -> None:
    """Command line; exit code 0, or 1 with a sentence."""
    if local:
        # Imported here, as the production image has no supervisor.
        from commands.stack import use_local_stack

        use_local_stack()
    settings = get_settings()
    for change in create_schema(make_bigquery_client(settings)):
        console.print(change)
    console.print(f"{settings.grading_project}: the schema is up to date")


if __name__ == "__main__":
    sys.exit(main())
