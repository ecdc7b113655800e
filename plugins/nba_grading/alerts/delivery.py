"""Decides what Slack is told, and when: the one place from which anything is sent.

The same finding on the same subject is one **condition** and one Slack thread, whoever sees it and however often. Its first sight is
a message; repeats are counted, and shown once in ``GRADING_ALERT_REPEAT_MINUTES``; what is an error and lasts
``GRADING_ALERT_ESCALATE_HOURS`` is escalated once; its recovery is a reply that closes the thread. Everything is written down in the
conditions table before it is sent, so what Slack did not take is sent by the next ``deliver_alerts``. A message is sent at least once:
a process that dies between Slack's answer and its note makes it come twice.

Alerting never fails a run. When BigQuery cannot keep the condition, the alert is sent all the same, without a thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from nba_grading.airflow import slack
from nba_grading.alerts.incidents import (
    Condition,
    claim_telling,
    clear_conditions,
    escalate_conditions,
    find_condition,
    list_untold,
    mark_told,
    prune_conditions,
    raise_condition,
    record_event,
    see_condition_again,
)
from nba_grading.alerts.model import Alert, Course
from nba_grading.alerts.slack_blocks import alert_blocks, escalation_blocks, recovery_blocks, repeat_blocks
from nba_grading.events import log_event
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nba_grading.warehouse.client import Warehouse

    MakeWarehouse = Callable[[], Warehouse]
if TYPE_CHECKING:
    from nba_grading.settings import Severity

log = logging.getLogger(__name__)


def tell(make_warehouse: MakeWarehouse, alert: Alert) -> None:
    """Tell of something that is wrong and lasts: the first sight opens its thread, a further one is counted. Never raises."""

    def keep(warehouse: Warehouse) -> bool:
        if raise_condition(warehouse, alert):
            return True
        see_condition_again(warehouse, alert, repeat_s=60 * get_settings().grading_alert_repeat_minutes)
        return claim_telling(warehouse, alert.name)

    _keep_and_tell(make_warehouse, alert, keep)


def report(make_warehouse: MakeWarehouse, alert: Alert) -> None:
    """Tell of something that is over as it is told, such as what a person did: one message. Never raises."""
    _keep_and_tell(make_warehouse, alert, lambda warehouse: record_event(warehouse, alert))


def recover(make_warehouse: MakeWarehouse, names: Sequence[str], done: str) -> list[str]:
    """Close the conditions of these names that are raised, and say in their threads what ended them; which they were. Never raises."""
    try:
        warehouse = make_warehouse()
        cleared = clear_conditions(warehouse, names, done)
        for name in cleared:
            if claim_telling(warehouse, name):
                _tell_claimed(warehouse, name)
        return cleared
    except Exception as error:
        log_event(log, "recovery_not_told", level=logging.ERROR, conditions=", ".join(names), done=done, error=error)
        return []


def deliver(warehouse: Warehouse) -> dict[str, int]:
    """Send what was not sent, escalate what lasts too long, forget what is long over; returns how many of each. Raises for BigQuery."""
    settings = get_settings()
    escalated = escalate_conditions(warehouse, after_s=3600 * settings.grading_alert_escalate_hours)
    told = [_tell_claimed(warehouse, name) for name in list_untold(warehouse) if claim_telling(warehouse, name)]
    counts = {"escalated": escalated, "told": sum(told), "not_told": len(told) - sum(told)}
    counts["forgotten"] = prune_conditions(warehouse, after_days=settings.grading_alert_keep_days)
    log_event(log, "alerts_delivered", **counts)
    return counts


def _keep_and_tell(make_warehouse: MakeWarehouse, alert: Alert, keep: Callable[[Warehouse], bool]) -> None:
    """``keep`` writes it down and returns whether it is this caller that tells it."""
    try:
        warehouse = make_warehouse()
        if keep(warehouse):
            _tell_claimed(warehouse, alert.name)
        else:
            log_event(log, "alert_told_before", condition=alert.name, alert=alert.text)
    except Exception as error:
        log_event(log, "condition_not_kept", level=logging.WARNING, condition=alert.name, error=error)
        _post_without_thread(alert)


def _post_without_thread(alert: Alert) -> None:
    try:
        slack.post(slack.channel_of(alert.severity), alert.text, alert_blocks(alert, Course()))
    except slack.SlackUnavailable as error:
        log_event(log, "alert_lost", level=logging.ERROR, condition=alert.name, alert=alert.text, error=error)


def _tell_claimed(warehouse: Warehouse, name: str) -> bool:
    """Bring Slack up to date with a condition that this process claimed; False when Slack is away: the next ``deliver`` tries again."""
    condition = find_condition(warehouse, name)
    if condition is None:
        return False
    try:
        thread = _tell(condition, condition.alert)
    except slack.SlackUnavailable as error:
        log_event(log, "alert_not_sent", level=logging.ERROR, condition=name, alert=condition.text, error=error)
        return False
    mark_told(warehouse, condition, thread)
    log_event(log, "alert_sent", condition=name, severity=condition.alert.severity, seen=condition.seen, alert=condition.text)
    return True


def _tell(condition: Condition, alert: Alert) -> slack.Thread:
    course, thread = condition.course, condition.thread
    channel = slack.channel_of(alert.severity)
    if thread is None:
        return slack.post(channel, condition.text, alert_blocks(alert, course))
    slack.edit(thread, condition.text, alert_blocks(alert, course))
    if condition.is_untold(condition.cleared_at):
        slack.post(thread.channel, condition.text, recovery_blocks(alert, course), thread=thread, broadcast=True)
    elif condition.is_untold(condition.escalated_at):
        blocks = escalation_blocks(alert, course, get_settings().grading_slack_mention)
        slack.post(thread.channel, condition.text, blocks, thread=thread, broadcast=True)
        if slack.channel_of("CRITICAL") != channel:
            slack.post(slack.channel_of("CRITICAL"), condition.text, blocks)
    else:
        slack.post(thread.channel, condition.text, repeat_blocks(alert, course), thread=thread, broadcast=alert.digest)
    return thread


class SlackUnavailable(RuntimeError):
    """Slack did not take a message: no connection of that name, no answer, or a refusal, which the message names."""


def channel_of(severity: Severity) -> str:
    """The channel for alerts of a severity."""
    settings = get_settings()
    return settings.grading_slack_channels.get(severity, settings.grading_slack_channel)
