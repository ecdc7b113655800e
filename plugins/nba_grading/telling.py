"""``alerting`` for tasks: tell, report and recover with the BigQuery of the task's context, and with little patience for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nba_grading.airflow_context import make_warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from nba_grading.slack_message import Alert
    from nba_grading.warehouse import Warehouse

# A callback must be done within core.task_success_overtime, and an alert must not wait for what is away.
PATIENCE_SECONDS = 10.0


def tell(context: Context, alert: Alert) -> None:
    """Tell of something that is wrong and lasts; never raises."""
    from nba_grading import alerting

    alerting.tell(lambda: _warehouse(context), alert)


def report(context: Context, alert: Alert) -> None:
    """Tell of something that is over as it is told; never raises."""
    from nba_grading import alerting

    alerting.report(lambda: _warehouse(context), alert)


def recover(context: Context, names: Sequence[str], done: str) -> list[str]:
    """End the conditions of these names that are raised, and say so; which they were. Never raises."""
    from nba_grading import alerting

    return alerting.recover(lambda: _warehouse(context), names, done)


def _warehouse(context: Context) -> Warehouse:
    return make_warehouse(context, patience_s=PATIENCE_SECONDS)
