"""Decides what is sent to Slack, and when: the one place from which messages are sent.

The same finding on the same subject is one **incident** and one Slack thread, whoever finds it and however often. Opening it sends a
message; occurrences are counted, and reported once in ``GRADING_ALERT_REPEAT_MINUTES``; an error that lasts
``GRADING_ALERT_ESCALATE_HOURS`` is escalated once; resolving it sends a reply that closes the thread. Everything is stored in the
incidents table before it is sent, so the next ``deliver_alerts`` sends what Slack did not take. A message is sent at least once: if a
process dies between Slack's answer and its record of it, the message is sent again.

Alerting never fails a run. When BigQuery cannot store the incident, the alert is sent without a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from nba_grading.alerts.incidents import (
    Incident,
    claim_delivery,
    count_pending,
    escalate_incidents,
    find_incident,
    list_undelivered,
    mark_delivered,
    open_incident,
    prune_incidents,
    record_event,
    record_occurrence,
    resolve_incidents,
)
from nba_grading.alerts.model import Alert, Thread, Timeline
from nba_grading.alerts.slack_blocks import Block, alert_blocks, escalation_blocks, repeat_blocks, resolution_blocks
from nba_grading.events import get_logger
from nba_grading.settings import Severity, get_settings
from nba_grading.warehouse.client import Warehouse

log = get_logger(__name__)


class MessengerUnavailable(RuntimeError):
    """The message was not taken: no usable connection, no answer, or a refusal, which the error names."""


class Messenger(Protocol):
    """Posts messages; ``text`` is plain text. Each method raises MessengerUnavailable."""

    def post(self, channel: str, text: str, blocks: list[Block], *, thread: Thread | None = None, broadcast: bool = False) -> Thread:
        """Post a message, or a reply in a thread, which ``broadcast`` shows in the channel as well."""

    def edit(self, thread: Thread, text: str, blocks: list[Block]) -> None:
        """Replace a message."""


@dataclass(frozen=True)
class AlertDelivery:
    """Stores incidents with ``make_warehouse()`` and sends them with ``messenger``."""

    make_warehouse: Callable[[], Warehouse]
    messenger: Messenger

    def raise_alert(self, alert: Alert) -> None:
        """Open the alert's incident, or count another occurrence of it, and send what is new. Never raises."""

        def store(warehouse: Warehouse) -> bool:
            if open_incident(warehouse, alert):
                log.info("incident_opened", incident=alert.name, severity=alert.severity)
                return True
            record_occurrence(warehouse, alert, repeat_s=60 * get_settings().grading_alert_repeat_minutes)
            return claim_delivery(warehouse, alert.name)

        self._store_and_send(alert, store)

    def notify_once(self, alert: Alert) -> None:
        """Send one message about an event that needs no resolution, such as what a person did. Never raises."""
        self._store_and_send(alert, lambda warehouse: record_event(warehouse, alert))

    def resolve(self, names: Sequence[str], resolution: str) -> list[str]:
        """Resolve the open ones of these incidents, reply in their threads, and return their names. Never raises."""
        resolved: list[str] = []
        try:
            warehouse = self.make_warehouse()
            resolved = resolve_incidents(warehouse, names, resolution)
            for name in resolved:
                log.info("incident_resolved", incident=name, resolution=resolution)
                if claim_delivery(warehouse, name):
                    self._send_claimed(warehouse, name)
        except Exception as error:
            event = "resolution_not_sent" if resolved else "incidents_not_resolved"
            log.error(event, incidents=", ".join(resolved or names), resolution=resolution, error=error)
        return resolved

    def deliver_pending(self) -> dict[str, int]:
        """Send what is pending, escalate what lasts too long, delete what was resolved long ago; returns how many, and how many were open.

        Raises for BigQuery.
        """
        settings, warehouse = get_settings(), self.make_warehouse()
        escalate_s, keep_days = 3600 * settings.grading_alert_escalate_hours, settings.grading_alert_keep_days
        pending = count_pending(warehouse, escalate_after_s=escalate_s, prune_after_days=keep_days)
        escalated = escalate_incidents(warehouse, after_s=escalate_s) if pending.to_escalate else 0
        undelivered = list_undelivered(warehouse) if escalated or pending.to_deliver else []
        sent = [self._send_claimed(warehouse, name) for name in undelivered if claim_delivery(warehouse, name)]
        counts = {"escalated": escalated, "sent": sum(sent), "not_sent": len(sent) - sum(sent)}
        counts["pruned"] = prune_incidents(warehouse, after_days=keep_days) if pending.to_prune else 0
        counts["open"] = pending.are_open
        log.info("alerts_delivered", **counts)
        return counts

    def _store_and_send(self, alert: Alert, store: Callable[[Warehouse], bool]) -> None:
        """``store`` writes the incident and returns whether this caller has to send it."""
        try:
            warehouse = self.make_warehouse()
            is_claimed = store(warehouse)
        except Exception as error:
            log.warning("incident_not_stored", incident=alert.name, error=error)
            self._send_without_thread(alert)
            return
        if not is_claimed:
            log.info("alert_already_sent", incident=alert.name, alert=alert.text)
            return
        try:
            self._send_claimed(warehouse, alert.name)
        except Exception as error:  # stored, so deliver_alerts sends it
            log.error("alert_not_sent", incident=alert.name, alert=alert.text, error=error)

    def _send_without_thread(self, alert: Alert) -> None:
        try:
            self.messenger.post(channel_of(alert.severity), alert.text, alert_blocks(alert, Timeline()))
        except MessengerUnavailable as error:
            log.error("alert_lost", incident=alert.name, alert=alert.text, error=error)

    def _send_claimed(self, warehouse: Warehouse, name: str) -> bool:
        """Bring Slack up to date with an incident that this process claimed; False when Slack is down: the next run tries again."""
        incident = find_incident(warehouse, name)
        if incident is None:
            return False
        try:
            thread = self._send(incident)
        except MessengerUnavailable as error:
            log.error("alert_not_sent", incident=name, alert=incident.text, error=error)
            return False
        mark_delivered(warehouse, incident, thread)
        log.info("alert_sent", incident=name, severity=incident.alert.severity, occurrences=incident.occurrences, alert=incident.text)
        return True

    def _send(self, incident: Incident) -> Thread:
        alert, timeline, thread = incident.alert, incident.timeline, incident.thread
        channel = channel_of(alert.severity)
        if thread is None:
            return self.messenger.post(channel, incident.text, alert_blocks(alert, timeline))
        self.messenger.edit(thread, incident.text, alert_blocks(alert, timeline))
        if incident.is_undelivered(incident.resolved_at):
            self.messenger.post(thread.channel, incident.text, resolution_blocks(alert, timeline), thread=thread, broadcast=True)
        elif incident.is_undelivered(incident.escalated_at):
            blocks = escalation_blocks(alert, timeline, get_settings().grading_slack_mention)
            self.messenger.post(thread.channel, incident.text, blocks, thread=thread, broadcast=True)
            if channel_of("CRITICAL") != channel:
                self.messenger.post(channel_of("CRITICAL"), incident.text, blocks)
        else:
            self.messenger.post(thread.channel, incident.text, repeat_blocks(alert, timeline), thread=thread, broadcast=alert.digest)
        return thread


def channel_of(severity: Severity) -> str:
    """The channel for alerts of a severity."""
    settings = get_settings()
    return settings.grading_slack_channels.get(severity, settings.grading_slack_channel)
