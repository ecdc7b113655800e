"""The checks after a write. Each is a SELECT of the offending rows; those rows are the finding."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from nba_grading.events import get_logger
from nba_grading.warehouse.client import Row, TypedParam, Warehouse
from nba_grading.warehouse.sql import identifier, render_sql
from nba_grading.warehouse.tables import PREDICTION_ACCURACY, Table

log = get_logger(__name__)

SHOWN_KEYS = 20


@dataclass(frozen=True)
class Finding:
    """A problem that a check found: the check, its severity (warn or fail), a sentence with the numbers, and up to 20 rows."""

    check: str
    severity: str
    sentence: str
    rows: list[Row] = field(default_factory=list)
    surplus_rows: int = 0


def validate_date(warehouse: Warehouse, game_date: date, reported: Mapping[str, Any]) -> list[Finding]:
    """The findings of a date that was just written; none is a pass. A check that cannot run raises: an error is not 0 duplicates.

    ``reported`` is what ``grading.grade_date`` returned.
    """
    findings = [
        *find_duplicates(warehouse, PREDICTION_ACCURACY, game_date),
        *_null_keys(warehouse.query_file("validation/find_null_keys", {"game_date": game_date})),
        *_balance(
            warehouse.query_file(
                "validation/find_unbalanced_date",
                {"game_date": game_date, **{name: int(reported[name]) for name in ("fencing_token", "graded", "voided")}},
            )
        ),
    ]
    if reported.get("invalid_confidence"):
        count = reported["invalid_confidence"]
        findings.append(Finding("invalid_confidence", "warn", f"{count} predictions have a confidence outside 0-100; they were graded without one"))
    log_findings(findings, game_date)
    if not findings:
        log.info("date_validated", game_date=game_date, rows=int(reported["graded"]) + int(reported["voided"]), duplicates=0)
    return findings


def log_findings(findings: Sequence[Finding], game_date: date) -> None:
    """Log an event for each finding."""
    for finding in findings:
        log.error("finding", game_date=game_date, check=finding.check, severity=finding.severity, detail=finding.sentence)


def find_duplicates(warehouse: Warehouse, table: Table, game_date: date) -> list[Finding]:
    """The finding of duplicate keys on a date of a table, or an empty list."""
    text = render_sql(
        "validation/find_duplicate_keys",
        target=identifier(table.full_name),
        line_column=identifier(table.line_column),
        time_column=identifier(table.time_column),
    )
    findings = _duplicates(warehouse.query(text, {"game_date": game_date}))
    # Zero is logged too: the metric then shows that the check ran.
    surplus = sum(finding.surplus_rows for finding in findings)
    level = logging.ERROR if surplus else logging.INFO
    log.log(level, "duplicates_counted", operation=table.operation, table=table.name, game_date=game_date, rows=surplus)
    return findings


def record_duplicates(warehouse: Warehouse, table: Table, game_date: date, processor: str, investigation_url: str | None) -> int:
    """Write the first 20 duplicate keys of a date to grading_duplicate_audit; returns the number of rows written."""
    return warehouse.dml(
        render_sql("validation/insert_duplicate_audit", target=identifier(table.full_name), line_column=identifier(table.line_column)),
        {
            "game_date": game_date,
            "processor": processor,
            "investigation_url": TypedParam("STRING", investigation_url),
        },
    )


def _duplicates(rows: list[Row]) -> list[Finding]:
    if not rows:
        return []
    surplus = int(rows[0]["surplus_rows"])
    sentence = f"{rows[0]['duplicate_keys']} keys are stored more than once, {surplus} surplus rows"
    return [Finding("duplicate_keys", "fail", sentence, rows[:SHOWN_KEYS], surplus)]


def _null_keys(rows: list[Row]) -> list[Finding]:
    return [Finding("null_keys", "fail", f"{row['null_key_rows']} rows have a NULL in their key", [row]) for row in rows]


def _balance(rows: list[Row]) -> list[Finding]:
    return [
        Finding(
            "unbalanced_date",
            "fail",
            f"the newest write of the date stored {row['stored_graded']} graded and {row['stored_voided']} voided keys, but reported "
            f"{row['reported_graded']} and {row['reported_voided']}; {row['foreign_keys']} keys are from another write",
            [row],
        )
        for row in rows
    ]
