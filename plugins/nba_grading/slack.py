"""Sends alerts to Slack through the provider's hook. Alerting never fails a run: what cannot be sent is a log line."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import tenacity
from airflow.sdk.exceptions import AirflowNotFoundException

from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from nba_grading.alerts import Alert

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
