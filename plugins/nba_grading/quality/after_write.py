"""The checks after a write. Each is a SELECT of the offending rows; those rows are the finding."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from nba_grading.events import get_logger
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.params import TypedParam
from nba_grading.warehouse.sql import identifier, render_sql
from nba_grading.warehouse.tables import PREDICTION_ACCURACY, Table

log = get_logger(__name__)


@dataclass(frozen=True)
class Finding:
    """A problem that a check found: the check, its severity (warn or fail), a sentence with the numbers, and up to 20 rows."""

    check: str
    severity: str
    sentence: str
    rows: list[Row] = field(default_factory=list)
    surplus_rows: int = 0


def validate_dates(warehouse: Warehouse, reported: Mapping[date, Mapping[str, Any]]) -> dict[date, list[Finding]]:
    """The findings of each date of prediction_accuracy that was just written; none is a pass. One query, and one more for duplicates.

    ``reported`` is what the write reported of each date. A check that cannot run raises: an error is not 0 duplicates.
    """
    findings: dict[date, list[Finding]] = {}
    rows = {row["checked_date"]: row for row in warehouse.query_file("validation/check_dates", {"game_dates": list(reported)})}
    duplicates = _find_duplicates(warehouse, PREDICTION_ACCURACY, [day for day, row in rows.items() if row["surplus_rows"]])
    for day, facts in reported.items():
        row = rows[day]
        findings[day] = [*duplicates.get(day, []), *_null_keys(row), *_balance(row, facts)]
        if facts.get("invalid_confidence"):
            count = facts["invalid_confidence"]
            sentence = f"{count} predictions have a confidence outside 0-100; they were graded without one"
            findings[day].append(Finding("invalid_confidence", "warn", sentence))
        if facts.get("unknown_games"):
            sentence = f"no row of {facts['unknown_games']} games has minutes, so whether their box scores are complete is unknown; they were graded"
            findings[day].append(Finding("completeness_unknown", "warn", sentence))
        _log_count(PREDICTION_ACCURACY, day, int(row["surplus_rows"]))
        log_findings(findings[day], day)
        if not findings[day]:
            log.info("date_validated", game_date=day, rows=int(facts["graded"]) + int(facts["voided"]), duplicates=0)
    return findings


def log_findings(findings: Sequence[Finding], game_date: date) -> None:
    """Log an event for each finding."""
    for finding in findings:
        log.error("finding", game_date=game_date, check=finding.check, severity=finding.severity, detail=finding.sentence)


def find_duplicates(warehouse: Warehouse, table: Table, dates: Sequence[date]) -> dict[date, list[Finding]]:
    """The finding of duplicate keys, or an empty list, for each date of a table."""
    found = _find_duplicates(warehouse, table, dates)
    for day in dates:
        _log_count(table, day, sum(finding.surplus_rows for finding in found[day]))
    return found


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


def _find_duplicates(warehouse: Warehouse, table: Table, dates: Sequence[date]) -> dict[date, list[Finding]]:
    if not dates:
        return {}
    text = render_sql(
        "validation/find_duplicate_keys",
        target=identifier(table.full_name),
        line_column=identifier(table.line_column),
        time_column=identifier(table.time_column),
    )
    by_date: dict[date, list[Row]] = {day: [] for day in dates}
    for row in warehouse.query(text, {"game_dates": list(dates)}):
        by_date[row.pop("game_date")].append(row)
    return {day: _duplicates(rows) for day, rows in by_date.items()}


def _log_count(table: Table, game_date: date, surplus: int) -> None:
    # Zero is logged too: the metric then shows that the check ran.
    level = logging.ERROR if surplus else logging.INFO
    log.log(level, "duplicates_counted", operation=table.operation, table=table.name, game_date=game_date, rows=surplus)


def _duplicates(rows: list[Row]) -> list[Finding]:
    if not rows:
        return []
    surplus = int(rows[0]["surplus_rows"])
    sentence = f"{rows[0]['duplicate_keys']} keys are stored more than once, {surplus} surplus rows"
    return [Finding("duplicate_keys", "fail", sentence, rows, surplus)]


def _null_keys(row: Row) -> list[Finding]:
    count = row["null_key_rows"]
    return [Finding("null_keys", "fail", f"{count} rows have a NULL in their key", [row])] if count else []


def _balance(row: Row, reported: Mapping[str, Any]) -> list[Finding]:
    counts = (int(reported["graded"]), int(reported["voided"]))
    is_newest = row["published_token"] == int(reported["fencing_token"])
    if not row["foreign_keys"] and (not is_newest or counts == (row["stored_graded"], row["stored_voided"])):
        return []
    sentence = (
        f"the newest write of the date stored {row['stored_graded']} graded and {row['stored_voided']} voided keys, but reported "
        f"{counts[0]} and {counts[1]}; {row['foreign_keys']} keys are from another write"
    )
    return [Finding("unbalanced_date", "fail", sentence, [row])]
