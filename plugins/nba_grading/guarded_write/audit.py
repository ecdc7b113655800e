"""The audit of staged rows, date by date, in one query: the keys, the loss of keys, and what the work itself counts and checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import Claim, ClaimedDates
from nba_grading.guarded_write.write import AuditFailed, Refusal, Write
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.sql import identifier, identifiers, load_sql, render_sql

log = get_logger(__name__)

OWN_COLUMNS = {"fencing_token", "staged_rows", "staged_keys", "null_keys", "stored_rows", "stored_keys", "foreign_rows", "counted_date"}


@dataclass(frozen=True)
class Audited:
    """A date that passed the audit. ``is_fenced``: whether it has a fence."""

    claim: Claim
    rows: int
    keys: int
    stored_rows: int
    counts: Row
    is_fenced: bool


def audit_staging(
    warehouse: Warehouse, claimed: ClaimedDates, write: Write, staging: str, refused: dict[date, Refusal], job_name: str
) -> dict[date, Audited]:
    """The dates with nothing wrong; the others go to ``refused``. Changes nothing."""
    table = write.table
    counts = write.counts.replace("{staging}", identifier(staging)) if write.counts else load_sql("guarded_write/no_counts_fragment")
    text = render_sql(
        "guarded_write/audit_staging",
        staging=identifier(staging),
        target=identifier(table.full_name),
        fences=identifier(table.fences),
        date_column=identifier(table.date_column),
        key=identifiers(table.key),
        null_key=" OR ".join(f"{identifier(name)} IS NULL" for name in table.required_key),
        counts=counts.rstrip().rstrip(";"),
    )
    rows = warehouse.query(text, {**write.params, "game_dates": claimed.dates}, job_name=job_name)
    found = {row.pop("claimed_date"): row for row in rows}
    audited = {}
    for day, claim in claimed.by_date.items():
        row = found[day]
        counted = {name: value for name, value in row.items() if name not in OWN_COLUMNS}
        problem = _problem_of(row, write, f"{table.name} {day}")
        try:
            if problem:
                raise AuditFailed(problem, permanent=True)
            write.check(day, counted)
        except AuditFailed as error:
            log.error("audit_failed", operation=table.operation, game_date=day, holder=claim.holder_id, reason=str(error))
            refused[day] = error
        else:
            audited[day] = Audited(
                claim, int(row["staged_rows"]), int(row["staged_keys"]), int(row["stored_rows"]), counted, row["fencing_token"] is not None
            )
    return audited


def _problem_of(found: Row, write: Write, where: str) -> str | None:
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
