"""The fences of a guarded table: one row per date, which every publish of the date updates first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from nba_grading.game_dates import season_of
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import identifier, identifiers, render_sql
from nba_grading.warehouse.tables import Table


def read_fences(warehouse: Warehouse, table: Table, dates: Sequence[date]) -> dict[date, int]:
    """The newest token of each date, of which each has a fence row afterwards."""
    text = render_sql("guarded_write/read_fences", fences=identifier(table.fences))
    found = {row["game_date"]: int(row["fencing_token"]) for row in warehouse.query(text, {"game_dates": list(dates)})}
    missing = [day for day in dates if day not in found]
    if not missing:
        return found
    seed_fences(warehouse, table, missing)
    return read_fences(warehouse, table, dates)


def seed_fences(warehouse: Warehouse, table: Table, dates: Sequence[date]) -> None:
    """Give each date of the seasons of ``dates`` a fence row, one statement a season."""
    text = render_sql(
        "guarded_write/seed_fences",
        fences=identifier(table.fences),
        target=identifier(table.full_name),
        date_column=identifier(table.date_column),
        key=identifiers(table.key),
        value_time=table.value_time,
        stored_token="MAX(fencing_token)" if table.has_token else "MAX(0)",
    )
    for first, last in sorted({season_of(day) for day in dates}):
        warehouse.dml(text, {"first_date": first, "last_date": last})
