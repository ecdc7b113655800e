"""The one proof that the rows of staging tables are in the table they were staged for, before any of them is dropped.

A row is merged when the table has its business key on its date, with values that are not older than the row's own. A row without a
time never replaces a stored one, so for it the key is enough. A stored row without a time proves nothing about a row that has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import identifier, identifiers, literal, render_sql
from nba_grading.warehouse.tables import DATASET, Table


@dataclass(frozen=True)
class StagedRows:
    """How many rows a staging table holds, and how many of them are not proven to be in its target."""

    rows: int
    unmerged: int


def count_unmerged_rows(warehouse: Warehouse, table: Table, names: Sequence[str], first: date, last: date) -> dict[str, StagedRows]:
    """The rows of each staging table by its name. Rows on dates outside ``first`` to ``last`` count as unmerged."""
    key = (table.date_column, *(name for name in table.key if name != table.date_column))
    never_null = {table.date_column, *table.required_key}
    text = render_sql(
        "staging/count_unmerged_rows",
        staged=_staged(table, names, key),
        target=identifier(table.full_name),
        date_column=identifier(table.date_column),
        key=identifiers(key),
        value_time=table.value_time,
        join=" AND ".join(f"staged.{name} {'=' if name in never_null else 'IS NOT DISTINCT FROM'} stored.{name}" for name in key),
    )
    found = {
        row["table_name"]: StagedRows(int(row["staged_rows"]), int(row["unmerged_rows"]))
        for row in warehouse.query(text, {"first": first, "last": last})
    }
    return {name: found.get(name, StagedRows(0, 0)) for name in names}


def find_staged_dates(warehouse: Warehouse, table: Table, names: Sequence[str]) -> tuple[date, date] | None:
    """The first and the last date that these staging tables hold rows of; None if they hold none."""
    staged = _staged(table, names, (table.date_column,))
    text = render_sql("staging/find_staged_dates", staged=staged, date_column=identifier(table.date_column))
    [row] = warehouse.query(text)
    return None if row["first_date"] is None else (row["first_date"], row["last_date"])


def _staged(table: Table, names: Sequence[str], columns: tuple[str, ...]) -> str:
    return " UNION ALL ".join(
        render_sql(
            "staging/staged_rows_fragment",
            table_name=literal(name),
            key=identifiers(columns),
            time_column=identifier(table.time_column),
            staging=identifier(f"{DATASET}.{name}"),
        ).rstrip(";\n")
        for name in names
    )
