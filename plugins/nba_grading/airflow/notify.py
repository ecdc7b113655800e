"""Alerts from tasks and callbacks, with the BigQuery and Slack connections of Airflow and a short time limit for both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.alerts import messages
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from nba_grading.alerts.delivery import AlertDelivery
    from nba_grading.alerts.model import Alert

# A callback must be done within core.task_success_overtime, and an alert must not wait for what is away.
PATIENCE_SECONDS = 10.0


def raise_alert(context: Context, alert: Alert) -> None:
    """Open the alert's incident, or count another occurrence of it, and send what is new. Never raises."""
    _delivery(context).raise_alert(alert)


def notify_once(context: Context, alert: Alert) -> None:
    """Send one message about something that needs no resolution. Never raises."""
    _delivery(context).notify_once(alert)


def resolve(context: Context, names: Sequence[str], resolution: str) -> list[str]:
    """Resolve the open incidents among these names, reply in their threads, and return their names. Never raises."""
    return _delivery(context).resolve(names, resolution)


def alert_lease_store_down(context: Context, reason: str) -> None:
    """One incident for one outage of the lease store, whichever run or sweep finds it first."""
    raise_alert(context, messages.lease_store_down(run_link(context), reason=reason, policy=get_settings().lease_on_unavailable))


def deliver_pending_alerts(context: Context) -> dict[str, int]:
    """Send what was not sent, escalate what lasts, delete what is long over; returns how many of each. Raises for BigQuery."""
    return _delivery(context, patience_s=None).deliver_pending()


def _delivery(context: Context, patience_s: float | None = PATIENCE_SECONDS) -> AlertDelivery:
    from nba_grading.airflow.slack import SlackMessenger
    from nba_grading.alerts.delivery import AlertDelivery

    return AlertDelivery(lambda: make_warehouse(context, patience_s=patience_s), SlackMessenger())
