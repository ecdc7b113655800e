"""One row in grading_runs for every run of a guarded write, whatever its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nba_grading.warehouse.client import TypedParam, Warehouse
from nba_grading.warehouse.sql import load_sql

COLUMN_TYPES = {
    "grading_run_id": "STRING",
    "operation": "STRING",
    "game_date": "DATE",
    "dag_id": "STRING",
    "run_id": "STRING",
    "run_type": "STRING",
    "holder_id": "STRING",
    "fencing_token": "INT64",
    "leased": "BOOL",
    "unleased_reason": "STRING",
    "lease_wait_ms": "INT64",
    "gradable": "INT64",
    "graded": "INT64",
    "voided": "INT64",
    "pending": "INT64",
    "written": "INT64",
    "replaced": "INT64",
    "duplicates": "INT64",
    "started_at": "TIMESTAMP",
    "finished_at": "TIMESTAMP",
    "duration_ms": "INT64",
    "outcome": "STRING",
    "detail": "STRING",
}
DETAIL_CHARACTERS = 2000


def count_failures_in_a_row(warehouse: Warehouse, operation: str) -> int:
    """Runs of the operation that failed since its last success, in the last 7 days."""
    [row] = warehouse.query_file("records/count_failures_in_a_row", {"operation": operation})
    return int(row["failures"])


def record_run(warehouse: Warehouse, run: Mapping[str, Any]) -> None:
    """Record one run; ``run`` holds columns of grading_runs, missing ones are NULL. The same grading_run_id again replaces its row."""
    unknown = sorted(run.keys() - COLUMN_TYPES.keys())
    if unknown:
        raise ValueError(f"grading_runs has no column {', '.join(unknown)}")
    row = {"finished_at": datetime.now(tz=UTC), **run}
    if row.get("detail"):
        row["detail"] = str(row["detail"])[:DETAIL_CHARACTERS]
    warehouse.dml(load_sql("records/merge_grading_run"), {name: TypedParam(type_, row.get(name)) for name, type_ in COLUMN_TYPES.items()})
