"""Write, audit, publish: how one game_date of a guarded table is replaced, atomically and fenced.

1. **write** the fresh rows to a staging table of this claim: the heavy part, in conflict with nobody;
2. **audit** the staging table: keys unique and not NULL, one date only, and not a suspicious loss of keys; then the caller's own audit;
3. **publish**: one transaction that first updates the date's fence row, refuses an older token, and replaces the date's rows;
4. drop the staging table. What a crash leaves is found by the staging cleanup.

Why the fence: BigQuery lets two writers of an empty date append side by side, in a MERGE or a transaction too. See docs/decisions.md.
The claim is checked before every statement, so a writer that lost its lease stops; one that cannot know it is refused by the fence.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import Claim
from nba_grading.warehouse.client import AssertionRefused, Params, Warehouse
from nba_grading.warehouse.sql import identifier, identifiers, literal, render_sql, tables_read
from nba_grading.warehouse.tables import DATASETS, Table

log = get_logger(__name__)

UNLEASED_TOKEN = 0

ANY_TOKEN = -1


class AuditFailed(RuntimeError):
    """The staged rows were stopped before publishing; the date is as it was. ``permanent`` means that trying again finds the same."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class FencedOut(RuntimeError):
    """A newer claim has published this date, or anybody has since this write read it; the date is as that one left it."""


@dataclass(frozen=True)
class Write:
    """One date to replace: ``rows`` is the text of a SELECT of the table's columns, with its parameters.

    ``reads_target``: the rows are made of those that the date holds, as in a merge or a repair. A token orders writers, not what they
    have read, so such a write is refused as well when anybody published the date since. ``allow_duplicates`` is for bringing a date
    back as it was.
    """

    table: Table
    game_date: date
    rows: str
    params: Params
    max_shrink: float
    allow_shrink: bool = False
    reads_target: bool = False
    allow_duplicates: bool = False


@dataclass(frozen=True)
class Published:
    """What a write left: its token, the rows it wrote and replaced, and how long it took in milliseconds."""

    fencing_token: int
    written_rows: int
    replaced_rows: int
    duration_ms: int


def write_date(warehouse: Warehouse, claim: Claim, write: Write, audit: Callable[[str], None]) -> Published:
    """Replace one date of a guarded table. ``audit`` gets the staging table's name and raises AuditFailed to stop the write.

    Raises LeaseLost, AuditFailed, FencedOut, or the warehouse's errors; in each case the date is as it was. Idempotent.
    """
    started = time.monotonic()
    staging = write.table.staging_name(write.game_date, claim.holder_id)
    warehouse.before_attempt = claim.check
    try:
        _seed_fence(warehouse, write)
        seen_token = _read_fence(warehouse, write) if write.reads_target else ANY_TOKEN
        _stage(warehouse, claim, write, staging)
        rows, keys = _audit(warehouse, write, staging)
        audit(staging)
        published = _publish(warehouse, claim, write, staging, rows, keys, seen_token)
    finally:
        warehouse.before_attempt = lambda: None
        _drop(warehouse, staging)
    duration_ms = round((time.monotonic() - started) * 1000)
    log.info(
        "date_published",
        operation=claim.key.operation,
        table=write.table.name,
        game_date=write.game_date,
        holder=claim.holder_id,
        token=published["fencing_token"],
        rows=rows,
        replaced=published["replaced_rows"],
        ms=duration_ms,
    )
    log.debug(
        "date_traced",
        table=write.table.full_name,
        date_column=write.table.date_column,
        game_date=write.game_date,
        holder=claim.holder_id,
        token=published["fencing_token"],
        rows=rows,
        replaced=published["replaced_rows"],
        read=tables_read(write.rows, DATASETS),
    )
    return Published(published["fencing_token"], rows, published["replaced_rows"], duration_ms)


def _seed_fence(warehouse: Warehouse, write: Write) -> None:
    text = render_sql(
        "guarded_write/seed_fence",
        target=identifier(write.table.full_name),
        date_column=identifier(write.table.date_column),
        stored_token="MAX(fencing_token)" if write.table.has_token else "MAX(0)",
    )
    warehouse.dml(text, {"table_name": write.table.name, "game_date": write.game_date})


