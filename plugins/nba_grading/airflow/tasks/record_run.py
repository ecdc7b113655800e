"""The last task of a guarded run: its row in grading_runs, and the consequences of its outcome."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.notify import raise_alert, resolve, task_incidents
from nba_grading.airflow.params import run_scope
from nba_grading.airflow.pubsub import announce_graded
from nba_grading.airflow.run_record import FACTS_KEY, collect_facts, store_records
from nba_grading.alerts import messages as alerts
from nba_grading.alerts.model import incident_name
from nba_grading.events import get_logger
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


log = get_logger(__name__)


def record_guarded_run(
    context: Context,
    operation: str,
    *,
    check_task: str | None = "check_inputs",
    write_task: str = "grade",
    last_task: str = "validate",
    success: str = "graded",
) -> dict[str, Any]:
    """Write the run's row of grading_runs from the facts that its tasks left, and act on its outcome; returns that row as plain values.

    ``success`` is the outcome of a run whose last task succeeded. Without a ``check_task`` the write task records what it writes itself, and
    only a run that stopped gets a row here.
    """
    ti, dag_run = context["ti"], context["dag_run"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
    tasks: list[tuple[str, str, tuple[str, ...]]] = [(write_task, FACTS_KEY, ("success", "failed")), (last_task, FACTS_KEY, ("success", "failed"))]
    if check_task:
        tasks = [(check_task, FACTS_KEY, ("success", "failed", "skipped")), tasks[0], (write_task, "return_value", ("success",)), tasks[1]]
    # The id is the same for every try of this task, and another one when the run is cleared and starts again.
    facts = {"grading_run_id": f"{ti.dag_id}/{ti.run_id}/{dag_run.start_date}", **collect_facts(context, tasks, states)}
    if str(states.get(last_task)) == "success":
        facts["outcome"] = success
    elif "outcome" not in facts:
        facts["outcome"] = "failed"
        if not facts.get("detail"):
            facts["detail"] = "a task was killed before it could report an error: see its log"
            names = [each for each in (check_task, write_task, last_task) if each]
            killed = next((task_id for task_id in names if str(states.get(task_id)) == "failed"), write_task)
            about: dict[str, Any] = {"scope": run_scope(context), "task_id": killed, "game_date": facts.get("game_date")}
            raise_alert(context, alerts.task_failed(run_link(context), **about, tries=1, error=facts["detail"]))
    row = {**facts, "operation": operation}
    if check_task or facts["outcome"] != success:
        [row] = store_records(context, operation, [facts], dag_run.start_date or datetime.now(tz=UTC))
    if operation == "grading":
        announce_graded([row])
    if row["outcome"] == success:
        # The key of a mapped task ends with its index.
        failed = [key for key, state in states.items() if str(state) == "failed"]
        resolve_run_incidents(context, row, [each for each in context["dag"].task_ids if not any(key.startswith(each) for key in failed)])
    elif row["outcome"] == "failed":
        count_failure(context, row)
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}


def resolve_run_incidents(context: Context, row: dict[str, Any], task_ids: Sequence[str]) -> None:
    """Resolve what these tasks opened in earlier runs for the same scope, and close the circuit breaker."""
    operation, breaker = row["operation"], incident_name(alerts.BREAKER_OPENED, row["operation"])
    resolution = f"A run of {context['ti'].dag_id} has succeeded, for {row.get('game_date')}."
    if breaker in resolve(context, [*task_incidents(context, task_ids), breaker], resolution):
        log.info("breaker_closed", operation=operation, game_date=row.get("game_date"))


def count_failure(context: Context, row: dict[str, Any]) -> None:
    """Open the circuit breaker if enough runs have failed in a row."""
    from nba_grading.runs.breaker import failures_that_open

    settings, operation = get_settings(), row["operation"]
    limit, pause_s = settings.grading_breaker_failures, settings.grading_breaker_seconds
    with fail_for_good():
        failures = failures_that_open(make_warehouse(context), operation, failures_to_open=limit)
    if failures:
        error = str(row.get("detail") or "see the log of the run")
        raise_alert(
            context, alerts.breaker_opened(run_link(context), operation=operation, failures=failures, limit=limit, pause_s=pause_s, error=error)
        )
