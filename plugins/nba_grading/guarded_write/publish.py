"""Write, audit, publish: how some dates of a guarded table are replaced, each of them atomically and fenced.

1. **write** the fresh rows of all dates to one staging table: the expensive part, which conflicts with no other writer;
2. **audit** the staging table, date by date: keys unique and not NULL, no suspicious loss of keys, and what the work itself checks;
3. **publish**: one transaction that first updates the fence rows of the dates, leaves out those that a newer claim has published, and
   replaces the rows of the others;
4. drop the staging table. The staging cleanup finds what a crash leaves.

A date that the audit stops, or that is fenced out, keeps its rows and is reported; the others are published. A writer that is killed leaves
each date old or new. One date is the same write as many.

Why the fence: BigQuery lets two writers append to an empty date side by side, even in a MERGE or a transaction. See docs/decisions.md.
The claims are checked before every statement, so a writer that lost a lease stops; the fence refuses one that cannot know it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

from nba_grading.events import get_logger
from nba_grading.guarded_write.audit import Audited, audit_staging
from nba_grading.guarded_write.claim import ClaimedDates, UnleasedClaim, writing_under
from nba_grading.guarded_write.fences import read_fences, seed_fences
from nba_grading.guarded_write.write import AuditFailed, FencedOut, Published, Refusal, Write, Written
from nba_grading.leases.store import LeaseKey
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import identifier, identifiers, literal, render_sql
from nba_grading.warehouse.tables import Table, source_tables

log = get_logger(__name__)

# BigQuery's limits are 100 tables and 100,000 changed partitions a transaction; a claim is a lease that is renewed.
MOST_DATES = 32
UNLEASED_TOKEN = 0
ANY_TOKEN = -1


def write_dates(warehouse: Warehouse, claimed: ClaimedDates, write: Write) -> Written:
    """Replace the claimed dates of a guarded table, each whole or not at all. Idempotent.

    Raises LeaseLost, ValueError, or the warehouse's errors; every date is then unchanged, unless the answer to the publish was lost, when
    each is as before or as staged.
    """
    table = write.table
    if claimed.operation != table.operation:
        raise ValueError(f"a claim of {claimed.operation} cannot write {table.name}, which is guarded by leases of {table.operation}")
    if len(claimed.claims) > MOST_DATES:
        raise ValueError(f"{len(claimed.claims)} dates in one write: at most {MOST_DATES}")
    started, write_id = time.monotonic(), secrets.token_hex(16)
    staging = table.staging_name(claimed.dates[0], write_id)
    refused: dict[date, Refusal] = {}
    try:
        with writing_under(warehouse, claimed):
            seen_tokens = read_fences(warehouse, table, claimed.dates) if write.reads_target else {}
            _stage(warehouse, claimed, write, staging)
            audited = audit_staging(warehouse, claimed, write, staging, refused, _job_name("audit", claimed, staging))
            unfenced = [day for day, each in audited.items() if not each.is_fenced]
            if unfenced:
                seed_fences(warehouse, table, unfenced)
            tokens = _publish(warehouse, claimed, write, staging, audited, seen_tokens, write_id, refused)
    finally:
        _drop(warehouse, staging)
    read, duration_ms = source_tables(write.rows), round((time.monotonic() - started) * 1000)
    published = tuple(
        Published(table, each, tokens[each], found.rows, found.stored_rows, found.counts, read) for each, found in audited.items() if each in tokens
    )
    for one in published:
        facts = {"operation": table.operation, "table": table.name, "game_date": one.game_date, "holder": audited[one.game_date].claim.holder_id}
        log.info("date_published", **facts, fencing_token=one.fencing_token, rows=one.written, replaced=one.replaced, ms=duration_ms)
    return Written(published, refused, duration_ms)


@contextmanager
def staged_dates(warehouse: Warehouse, dates: Sequence[date], write: Write) -> Iterator[tuple[str, Mapping[date, Refusal]]]:
    """Stage and audit what a write would publish, without a lease, and publish nothing.

    Yields ``dataset.table`` of the staging table, which is dropped afterwards, and why the audit would refuse a date.
    """
    claimed = ClaimedDates(tuple(UnleasedClaim(LeaseKey(write.table.operation, day), "nothing is published") for day in dates))
    staging = write.table.staging_name(claimed.dates[0], secrets.token_hex(16))
    refused: dict[date, Refusal] = {}
    try:
        _stage(warehouse, claimed, write, staging)
        audit_staging(warehouse, claimed, write, staging, refused, _job_name("audit", claimed, staging))
        yield staging, refused
    finally:
        _drop(warehouse, staging)


def _stage(warehouse: Warehouse, claimed: ClaimedDates, write: Write, staging: str) -> None:
    text = render_sql("guarded_write/stage_rows", staging=identifier(staging), rows=write.rows.rstrip().rstrip(";"))
    params: Params = {**write.params, "game_dates": claimed.dates}
    warehouse.query(text, params, job_name=_job_name("stage", claimed, staging), before_submit=claimed.note_job)
    log.info("dates_staged", table=write.table.name, dates=len(claimed.dates), game_date=claimed.dates[0], staging=staging)


def _publish(
    warehouse: Warehouse,
    claimed: ClaimedDates,
    write: Write,
    staging: str,
    audited: Mapping[date, Audited],
    seen_tokens: Mapping[date, int],
    write_id: str,
    refused: dict[date, Refusal],
) -> dict[date, int]:
    """The token of each published date; those that were left out go to ``refused``."""
    if not audited:
        return {}
    table = write.table
    text = render_sql(
        "guarded_write/publish_staging",
        claims="\nUNION ALL\n".join(_claim_row(day, each, write, seen_tokens.get(day, ANY_TOKEN)) for day, each in audited.items()),
        game_dates=", ".join(literal(day) for day in audited),
        write_id=literal(write_id),
        grading_run_id=literal(write.grading_run_id),
        fences=identifier(table.fences),
        staging=identifier(staging),
        target=identifier(table.full_name),
        date_column=identifier(table.date_column),
        columns=identifiers(table.columns),
        token_column=", fencing_token" if table.has_token else "",
    )
    with claimed.turn_to_publish():
        rows = warehouse.query(text, job_name=_job_name("publish", claimed, staging), before_submit=claimed.note_job)
    fences = {row["game_date"]: row for row in rows}
    tokens = {}
    for day, each in audited.items():
        fence = fences.get(day)
        if fence and fence["is_published"]:
            tokens[day] = int(fence["fencing_token"])
        else:
            refused[day] = _left_out(day, each, table, fence, seen_tokens.get(day, ANY_TOKEN))
    return tokens


def _claim_row(day: date, audited: Audited, write: Write, seen_token: int) -> str:
    token = audited.claim.fencing_token
    return render_sql(
        "guarded_write/claim_fragment",
        game_date=literal(day),
        fencing_token=literal(UNLEASED_TOKEN if token is None else token),
        seen_token=literal(seen_token),
        published_rows=literal(audited.rows),
        published_keys=literal(audited.keys),
        source_version=literal(write.source_versions[day]) if day in write.source_versions else "CAST(NULL AS INT64)",
        holder_id=literal(audited.claim.holder_id),
    ).strip()


def _left_out(day: date, audited: Audited, table: Table, fence: Row | None, seen_token: int) -> Refusal:
    """Why the transaction left a date out."""
    own, stored = audited.claim.fencing_token, int(fence["fencing_token"]) if fence else None
    where, facts = f"{table.name} {day}", {"operation": table.operation, "game_date": day, "holder": audited.claim.holder_id}
    if stored is not None and (own is None or stored <= own) and seen_token in (ANY_TOKEN, stored):
        message = f"{where}: the staged rows are not the {audited.rows} that were audited; nothing was published"
        log.error("audit_failed", **facts, reason=message)
        return AuditFailed(message)
    message = f"{where} holds token {stored}, this writer has {own}; nothing was published"
    log.error("fenced_out", **facts, fencing_token=own, reason=message)
    return FencedOut(message)


def _drop(warehouse: Warehouse, staging: str) -> None:
    try:
        warehouse.drop_table(staging)
    except Exception as error:
        log.warning("staging_not_dropped", staging=staging, error=str(error))


def _job_name(step: str, claimed: ClaimedDates, staging: str) -> str:
    token = claimed.claims[0].fencing_token
    return f"nba_grading_{step}_{staging.partition('_staging_')[2]}_{len(claimed.claims)}_{'unleased' if token is None else token}"
