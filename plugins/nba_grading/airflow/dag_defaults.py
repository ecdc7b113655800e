"""Defaults that all DAGs of this project share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag

from nba_grading.airflow.callbacks import alert_on_failure, alert_on_run_timeout, resolve_after_retry, resolve_on_success
from nba_grading.settings import get_settings

# Earlier than any game that can be graded: Airflow ends a run whose logical date is before start_date without running a task.
START_DATE = datetime(2020, 1, 1, tzinfo=UTC)

OWNER = "nba-grading"

GRADING_POOL = "grading"

# The longest that one write may take, even if it still renews its lease.
WRITE_TIMEOUT = timedelta(hours=2)

# The longest that a run of a writing DAG may take: waits for a slot and a lease, and each write with all its retries.
WRITING_RUN_TIMEOUT = timedelta(hours=24)


def grading_dag(
    doc: str | None,
    *,
    schedule: Any,
    dagrun_timeout: timedelta,
    params: dict[str, Any] | None = None,
    recorded: bool = False,
    **options: Any,
) -> Callable[..., Any]:
    """Airflow's ``@dag`` with the defaults of this project; ``options`` are further options of ``@dag``.

    ``doc`` is the module's docstring: the DAG's documentation, and its first line the description. ``dagrun_timeout`` ends a run with a
    task that hangs before ``execute()``, where the task's own timeout does not apply yet. ``recorded``: a run
    of the DAG resolves the incidents of its tasks itself, as ``record_run`` does.
    """
    return dag(
        schedule=schedule,
        start_date=START_DATE,
        catchup=False,
        dagrun_timeout=dagrun_timeout,
        default_args=default_args(recorded=recorded),
        on_failure_callback=alert_on_run_timeout,
        description=(doc or "").strip().partition("\n")[0],
        doc_md=doc,
        # A Param holds the value of a run; DAGs that one process loads must not share it.
        params={name: copy.copy(param) for name, param in (params or {}).items()},
        **{"max_active_runs": 1, **options},
    )


def default_args(*, recorded: bool = False) -> dict[str, Any]:
    """default_args of every DAG; transient errors are retried with a growing delay. ``recorded``: see ``grading_dag``."""
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
