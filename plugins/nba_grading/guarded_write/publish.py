"""Write, audit, publish: how one game_date of a guarded table is replaced, atomically and fenced.

1. **write** the fresh rows to a staging table of this claim: the expensive part, which conflicts with no other writer;
2. **audit** the staging table: keys unique and not NULL, one date only, no suspicious loss of keys; then the caller's own audit;
3. **publish**: one transaction that first updates the date's fence row, refuses an older token, and replaces the date's rows;
4. drop the staging table. The staging cleanup finds what a crash leaves.

Why the fence: BigQuery lets two writers append to an empty date side by side, even in a MERGE or a transaction. See docs/decisions.md.
The claim is checked before every statement, so a writer that lost its lease stops; the fence refuses one that cannot know it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import Claim, writing_under
from nba_grading.warehouse.client import AssertionRefused, Params, Warehouse
from nba_grading.warehouse.sql import identifier, identifiers, literal, render_sql
from nba_grading.warehouse.tables import Table, source_tables

log = get_logger(__name__)

UNLEASED_TOKEN = 0
ANY_TOKEN = -1


class AuditFailed(RuntimeError):
    """The audit stopped the staged rows; the date is unchanged. ``permanent`` means that a retry would find the same."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class FencedOut(RuntimeError):
    """A newer claim has published this date, or anybody has since this write read it; the date keeps the newer rows."""


@dataclass(frozen=True)
class Write:
    """The rows that replace a date of a table: ``rows`` is the text of a SELECT of the table's columns, with its parameters.

    ``max_shrink`` is the share of its keys that the date may lose, unless ``allow_shrink``. ``reads_target``: the rows are made from
    those that the date holds, as in a merge or a repair. A token orders writers, not what they have read, so such a write is also
    refused when anybody has published the date since. ``allow_duplicates`` is for restoring a date exactly as it was.
    """

    table: Table
    rows: str
    params: Params
    max_shrink: float
    allow_shrink: bool = False
    reads_target: bool = False
    allow_duplicates: bool = False


@dataclass(frozen=True)
class Published:
    """A published date: its token, the rows written and replaced, the milliseconds it took, and the tables that were read."""

    table: Table
    game_date: date
    fencing_token: int
    written: int
    replaced: int
    duration_ms: int
    read: tuple[str, ...]


def write_date(warehouse: Warehouse, claim: Claim, write: Write, audit: Callable[[str], None] = lambda staging: None) -> Published:
    """Replace the claim's date of a guarded table. ``audit`` gets the staging table's name and raises AuditFailed to stop the write.

    Raises LeaseLost, AuditFailed, FencedOut, or the warehouse's errors; in each case the date is unchanged. Idempotent.
    ValueError if the claim is not one on this table: another operation's lease does not guard it.
    """
    key, table = claim.key, write.table
    if key.operation != table.operation:
        raise ValueError(f"a claim of {key.operation} cannot write {table.name}, which is guarded by leases of {table.operation}")
    started = time.monotonic()
    staging = table.staging_name(key.game_date, claim.holder_id)
    try:
        with writing_under(warehouse, claim):
            _seed_fence(warehouse, table, key.game_date)
            seen_token = _read_fence(warehouse, table, key.game_date) if write.reads_target else ANY_TOKEN
            _stage(warehouse, claim, write, staging)
            rows, keys = _audit(warehouse, write, key.game_date, staging)
            audit(staging)
            found = _publish(warehouse, claim, table, staging, rows, keys, seen_token)
    finally:
        _drop(warehouse, staging)
    duration_ms = round((time.monotonic() - started) * 1000)
    published = Published(table, key.game_date, found["fencing_token"], rows, found["replaced_rows"], duration_ms, source_tables(write.rows))
    log.info(
        "date_published",
        operation=key.operation,
        table=table.name,
        game_date=key.game_date,
        holder=claim.holder_id,
        fencing_token=published.fencing_token,
        rows=rows,
        replaced=published.replaced,
        ms=duration_ms,
    )
    return published


def _seed_fence(warehouse: Warehouse, table: Table, game_date: date) -> None:
    text = render_sql(
        "guarded_write/seed_fence",
        target=identifier(table.full_name),
        date_column=identifier(table.date_column),
        stored_token="MAX(fencing_token)" if table.has_token else "MAX(0)",
    )
    warehouse.dml(text, {"table_name": table.name, "game_date": game_date})


