"""Alerts from tasks and callbacks, with the BigQuery and Slack connections of Airflow and one short deadline for both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.airflow.params import run_scope, switched_off
from nba_grading.alerts import messages
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow.sdk import Context

    from nba_grading.alerts.delivery import AlertDelivery
    from nba_grading.alerts.model import Alert

# Airflow kills a task whose callbacks take longer than core.task_success_overtime, 20 s by default, and then does not record its failure.
# BigQuery's statements have ended after the first, so that Slack gets the alert without a thread before the second.
WAREHOUSE_SECONDS = 11.0
ALERT_SECONDS = 18.0


def raise_alert(context: Context, alert: Alert) -> None:
    """Open the alert's incident, or count another occurrence of it, and send what is new. Never raises."""
    _delivery(context).raise_alert(alert)


def notify_once(context: Context, alert: Alert) -> None:
    """Send one message about an event that needs no resolution. Never raises."""
    _delivery(context).notify_once(alert)


def resolve(context: Context, names: Sequence[str], resolution: str) -> list[str]:
    """Resolve the open ones of these incidents, reply in their threads, and return their names. Never raises."""
    return _delivery(context).resolve(names, resolution)


def task_incidents(context: Context, task_ids: Iterable[str]) -> list[str]:
    """The incidents that a success of these tasks resolves: their failures for the run's scope."""
    leased = switched_off(context) is None
    return messages.task_incidents(context["ti"].dag_id, run_scope(context), task_ids, leased=leased)


def alert_lease_store_down(context: Context, reason: str) -> None:
    """One incident for one outage of the lease store, whichever run or sweep finds it first."""
    raise_alert(context, messages.lease_store_down(run_link(context), reason=reason, policy=get_settings().lease_on_unavailable))


def deliver_pending_alerts(context: Context) -> dict[str, int]:
    """Send what is pending, escalate what lasts, delete what was resolved long ago; returns how many of each. Raises for BigQuery."""
    from nba_grading.airflow.slack import SlackMessenger
    from nba_grading.alerts.delivery import AlertDelivery

    counts = AlertDelivery(lambda: make_warehouse(context), SlackMessenger()).deliver_pending()
    if counts["open"]:
        resolve(context, task_incidents(context, [context["ti"].task_id]), "The alerts were delivered.")
    return counts


def _delivery(context: Context) -> AlertDelivery:
    from nba_grading.airflow.slack import SlackMessenger
    from nba_grading.alerts.delivery import AlertDelivery

    now = time.monotonic()
    return AlertDelivery(lambda: make_warehouse(context, deadline=now + WAREHOUSE_SECONDS), SlackMessenger(now + ALERT_SECONDS))
