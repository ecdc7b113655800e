"""The record of a guarded run: each task leaves its facts in XCom, and one function makes a row of grading_runs of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.context import make_warehouse, run_facts
from nba_grading.airflow.errors import fail_for_good
from nba_grading.game_dates import parse_game_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow.sdk import Context

FACTS_KEY = "run"


def leave_facts(context: Context, **facts: Any) -> None:
    """Leave what this task knows of its run (columns of grading_runs), in place of what it left before."""
    context["ti"].xcom_push(key=FACTS_KEY, value=facts)


def collect_facts(context: Context, tasks: Iterable[tuple[str, str, tuple[str, ...]]], states: Mapping[str, Any]) -> dict[str, Any]:
    """The facts left by (task id, XCom key, states in which it counts), a later one before an earlier one.

    The state counts because a task that did not start this time keeps the XCom of the time before, when its run was cleared.
    """
    facts: dict[str, Any] = {}
    for task_id, key, ended in tasks:
        if str(states.get(task_id)) in ended:
            facts |= context["ti"].xcom_pull(task_ids=task_id, key=key) or {}
    return facts


def store_record(context: Context, operation: str, facts: Mapping[str, Any], started_at: datetime) -> dict[str, Any]:
    """Write one row of grading_runs from the facts that are columns of it; returns that row."""
    from nba_grading.runs.record import COLUMN_TYPES, record_run

    row = {name: facts[name] for name in COLUMN_TYPES if facts.get(name) is not None}
    row |= {**run_facts(context), "operation": operation, "started_at": started_at}
    if isinstance(row.get("game_date"), str):
        row["game_date"] = parse_game_date(row["game_date"])
    with fail_for_good():
        record_run(make_warehouse(context), row)
    return row
