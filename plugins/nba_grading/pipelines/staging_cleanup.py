"""Staging tables that nobody dropped: which are proven to be in the main table, and may go, and why the others are kept.

A table is proven when each of its rows has its business key in the main table, on its date, with values as new as its own.
Thousands of tables cost two queries for every hundred of them, not one each. A table that is not proven, too young, or of no known
kind is kept, and named with the reason.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nba_grading.events import get_logger
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import identifier, identifiers, literal, render_sql
from nba_grading.warehouse.tables import DATASET, GUARDED, PLAYER_PROP_PREDICTIONS, Table

log = get_logger(__name__)

TABLES_A_QUERY = 100
BATCH_PREFIX = "_staging_batch_"
# The staging table of one guarded write: table, date, holder.
_OF_A_WRITE = re.compile(r"_staging_(?P<table>[a-z_]+)_\d{8}_[0-9a-f]{32}")


@dataclass(frozen=True)
class StagingTable:
    """A staging table and what is to become of it; ``kept_because`` is None for one that may go. Age in days; bytes None if not told."""

    name: str
    age_days: float
    rows: int | None = None
    bytes: int | None = None
    kept_because: str | None = None

    @property
    def is_proven(self) -> bool:
        """Whether it may go."""
        return self.kept_because is None


def judge_staging_tables(warehouse: Warehouse, older_than_days: float) -> list[StagingTable]:
    """Every staging table of the dataset with its verdict, oldest first."""
    now = datetime.now(tz=UTC)
    found = {row["table_name"]: now - row["creation_time"] for row in warehouse.query_file("staging/list_staging_tables")}
    columns: defaultdict[str, set[str]] = defaultdict(set)
    for row in warehouse.query_file("staging/list_staging_columns"):
        columns[row["table_name"]].add(row["column_name"])
    kept = {name: why for name, age in found.items() if (why := _why_not_looked_at(name, age, columns[name], older_than_days))}
    rows: dict[str, int] = {}
    sizes: dict[str, int] = {}
    by_table: defaultdict[Table, list[str]] = defaultdict(list)
    for name in found:
        table = _table_of(name)
        if name not in kept and table:
            by_table[table].append(name)
    for table, names in by_table.items():
        for start in range(0, len(names), TABLES_A_QUERY):
            _prove(warehouse, table, names[start : start + TABLES_A_QUERY], rows, sizes, kept)
    return [StagingTable(name, age / timedelta(days=1), rows.get(name), sizes.get(name), kept.get(name)) for name, age in found.items()]


def drop_staging_tables(warehouse: Warehouse, tables: Sequence[StagingTable]) -> int:
    """Drop those that are proven; returns how many. One that is gone already is no error."""
    proven = [table for table in tables if table.is_proven]
    for number, table in enumerate(proven, start=1):
        warehouse.query(render_sql("guarded_write/drop_staging", staging=identifier(f"{DATASET}.{table.name}")))
        log.info("staging_dropped", table=table.name, rows=table.rows, age_days=round(table.age_days, 1), done=f"{number}/{len(proven)}")
    return len(proven)


def _table_of(name: str) -> Table | None:
    if name.startswith(BATCH_PREFIX):
        return PLAYER_PROP_PREDICTIONS
    matched = _OF_A_WRITE.fullmatch(name)
    return GUARDED.get(matched["table"]) if matched else None


def _why_not_looked_at(name: str, age: timedelta, columns: set[str], older_than_days: float) -> str | None:
    table = _table_of(name)
    if table is None:
        return "of no known kind: neither a prediction batch nor a guarded write of this project"
    if age < timedelta(days=older_than_days):
        return f"younger than {older_than_days:g} days"
    missing = {table.date_column, table.time_column, *table.key} - columns
    return f"its columns {', '.join(sorted(missing))} are missing, so nothing can be proven" if missing else None


def _prove(warehouse: Warehouse, table: Table, names: Sequence[str], rows: dict[str, int], sizes: dict[str, int], kept: dict[str, str]) -> None:
    key = (table.date_column, *(name for name in table.key if name != table.date_column))
    staged = " UNION ALL ".join(
        render_sql(
            "staging/staged_rows_fragment",
            table_name=literal(name),
            key=identifiers(key),
            time_column=identifier(table.time_column),
            staging=identifier(f"{DATASET}.{name}"),
        ).rstrip(";\n")
        for name in names
    )
    never_null = {table.date_column, *table.required_key}
    join = [f"staged.{name} {'=' if name in never_null else 'IS NOT DISTINCT FROM'} stored.{name}" for name in key]
    text = render_sql(
        "staging/count_unmerged_rows",
        staged=staged,
        target=identifier(table.full_name),
        date_column=identifier(table.date_column),
        key=identifiers(key),
        value_time=table.value_time,
        join=" AND ".join(join),
    )
    rows.update(dict.fromkeys(names, 0))
    for row in warehouse.query(text):
        rows[row["table_name"]] = int(row["staged_rows"])
        if row["unmerged_rows"]:
            kept[row["table_name"]] = (
                f"{row['unmerged_rows']} of its {row['staged_rows']} rows are not in {table.name}, or newer than there: consolidate its batch first"
            )
    sized = render_sql("staging/count_bytes", names=", ".join(literal(name) for name in names))
    sizes.update({row["table_name"]: int(row["stored_bytes"] or 0) for row in warehouse.query(sized)})
