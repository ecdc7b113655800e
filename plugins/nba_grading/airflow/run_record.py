"""The record of a guarded run: each task leaves its facts in XCom, and one function makes rows of grading_runs of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.context import make_warehouse, run_facts
from nba_grading.airflow.errors import fail_for_good
from nba_grading.events import get_logger
from nba_grading.game_dates import parse_game_date, resolve_past_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from nba_grading.warehouse.client import Warehouse

log = get_logger(__name__)

FACTS_KEY = "run"


def leave_facts(context: Context, **facts: Any) -> None:
    """Leave what this task knows of its run (columns of grading_runs), in place of what it left before."""
    context["ti"].xcom_push(key=FACTS_KEY, value=facts)


def collect_facts(context: Context, tasks: Iterable[tuple[str, str, tuple[str, ...]]], states: Mapping[str, Any]) -> dict[str, Any]:
    """The facts left by (task id, XCom key, states in which it counts), a later one before an earlier one.

    The state counts because a task that did not start this time keeps the XCom of the time before, when its run was cleared. A guarded
    write returns the facts of each of its dates: those of the first are the run's.
    """
    facts: dict[str, Any] = {}
    for task_id, key, ended in tasks:
        if str(states.get(task_id)) in ended:
            found = context["ti"].xcom_pull(task_ids=task_id, key=key) or {}
            facts |= found[0] if isinstance(found, list) else found
    return facts


def store_records(
    context: Context, operation: str, rows: Sequence[Mapping[str, Any]], started_at: datetime, warehouse: Warehouse | None = None
) -> list[dict[str, Any]]:
    """Write rows of grading_runs, one per date, from those facts that are columns of it, in one statement; returns the rows.

    ``operation`` and ``started_at`` are those of facts that have none of their own.
    Yesterday graded, or found without predictions, is an event that the alarm from outside listens for, whichever DAG did it.
    """
    from nba_grading.runs.record import COLUMN_TYPES, record_runs

    recorded = []
    for facts in rows:
        row = {name: facts[name] for name in COLUMN_TYPES if facts.get(name) is not None}
        row = {"operation": operation, "started_at": started_at, **row, **run_facts(context)}
        if isinstance(row.get("game_date"), str):
            row["game_date"] = parse_game_date(row["game_date"])
        recorded.append(row)
    if recorded:
        with fail_for_good():
            record_runs(warehouse or make_warehouse(context), recorded)
    yesterday = resolve_past_day(None, datetime.now(tz=UTC))
    for row in recorded:
        if operation == "grading" and row.get("game_date") == yesterday and row.get("outcome") in ("graded", "no_predictions"):
            log.info("day_graded", operation=operation, game_date=yesterday, outcome=row["outcome"])
    return recorded
