"""One fault of each kind on dates of their own, in March 2026, behind every guard's back; and their removal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from google.cloud import bigquery

from nba_grading.warehouse.client import Warehouse
from proofs.publishes import insert_synthetic_date
from proofs.writer import insert_unguarded

GRADED, DOUBLED, FAILED, UNGRADED, PENDING = (date(2026, 3, number) for number in range(2, 7))
PREDICTIONS = 120
SCRIPT = "<script>document.title='owned'</script>"
STAGING = "nba_predictions._staging_batch_pagetest_"
BACKUP = "_backup_prediction_accuracy_20260303064500"
OLDER_BACKUPS = [f"_backup_prediction_accuracy_2026022{day}000000" for day in range(2, 8)]
RUN = {"dag_id": "grade_predictions", "run_id": "scheduled__2026-03-05T11:00:00+00:00"}
FAILURE = "StatementFailed: BigQuery refused the statement: quota exceeded"
BROKEN = "StatementFailed: no such column <b>is_voided</b>"
MADE_UP = "page-test"


@contextmanager
def faults(warehouse: Warehouse) -> Iterator[None]:
    """Everything that can be wrong in BigQuery, for as long as the context lasts."""
    try:
        _dates(warehouse)
        _conditions(warehouse)
        _checks(warehouse)
        for worker in ("w01", "w02"):
            warehouse.query(f"CREATE TABLE {STAGING}{worker} AS SELECT * FROM nba_predictions.player_prop_predictions WHERE FALSE")
        for backup in (*OLDER_BACKUPS, BACKUP):
            warehouse.query(f"CREATE TABLE nba_predictions.{backup} AS SELECT * FROM nba_predictions.prediction_accuracy WHERE FALSE")
        yield
    finally:
        _remove(warehouse)


def _dates(warehouse: Warehouse) -> None:
    for day in (GRADED, DOUBLED, FAILED, UNGRADED, PENDING):
        insert_synthetic_date(warehouse, day, PREDICTIONS)
        if day is not UNGRADED:
            insert_unguarded(warehouse, day, MADE_UP)
    insert_unguarded(warehouse, DOUBLED, "the other writer")
    missing = "SELECT * REPLACE ('game2' AS game_id) FROM nba_predictions.player_prop_predictions WHERE game_date = @day AND system_id = 'system1'"
    warehouse.query(f"INSERT INTO nba_predictions.player_prop_predictions {missing}", {"day": PENDING})
    for number, (day, outcome, detail) in enumerate([(GRADED, "graded", None), (FAILED, "failed", FAILURE)]):
        run = {"grading_run_id": f"{MADE_UP}-{number}", "operation": "grading", "game_date": day, **RUN, "run_type": "scheduled", "leased": True}
        moment = datetime.now(tz=UTC)
        timing = {"lease_wait_ms": 0, "written": PREDICTIONS if outcome == "graded" else None, "duration_ms": 4200, "started_at": moment}
        _insert(warehouse, "grading_runs", {**run, **timing, "finished_at": moment, "outcome": outcome, "detail": detail})
    audit = {"detected_at": datetime.now(tz=UTC), "game_date": DOUBLED, "duplicate_count": PREDICTIONS, "processor": "grading"}
    _insert(warehouse, "grading_duplicate_audit", {**audit, "player_lookup": SCRIPT, "system_id": "system1", "duplicate_occurrence_count": 2})


def _conditions(warehouse: Warehouse) -> None:
    now = datetime.now(tz=UTC)
    delivered = {"changed_at": now - timedelta(hours=2), "delivered_at": now - timedelta(hours=2)}
    shared = {"opened_at": now - timedelta(hours=2), "occurrences": 3, "last_seen_at": now}
    findings: list[tuple[str, str, date | None, dict[str, Any], dict[str, Any]]] = [
        (
            f"duplicates-found/prediction_accuracy/{DOUBLED}",
            "CRITICAL",
            DOUBLED,
            {
                "title": f"{PREDICTIONS} duplicate keys in prediction_accuracy of {DOUBLED}",
                "facts": {"Date": str(DOUBLED), "Figure": str(PREDICTIONS), "Threshold": "0"},
                "next_step": f"Find what inserted, then grade {DOUBLED} again.",
                "command": f"make backfill FROM={DOUBLED} TO={DOUBLED} REGRADE=1",
            },
            delivered,
        ),
        (
            f"task-failed/grade_predictions/{FAILED}",
            "ERROR",
            FAILED,
            {
                "title": f"grade_predictions failed for {FAILED}",
                "facts": {"Date": str(FAILED)},
                "detail": FAILURE,
                "next_step": "Mend its cause.",
                "command": None,
            },
            {"changed_at": now, "delivered_at": None},
        ),
        (
            f"lease-stuck/grading_{GRADED}",
            "WARNING",
            GRADED,
            {
                "title": f"The lease grading_{GRADED} is held by nobody who renews it",
                "facts": {},
                "next_step": "Look at its holder's run.",
                "command": None,
            },
            delivered,
        ),
    ]
    for name, severity, day, alert, times in findings:
        run = {**RUN, "url": "http://elsewhere.example/", "runbook_url": "docs/runbook.md"}
        text = json.dumps(
            {"kind": name.partition("/")[0], "severity": severity, "subject": name.partition("/")[2], "impact": "None.", "run": run, **alert}
        )
        _insert(warehouse, "incidents", {"name": name, "severity": severity, "game_date": day, "alert": text, "detail": "seen", **shared, **times})


def _checks(warehouse: Warehouse) -> None:
    now = datetime.now(tz=UTC)
    for back in range(12, -1, -1):
        result = {
            "checked_at": now - timedelta(days=back),
            "day": (now - timedelta(days=back + 1)).date(),
            "run_id": f"{MADE_UP}-{back}",
            "duration_ms": 900,
        }
        ungraded = {
            "check_name": "ungraded_predictions",
            "status": "warned" if back < 2 else "passed",
            "value": 20 + (12 - back) * 3,
            "unit": "predictions",
        }
        _insert(warehouse, "data_quality_results", {**result, **ungraded, "warn_above": 50, "detail": f"{DOUBLED}: 53" if back < 2 else None})
        broken = {"check_name": "duplicate_grades", "status": "passed" if back else "broken", "value": 0 if back else None, "unit": "rows"}
        _insert(warehouse, "data_quality_results", {**result, **broken, "fail_above": 0, "detail": None if back else BROKEN})


def _insert(warehouse: Warehouse, table: str, row: dict[str, Any]) -> None:
    given = {name: value for name, value in row.items() if value is not None}
    columns, values = ", ".join(given), ", ".join(f"@{name}" for name in given)
    warehouse.query(f"INSERT INTO nba_predictions.{table} ({columns}) SELECT {values}", given)


def _remove(warehouse: Warehouse) -> None:
    first, last = {"first": GRADED, "last": PENDING}, "game_date BETWEEN @first AND @last"
    for table in (
        *("nba_predictions.player_prop_predictions", "nba_box_scores.player_game_summary", "nba_predictions.prediction_accuracy"),
        *("nba_predictions.grading_runs", "nba_predictions.grading_duplicate_audit", "nba_predictions.incidents"),
    ):
        warehouse.query(f"DELETE FROM {table} WHERE {last}", first)
    warehouse.query(f"DELETE FROM nba_predictions.data_quality_results WHERE STARTS_WITH(run_id, '{MADE_UP}')")
    for name in (f"{STAGING}w01", f"{STAGING}w02", *(f"nba_predictions.{backup}" for backup in (*OLDER_BACKUPS, BACKUP))):
        warehouse.query(f"DROP TABLE IF EXISTS {name}")


def warehouse_of(client: bigquery.Client) -> Warehouse:
    """The stack's BigQuery as the faults use it."""
    return Warehouse(client, maximum_bytes_billed=20_000_000_000, retry_seconds=30)
