"""``alerting`` for tasks: tell, report and recover with the BigQuery of the task's context, and with little patience for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.alerts import messages as alerts
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from nba_grading.alerts.model import Alert
    from nba_grading.warehouse.client import Warehouse

# A callback must be done within core.task_success_overtime, and an alert must not wait for what is away.
PATIENCE_SECONDS = 10.0


def tell(context: Context, alert: Alert) -> None:
    """Tell of something that is wrong and lasts; never raises."""
    from nba_grading.alerts import delivery as alerting

    alerting.tell(lambda: _warehouse(context), alert)


def report(context: Context, alert: Alert) -> None:
    """Tell of something that is over as it is told; never raises."""
    from nba_grading.alerts import delivery as alerting

    alerting.report(lambda: _warehouse(context), alert)


def recover(context: Context, names: Sequence[str], done: str) -> list[str]:
    """End the conditions of these names that are raised, and say so; which they were. Never raises."""
    from nba_grading.alerts import delivery as alerting

    return alerting.recover(lambda: _warehouse(context), names, done)


def tell_lease_store_down(context: Context, reason: str) -> None:
    """One thread for one outage of the lease store, whichever run or sweep sees it first."""
    tell(context, alerts.lease_store_down(run_link(context), reason=reason, policy=get_settings().lease_on_unavailable))


def _warehouse(context: Context) -> Warehouse:
    return make_warehouse(context, patience_s=PATIENCE_SECONDS)