def _read_fence(warehouse: Warehouse, table: Table, game_date: date) -> int:
    [row] = warehouse.query_file("guarded_write/read_fence", {"table_name": table.name, "game_date": game_date})
    return int(row["fencing_token"])


def _stage(warehouse: Warehouse, claim: Claim, write: Write, staging: str) -> None:
    table = write.table
    parts = {"staging": identifier(staging), "target": identifier(table.full_name), "date_column": identifier(table.date_column)}
    warehouse.query(render_sql("guarded_write/create_staging", **parts))
    text = render_sql(
        "guarded_write/insert_staging", staging=identifier(staging), columns=identifiers(table.columns), rows=write.rows.rstrip().rstrip(";")
    )
    warehouse.dml(text, write.params, job_name=_job_name("stage", claim, table), before_submit=claim.note_job)
    log.info("date_staged", table=table.name, game_date=claim.key.game_date, staging=staging)


def _audit(warehouse: Warehouse, write: Write, game_date: date, staging: str) -> tuple[int, int]:
    """Rows and keys staged, if nothing is wrong with them."""
    table = write.table
    text = render_sql(
        "guarded_write/audit_staging",
        staging=identifier(staging),
        target=identifier(table.full_name),
        date_column=identifier(table.date_column),
        key=identifiers(table.key),
        null_key=" OR ".join(f"{identifier(name)} IS NULL" for name in table.required_key),
    )
    [found] = warehouse.query(text, {"game_date": game_date})
    problem = _problem_of(found, write, f"{table.name} {game_date}")
    if problem:
        raise AuditFailed(problem, permanent=True)
    return int(found["staged_rows"]), int(found["staged_keys"])


def _problem_of(found: dict[str, Any], write: Write, where: str) -> str | None:
    rows, keys, stored_keys = found["staged_rows"], found["staged_keys"], found["stored_keys"]
    if found["null_keys"]:
        return f"{where}: {found['null_keys']} staged rows lack a part of their key ({', '.join(write.table.required_key)}); nothing was published"
    if found["foreign_rows"]:
        return f"{where}: {found['foreign_rows']} staged rows are of another date; nothing was published"
    if rows != keys and not write.allow_duplicates:
        return (
            f"{where}: {rows} staged rows have only {keys} keys; nothing was published. The usual cause is a duplicate input row: "
            "look for it in the box scores of that date"
        )
    if keys < stored_keys * (1 - write.max_shrink) and not write.allow_shrink:
        return (
            f"{where} would shrink from {stored_keys} keys to {keys}, more than the {write.max_shrink:.0%} allowed; nothing was published. "
            "If that is right, run it again with allow_shrink"
        )
    return None


def _publish(warehouse: Warehouse, claim: Claim, table: Table, staging: str, rows: int, keys: int, seen_token: int) -> dict[str, Any]:
    game_date = claim.key.game_date
    text = render_sql(
        "guarded_write/publish_staging",
        game_date=literal(game_date),
        fencing_token=literal(UNLEASED_TOKEN if claim.fencing_token is None else claim.fencing_token),
        seen_token=literal(seen_token),
        audited_rows=literal(rows),
        audited_keys=literal(keys),
        table_name=literal(table.name),
        holder_id=literal(claim.holder_id),
        staging=identifier(staging),
        key=identifiers(table.key),
        target=identifier(table.full_name),
        date_column=identifier(table.date_column),
        columns=identifiers(table.columns),
        token_column=", fencing_token" if table.has_token else "",
        token_value=", v_fencing_token" if table.has_token else "",
    )
    try:
        [published] = warehouse.query(text, job_name=_job_name("publish", claim, table), before_submit=claim.note_job)
    except AssertionRefused as error:
        if error.assertion != "fenced_out":
            raise AuditFailed(f"{error}; nothing was published") from error
        facts = {"operation": claim.key.operation, "game_date": game_date, "holder": claim.holder_id, "token": claim.fencing_token}
        log.error("fenced_out", **facts, reason=str(error))
        raise FencedOut(f"{error}; nothing was published") from error
    return published


def _drop(warehouse: Warehouse, staging: str) -> None:
    try:
        warehouse.drop_table(staging)
    except Exception as error:
        log.warning("staging_not_dropped", staging=staging, error=str(error))


def _job_name(step: str, claim: Claim, table: Table) -> str:
    fencing_token = "unleased" if claim.fencing_token is None else str(claim.fencing_token)
    return f"nba_grading_{step}_{table.name}_{claim.key.game_date:%Y%m%d}_{fencing_token}_{claim.holder_id[:8]}"
