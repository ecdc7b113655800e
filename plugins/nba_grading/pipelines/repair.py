"""Repairs of what history left: dates with duplicate keys, and dates to be brought back from a backup.

A repair is a guarded write like any other: under the lease of the table's own operation, staged, audited, published by one fenced
transaction. Its rows come from the date itself, so it is refused when anybody published the date since it was read. Nothing is
repaired without a backup; a date that is right already is left alone, so a repair that was killed is run again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import Claim
from nba_grading.guarded_write.publish import AuditFailed, Published, Write, write_date
from nba_grading.warehouse.client import Params, StatementFailed, Warehouse
from nba_grading.warehouse.sql import identifier, identifiers, load_sql, render_sql
from nba_grading.warehouse.tables import DATASET, REPAIRABLE, Table

log = get_logger(__name__)

_BACKUP = re.compile(r"_backup_(?P<table>[a-z_]+)_(?P<moment>\d{14})")


class NoSuchBackup(ValueError):
    """The backup cannot be used; the message says why, and which there are."""


@dataclass(frozen=True)
class DatePlan:
    """What a date holds before its repair: rows, keys, and the rows that would go."""

    game_date: date
    stored_rows: int
    stored_keys: int
    surplus_rows: int


def plan_repair(warehouse: Warehouse, table: Table, first: date, last: date) -> list[DatePlan]:
    """The dates of the range that hold duplicate keys, in order."""
    text = render_sql("repair/count_duplicates", target=identifier(table.full_name), key=identifiers(table.key))
    rows = warehouse.query(text, {"first": first, "last": last})
    return [DatePlan(row["game_date"], int(row["stored_rows"]), int(row["stored_keys"]), int(row["surplus_rows"])) for row in rows]


def backup_name(table: Table, moment: datetime) -> str:
    """The name of a snapshot taken by a run that began at this moment: the same for each of its tries."""
    return f"_backup_{table.name}_{moment:%Y%m%d%H%M%S}"


def create_backup(warehouse: Warehouse, table: Table, name: str) -> int:
    """Take a snapshot of the whole table, unless this run has one; returns its rows."""
    target, backup = identifier(table.full_name), identifier(f"{DATASET}.{name}")
    if name not in _backups(warehouse, table):  # asked for, as the emulator knows no IF NOT EXISTS here
        try:
            warehouse.query(render_sql("repair/create_backup", backup=backup, target=target))
        except StatementFailed:
            # A try that was killed had asked for it, and BigQuery finished it since.
            if name not in _backups(warehouse, table):
                raise
    [row] = warehouse.query(render_sql("repair/count_rows", target=backup))
    log.info("backup_taken", table=table.name, backup=name, rows=row["stored_rows"])
    return int(row["stored_rows"])


def remove_duplicates(warehouse: Warehouse, claim: Claim, table: Table, game_date: date) -> Published:
    """Leave one row per key on a date: the one written first. Raises what ``write_date`` raises; AuditFailed when a key would be lost."""
    rows = render_sql(
        "repair/keep_earliest_rows",
        columns=identifiers(table.columns),
        target=identifier(table.full_name),
        key=identifiers(table.key),
        time_column=identifier(table.time_column),
        tie_column=identifier(table.tie_column),
    )

    def audit_no_key_is_lost(staging: str) -> None:
        text = render_sql("repair/count_lost_keys", key=identifiers(table.key), target=identifier(table.full_name), staging=identifier(staging))
        [row] = warehouse.query(text, {"game_date": game_date})
        if row["lost_keys"]:
            raise AuditFailed(f"{table.name} {game_date}: {row['lost_keys']} keys would be lost; nothing was changed", permanent=True)

    write = Write(table, game_date, rows, {"game_date": game_date}, max_shrink=0.0, reads_target=True)
    published = write_date(warehouse, claim, write, audit_no_key_is_lost)
    notes = f"{published.replaced_rows - published.written_rows} rows removed, the earliest of each key kept"
    resolve: Params = {"game_date": game_date, "processor": table.operation, "notes": notes}
    warehouse.dml(load_sql("repair/resolve_duplicate_audit"), resolve)
    log.info("duplicates_removed", table=table.name, game_date=game_date, rows=published.written_rows, replaced=published.replaced_rows)
    return published


def resolve_repaired(warehouse: Warehouse, table: Table, first: date, last: date) -> int:
    """Mark as resolved what was found on dates of the range that hold no duplicate key now; returns how many findings.

    A repair marks its own date. One that was killed right after its publish did not come to it, and the date is not repaired again.
    """
    text = render_sql("repair/resolve_repaired_dates", target=identifier(table.full_name), key=identifiers(table.key))
    notes = "no key stands more than once: repaired by a run that did not come to note it, or written anew"
    return warehouse.dml(text, {"first": first, "last": last, "processor": table.operation, "notes": notes})


def restore_date(warehouse: Warehouse, claim: Claim, table: Table, game_date: date, backup: str) -> Published:
    """Bring a date back as the backup holds it, duplicates included."""
    rows = render_sql("repair/rows_of_backup", columns=identifiers(table.columns), backup=identifier(f"{DATASET}.{backup}"))
    write = Write(table, game_date, rows, {"game_date": game_date}, max_shrink=1.0, allow_duplicates=True)
    published = write_date(warehouse, claim, write, lambda staging: None)
    log.info("date_restored", table=table.name, game_date=game_date, backup=backup, rows=published.written_rows)
    return published


def write_without_duplicates(warehouse: Warehouse, claim: Claim, game_date: date, *, table: str, **_run: Any) -> dict[str, Any]:
    """remove_duplicates as a guarded run calls it; its figures."""
    return _figures(remove_duplicates(warehouse, claim, REPAIRABLE[table], game_date), table)


def write_as_backed_up(warehouse: Warehouse, claim: Claim, game_date: date, *, table: str, backup: str, **_run: Any) -> dict[str, Any]:
    """restore_date as a guarded run calls it; its figures."""
    return _figures(restore_date(warehouse, claim, REPAIRABLE[table], game_date, backup), table)


def _figures(published: Published, table: str) -> dict[str, Any]:
    return {
        "fencing_token": published.fencing_token,
        "written": published.written_rows,
        "replaced": published.replaced_rows,
        "duration_ms": published.duration_ms,
        "detail": table,
    }


def check_backup(warehouse: Warehouse, table: Table, backup: str) -> None:
    """Raise NoSuchBackup unless the name is that of a backup of this table which is there."""
    there = _backups(warehouse, table)
    if backup not in there:
        known = ", ".join(sorted(there, reverse=True)[:10]) or "none"
        raise NoSuchBackup(f"{backup!r} is no backup of {table.name}. Its backups, newest first: {known}")


def rows_by_date(warehouse: Warehouse, table: str, first: date, last: date) -> dict[date, int]:
    """Rows of each date of the range that a table of the dataset has rows of."""
    text = render_sql("repair/count_rows_of_dates", target=identifier(f"{DATASET}.{table}"))
    return {row["game_date"]: int(row["stored_rows"]) for row in warehouse.query(text, {"first": first, "last": last})}


def told(plan: Sequence[DatePlan]) -> list[dict[str, Any]]:
    """The plan as XCom and people read it."""
    return [{"game_date": str(each.game_date), "rows": each.stored_rows, "keys": each.stored_keys, "duplicates": each.surplus_rows} for each in plan]


def _backups(warehouse: Warehouse, table: Table) -> list[str]:
    return [each.table_id for each in warehouse.client.list_tables(DATASET) if _table_of(each.table_id) == table.name]


def _table_of(name: str) -> str | None:
    matched = _BACKUP.fullmatch(name)
    return matched["table"] if matched else None
