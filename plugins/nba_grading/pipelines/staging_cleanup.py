"""Staging tables that nobody dropped: which are proven to be in the main table and may be dropped, and why the others are kept.

``merged`` has the proof. Thousands of tables cost two queries for every hundred of them, not one each. A table that is not proven, too
young, or of no known kind is kept, and named with the reason.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from nba_grading.events import get_logger
from nba_grading.pipelines.merged import count_unmerged_rows, find_staged_dates
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import literal, render_sql
from nba_grading.warehouse.tables import DATASET, GUARDED, PLAYER_PROP_PREDICTIONS, Table

log = get_logger(__name__)

TABLES_A_QUERY = 100
BATCH_PREFIX = "_staging_batch_"
# The staging table of one guarded write: table, date, holder.
_OF_A_WRITE = re.compile(r"_staging_(?P<table>[a-z_]+)_\d{8}_[0-9a-f]{32}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class StagingTable:
    """A staging table and its verdict; ``kept_because`` is None for one that may be dropped. Age in days; bytes None if unknown."""

    name: str
    age_days: float
    rows: int | None = None
    bytes: int | None = None
    kept_because: str | None = None

    @property
    def is_proven(self) -> bool:
        """Whether it may be dropped."""
        return self.kept_because is None


@dataclass
class _Proofs:
    """What is found out about tables, by name."""

    rows: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


def judge_staging_tables(warehouse: Warehouse, older_than_days: float) -> list[StagingTable]:
    """Every staging table of the dataset with its verdict, oldest first."""
    now = datetime.now(tz=UTC)
    ages = {row["table_name"]: now - row["creation_time"] for row in warehouse.query_file("staging/list_staging_tables")}
    columns: defaultdict[str, set[str]] = defaultdict(set)
    for row in warehouse.query_file("staging/list_columns", {"prefix": "_staging_", "target": ""}):
        columns[row["table_name"]].add(row["column_name"])
    proofs, by_table = _Proofs(), defaultdict[Table, list[str]](list)
    for name, age in ages.items():
        table = _table_of(name)
        why = _why_kept(name, table, age, columns[name], older_than_days)
        if why or table is None:
            proofs.kept[name] = why or "of no known kind: neither a prediction batch nor a guarded write of this project"
        else:
            by_table[table].append(name)
    for table, names in by_table.items():
        for start in range(0, len(names), TABLES_A_QUERY):
            _prove(warehouse, table, names[start : start + TABLES_A_QUERY], proofs)
    return [
        StagingTable(name, age / timedelta(days=1), proofs.rows.get(name), proofs.bytes.get(name), proofs.kept.get(name))
        for name, age in ages.items()
    ]


def drop_staging_tables(warehouse: Warehouse, tables: Sequence[StagingTable]) -> int:
    """Drop those that are proven; returns how many. A table that is gone already is no error."""
    proven = [table for table in tables if table.is_proven]
    for number, table in enumerate(proven, start=1):
        warehouse.drop_table(f"{DATASET}.{table.name}")
        log.info("staging_dropped", table=table.name, rows=table.rows, age_days=round(table.age_days, 1), done=f"{number}/{len(proven)}")
    return len(proven)


def _table_of(name: str) -> Table | None:
    if name.startswith(BATCH_PREFIX):
        return PLAYER_PROP_PREDICTIONS
    matched = _OF_A_WRITE.fullmatch(name)
    return GUARDED.get(matched["table"]) if matched else None


def _why_kept(name: str, table: Table | None, age: timedelta, columns: set[str], older_than_days: float) -> str | None:
    """The reason for keeping a table without looking at its rows."""
    if not _PLAIN_NAME.fullmatch(name):
        return "its name has other characters than letters, digits and underscores: copy it to another name"
    if table is None:
        return None
    if age < timedelta(days=older_than_days):
        return f"younger than {older_than_days:g} days"
    missing = {table.date_column, table.time_column, *table.key} - columns
    return f"its columns {', '.join(sorted(missing))} are missing, so nothing can be proven" if missing else None


def _prove(warehouse: Warehouse, table: Table, names: Sequence[str], proofs: _Proofs) -> None:
    dates = find_staged_dates(warehouse, table, names)
    staged = count_unmerged_rows(warehouse, table, names, *dates) if dates else {}
    for name in names:
        found = staged.get(name)
        proofs.rows[name] = found.rows if found else 0
        if found and found.unmerged:
            proofs.kept[name] = f"{found.unmerged} of its {found.rows} rows are not in {table.name}, or newer than there: consolidate its batch first"
    sized = render_sql("staging/count_bytes", names=", ".join(literal(name) for name in names))
    proofs.bytes |= {row["table_name"]: int(row["stored_bytes"] or 0) for row in warehouse.query(sized)}
