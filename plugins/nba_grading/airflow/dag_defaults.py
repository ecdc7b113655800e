"""What every DAG of this project shares: owner, retries, the failure alert and its resolution, the pool."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from nba_grading.airflow.callbacks import alert_on_failure, resolve_after_retry, resolve_on_success
from nba_grading.settings import get_settings

# Before the first game this project could grade: a run whose logical date is earlier than a DAG's start_date succeeds with no task run.
START_DATE = datetime(2020, 1, 1, tzinfo=UTC)

OWNER = "nba-grading"

GRADING_POOL = "grading"

# A writer that hangs with its renewals alive holds its date for so long at most.
WRITE_TIMEOUT = timedelta(hours=2)


def default_args(*, recorded: bool = False) -> dict[str, Any]:
    """default_args of every DAG; transient errors are retried with a growing delay. ``recorded``: the DAG ends with ``record_run``."""
    settings = get_settings()
    return {
        "owner": OWNER,
        "retries": settings.grading_retries,
        "retry_delay": timedelta(seconds=settings.grading_retry_seconds),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "on_failure_callback": alert_on_failure,
        "on_success_callback": resolve_after_retry if recorded else resolve_on_success,
    }