def _stage(warehouse: Warehouse, claim: Claim, write: Write, staging: str) -> None:
    parts = {"staging": identifier(staging), "target": identifier(write.table.full_name), "date_column": identifier(write.table.date_column)}
    warehouse.query(render_sql("guarded_write/create_staging", **parts))
    text = render_sql(
        "guarded_write/insert_staging", staging=identifier(staging), columns=identifiers(write.table.columns), rows=write.rows.rstrip().rstrip(";")
    )
    warehouse.dml(text, write.params, job_name=_job_name("stage", claim, write), before_submit=claim.note_job)
    log.info("date_staged", table=write.table.name, game_date=write.game_date, staging=staging)


def _audit(warehouse: Warehouse, write: Write, staging: str) -> tuple[int, int]:
    """Rows and keys staged, once nothing is wrong with them."""
    text = render_sql(
        "guarded_write/audit_staging",
        staging=identifier(staging),
        target=identifier(write.table.full_name),
        date_column=identifier(write.table.date_column),
        key=identifiers(write.table.key),
        null_key=" OR ".join(f"{identifier(name)} IS NULL" for name in write.table.required_key),
    )
    [found] = warehouse.query(text, {"game_date": write.game_date})
    where = f"{write.table.name} {write.game_date}"
    if found["null_keys"]:
        raise AuditFailed(
            f"{where}: {found['null_keys']} staged rows lack a part of their key {write.table.required_key}; nothing was published", permanent=True
        )
    if found["foreign_rows"]:
        raise AuditFailed(f"{where}: {found['foreign_rows']} staged rows are of another date; nothing was published", permanent=True)
    if found["staged_rows"] != found["staged_keys"] and not write.allow_duplicates:
        raise AuditFailed(
            f"{where}: {found['staged_rows']} staged rows share {found['staged_keys']} keys; nothing was published. "
            "The usual cause is an input row that stands twice: look for it in the box scores of that date",
            permanent=True,
        )
    allowed = found["stored_keys"] * (1 - write.max_shrink)
    if found["staged_keys"] < allowed and not write.allow_shrink:
        raise AuditFailed(
            f"{where} would shrink from {found['stored_keys']} keys to {found['staged_keys']}, more than the {write.max_shrink:.0%} allowed; "
            "nothing was published. If that is right, run it again with allow_shrink",
            permanent=True,
        )
    return int(found["staged_rows"]), int(found["staged_keys"])


def _read_fence(warehouse: Warehouse, write: Write) -> int:
    [row] = warehouse.query_file("guarded_write/read_fence", {"table_name": write.table.name, "game_date": write.game_date})
    return int(row["fencing_token"])


def _publish(warehouse: Warehouse, claim: Claim, write: Write, staging: str, rows: int, keys: int, seen_token: int) -> dict[str, Any]:
    parts = {
        "target": identifier(write.table.full_name),
        "date_column": identifier(write.table.date_column),
        "columns": identifiers(write.table.columns),
        "token_column": ", fencing_token" if write.table.has_token else "",
        "token_value": ", v_token" if write.table.has_token else "",
    }
    text = render_sql(
        "guarded_write/publish_staging",
        game_date=literal(write.game_date),
        token=literal(UNLEASED_TOKEN if claim.token is None else claim.token),
        seen_token=literal(seen_token),
        audited_rows=literal(rows),
        audited_keys=literal(keys),
        table_name=literal(write.table.name),
        holder_id=literal(claim.holder_id),
        staging=identifier(staging),
        key=identifiers(write.table.key),
        **parts,
    )
    try:
        [published] = warehouse.query(text, job_name=_job_name("publish", claim, write), before_submit=claim.note_job)
    except AssertionRefused as error:
        if error.assertion != "fenced_out":
            raise AuditFailed(f"{error}; nothing was published") from error
        log.error("fenced_out", operation=claim.key.operation, game_date=write.game_date, holder=claim.holder_id, token=claim.token, told=error)
        raise FencedOut(f"{error}; nothing was published") from error
    return published


def _drop(warehouse: Warehouse, staging: str) -> None:
    try:
        warehouse.query(render_sql("guarded_write/drop_staging", staging=identifier(staging)))
    except Exception as error:
        log.warning("staging_not_dropped", staging=staging, error=error)


def _job_name(step: str, claim: Claim, write: Write) -> str:
    token = "unleased" if claim.token is None else str(claim.token)
    return f"nba_grading_{step}_{write.table.name}_{write.game_date:%Y%m%d}_{token}_{claim.holder_id[:8]}"
