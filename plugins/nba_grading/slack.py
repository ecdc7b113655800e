"""Sends alerts to Slack through the provider's hook. Alerting never fails a run: what cannot be sent is a log line.

What lasts is told once, and once more when it is over: ``send_once`` and ``send_recovery`` keep its condition.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import tenacity
from airflow.sdk.exceptions import AirflowNotFoundException

from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from nba_grading.alerts import Alert
    from nba_grading.conditions import Condition
    from nba_grading.warehouse import Warehouse

log = logging.getLogger(__name__)

ATTEMPTS = 3
# Airflow kills a task that is still busy with its callbacks 20 s after its end, and then forgets that it failed.
SECONDS = 8


def send_alert(alert: Alert) -> bool:
    """Post an alert, in at most three attempts; False, and a log line, when there is no connection or Slack does not take it."""
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    settings = get_settings()
    hook = SlackWebhookHook(slack_webhook_conn_id=settings.grading_slack_conn_id, timeout=settings.grading_slack_timeout_seconds, retry_handlers=[])
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_after_delay(SECONDS),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
        retry=tenacity.retry_if_not_exception_type(AirflowNotFoundException),
        reraise=True,
    )
    try:
        retrying(hook.send, text=alert.text, blocks=alert.blocks)
    except AirflowNotFoundException:
        log.warning("alert_not_sent: no connection %s; %s", settings.grading_slack_conn_id, alert.text)
        return False
    except Exception as error:
        log.error("alert_not_sent after %d attempts (%s: %s); %s", ATTEMPTS, type(error).__name__, error, alert.text)
        return False
    log.info("alert_sent kind=%s %s", alert.kind, alert.text)
    return True


def send_once(make_warehouse: Callable[[], Warehouse], name: str, alert: Alert) -> bool:
    """Raise the condition and send the alert if nobody had; whether it was sent. When the conditions cannot be read, it is sent."""
    from nba_grading.conditions import clear_condition, raise_condition

    try:
        warehouse = make_warehouse()
        if not raise_condition(warehouse, name, alert.text):
            log.info("alert_told_before condition=%s %s", name, alert.text)
            return False
        sent = send_alert(alert)
        if not sent:
            # So that the next run that sees it tries again.
            clear_condition(warehouse, name)
        return sent
    except Exception as error:
        log.warning("the condition %s cannot be kept (%s: %s); the alert is sent all the same", name, type(error).__name__, error)
        return send_alert(alert)


def send_recovery(warehouse: Warehouse, name: str, make_alert: Callable[[Condition], Alert]) -> bool:
    """Clear the condition and send the alert made of it, if it was raised; whether it was sent."""
    from nba_grading.conditions import clear_condition

    condition = clear_condition(warehouse, name)
    return condition is not None and send_alert(make_alert(condition))
