"""Repairs: dates with duplicate keys, and dates to be restored from a backup.

A repair is a guarded write like any other: under the lease of the table's own operation, staged, audited, published by one fenced
transaction. Its rows come from the date itself, so it is refused when anybody published the date since it was read. Nothing is
repaired without a backup; a date without duplicates is left alone, so a repair that was killed can be run again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.publish import write_dates
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import AuditFailed, Write
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.errors import StatementFailed
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import identifier, identifiers, load_sql, render_sql
from nba_grading.warehouse.tables import DATASET, TABLES, Table

log = get_logger(__name__)

_BACKUP = re.compile(r"_backup_(?P<table>[a-z_]+)_\d{14}")


class NoSuchBackup(ValueError):
    """The backup cannot be used; the message says why, and lists those that can."""


@dataclass(frozen=True)
class DatePlan:
    """What a date holds before its repair: rows, keys, and the rows to be removed."""

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
    """The name of the snapshot of a run that began at this moment: the same for each of its attempts."""
    return f"_backup_{table.name}_{moment:%Y%m%d%H%M%S}"


def create_backup(warehouse: Warehouse, table: Table, name: str, keep_days: int) -> int:
    """Take a snapshot of the whole table, unless it exists, that expires after ``keep_days``; returns its rows."""
    target, backup = identifier(table.full_name), identifier(f"{DATASET}.{name}")
    if name not in _backups(warehouse, table):  # looked up, as the emulator has no IF NOT EXISTS for snapshots
        try:
            warehouse.query(render_sql("repair/create_backup", backup=backup, target=target))
        except StatementFailed:
            # An earlier attempt that was killed had submitted it, and BigQuery has finished it since.
            if name not in _backups(warehouse, table):
                raise
    _expire(warehouse, backup, keep_days)
    [row] = warehouse.query(render_sql("repair/count_rows", target=backup))
    log.info("backup_taken", table=table.name, backup=name, rows=row["stored_rows"])
    return int(row["stored_rows"])


def remove_duplicates(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Leave one row per key on each claimed date: the one written first.

    Raises what ``write_dates`` raises. A date that would lose a key is refused.
    """
    table = TABLES[claimed.operation]
    parts = {"target": identifier(table.full_name), "key": identifiers(table.key)}
    write = Write(
        table,
        render_sql(
            "repair/keep_earliest_rows",
            columns=identifiers(table.columns),
            time_column=identifier(table.time_column),
            tie_column=identifier(table.tie_column),
            **parts,
        ),
        {},
        grading_run_id=request.grading_run_id,
        max_shrink=0.0,
        reads_target=True,
        counts=render_sql("repair/count_lost_keys", staging="{staging}", **parts),
        check=partial(_check_no_key_is_lost, table),
    )
    written = write_dates(warehouse, claimed, write)
    for each in written.published:
        log.info("duplicates_removed", table=table.name, game_date=each.game_date, rows=each.written, replaced=each.replaced)
    if written.published:
        dates = [each.game_date for each in written.published]
        notes = "surplus rows removed, the earliest of each key kept"
        params: Params = {"game_dates": dates, "first": dates[0], "processor": table.operation, "notes": notes}
        warehouse.dml(load_sql("repair/resolve_duplicate_audit"), params)
    return WriteReport(written, {each.game_date: {"detail": table.name} for each in written.published})


def _check_no_key_is_lost(table: Table, game_date: date, counts: Row) -> None:
    if counts["lost_keys"]:
        raise AuditFailed(f"{table.name} {game_date}: {counts['lost_keys']} keys would be lost; nothing was changed", permanent=True)


def resolve_repaired(warehouse: Warehouse, table: Table, first: date, last: date) -> int:
    """Mark as resolved what was found on dates of the range that hold no duplicate key now; returns how many findings.

    A repair marks its own date, but one that was killed right after its publish does not, and the date is not repaired again.
    """
    text = render_sql("repair/resolve_repaired_dates", target=identifier(table.full_name), key=identifiers(table.key))
    notes = "the date holds no duplicate key: an interrupted repair removed them, or the date was written again"
    return warehouse.dml(text, {"first": first, "last": last, "processor": table.operation, "notes": notes})


def restore_dates(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Restore the claimed dates from the table named by the parameter ``backup``, duplicates included. Raises what ``write_dates`` raises."""
    table, backup = TABLES[claimed.operation], str(request.params["backup"])
    rows = render_sql("repair/rows_of_backup", columns=identifiers(table.columns), backup=identifier(f"{DATASET}.{backup}"))
    written = write_dates(warehouse, claimed, Write(table, rows, {}, request.grading_run_id, max_shrink=1.0, allow_duplicates=True))
    for each in written.published:
        log.info("date_restored", table=table.name, game_date=each.game_date, backup=backup, rows=each.written)
    return WriteReport(written, {each.game_date: {"detail": table.name} for each in written.published})


def check_backup(warehouse: Warehouse, table: Table, backup: str) -> None:
    """Raise NoSuchBackup unless the name is that of a backup of this table which is there and has not expired."""
    now, there = datetime.now(tz=UTC), _backups(warehouse, table)
    lasting = [name for name, expires in there.items() if expires is None or expires > now]
    if backup in lasting:
        return
    known = ", ".join(sorted(lasting, reverse=True)[:10]) or "none"
    why = f"expired at {there[backup]:%Y-%m-%d %H:%M} UTC" if backup in there else f"is no backup of {table.name}"
    raise NoSuchBackup(f"{backup!r} {why}. Backups of {table.name}, newest first: {known}")


def rows_by_date(warehouse: Warehouse, table: str, first: date, last: date) -> dict[date, int]:
    """Rows of each date of the range that a table of the dataset has rows of."""
    text = render_sql("repair/count_rows_of_dates", target=identifier(f"{DATASET}.{table}"))
    return {row["game_date"]: int(row["stored_rows"]) for row in warehouse.query(text, {"first": first, "last": last})}


def as_rows(plan: Sequence[DatePlan]) -> list[dict[str, Any]]:
    """The plan as XCom and people read it."""
    return [{"game_date": str(each.game_date), "rows": each.stored_rows, "keys": each.stored_keys, "duplicates": each.surplus_rows} for each in plan]


def _expire(warehouse: Warehouse, backup: str, keep_days: int) -> None:
    # By a call: the emulator knows no OPTIONS of a snapshot. An attempt that was killed before it is followed by one that does it.
    snapshot = warehouse.client.get_table(backup)
    snapshot.expires = datetime.now(tz=UTC) + timedelta(days=keep_days)
    warehouse.client.update_table(snapshot, ["expires"])


def _backups(warehouse: Warehouse, table: Table) -> dict[str, datetime | None]:
    # Names, with when each expires. Only snapshots: whoever may create tables could otherwise make one that looks like a backup.
    found = warehouse.client.list_tables(DATASET)
    return {each.table_id: each.expires for each in found if each.table_type == "SNAPSHOT" and _table_of(each.table_id) == table.name}


def _table_of(name: str) -> str | None:
    matched = _BACKUP.fullmatch(name)
    return matched["table"] if matched else None
