"""One row in grading_runs for every date of every guarded run, whatever its outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from nba_grading.warehouse.client import Warehouse
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
    "pending_no_box_score": "INT64",
    "pending_incomplete": "INT64",
    "incomplete_games": "INT64",
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


def record_runs(warehouse: Warehouse, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record some dates in one statement; a row holds columns of grading_runs, missing ones are NULL.

    A row with the grading_run_id and game_date of a stored one replaces it.
    """
    unknown = sorted({name for row in rows for name in row} - COLUMN_TYPES.keys())
    if unknown:
        raise ValueError(f"grading_runs has no column {', '.join(unknown)}")
    now = datetime.now(tz=UTC)
    complete = [{"finished_at": now, **row, "detail": str(row["detail"])[:DETAIL_CHARACTERS] if row.get("detail") else None} for row in rows]
    since = min(row["started_at"] for row in complete) - timedelta(days=1)
    warehouse.dml(load_sql("records/merge_grading_runs"), {"runs": json.dumps(complete, default=str), "since": since})
