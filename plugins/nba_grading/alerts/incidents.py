"""Conditions: what is wrong and lasts, such as duplicates on a date, an open circuit breaker, or a stuck lease; each is one Slack thread.

A condition is raised once and cleared once, whoever sees it and however often: of many runs that raise it at the same time, the one
that changed its row is told so. The rows are in BigQuery, where every worker sees them, and where an UPDATE of a row that exists is
atomic (https://cloud.google.com/bigquery/docs/data-manipulation-language, "conflicts"). A row also says what Slack was told: what
changed after ``delivered_at`` is still to be told, by whoever claims it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from nba_grading.alerts.model import Alert, Thread, Timeline
from nba_grading.warehouse.client import Row, TypedParam, Warehouse
from nba_grading.warehouse.sql import load_sql

DETAIL_CHARACTERS = 1000
# A teller that died is followed by another after this.
TELLING_SECONDS = 60


@dataclass(frozen=True)
class Incident:
    """A condition's row. ``raised_at`` is None once it is over; ``opened_at`` stays. ``thread`` is None until Slack was told."""

    name: str
    raised_at: datetime | None
    opened_at: datetime
    resolved_at: datetime | None
    detail: str
    alert: Alert
    recovery: str | None
    seen: int
    changed_at: datetime
    delivered_at: datetime | None
    delivery_claimed_at: datetime | None
    escalated_at: datetime | None
    thread: Thread | None

    @property
    def age_s(self) -> float:
        """Seconds since it was raised, up to its end."""
        return ((self.resolved_at if self.raised_at is None and self.resolved_at else datetime.now(tz=UTC)) - self.opened_at).total_seconds()

    @property
    def timeline(self) -> Timeline:
        """What became of it, as its messages show it."""
        return Timeline(self.seen, self.age_s, self.escalated_at is not None, None if self.raised_at else self.recovery)

    @property
    def text(self) -> str:
        """One line for notifications and logs."""
        return f"RECOVERED: {self.alert.title}. {self.recovery}" if self.timeline.recovery is not None else self.alert.text

    def is_undelivered(self, moment: datetime | None) -> bool:
        """Whether something that happened at that moment was not told yet."""
        return moment is not None and (self.delivered_at is None or moment > self.delivered_at)


def open_incident(warehouse: Warehouse, alert: Alert) -> bool:
    """Raise the alert's condition; True for the one call that did, which then tells it, False when it was raised already."""
    _seed(warehouse, alert.name)
    return warehouse.dml(load_sql("incidents/open_incident"), _seen(alert)) > 0


def record_occurrence(warehouse: Warehouse, alert: Alert, repeat_s: float) -> None:
    """Count a repeat; it is to be told when the last news is older than ``repeat_s`` seconds, or the severity changed."""
    latest = datetime.now(tz=UTC) - timedelta(seconds=repeat_s)
    warehouse.dml(load_sql("incidents/record_occurrence"), {**_seen(alert), "latest": TypedParam("TIMESTAMP", latest)})


def record_event(warehouse: Warehouse, alert: Alert) -> bool:
    """Write down something that is over as it is told; True: the caller tells it."""
    _seed(warehouse, alert.name)
    return warehouse.dml(load_sql("incidents/record_event"), _seen(alert)) > 0


def resolve_incidents(warehouse: Warehouse, names: Sequence[str], recovery: str) -> list[str]:
    """Clear those of these names that are raised, and say what ended them; which they were, none if somebody else was faster.

    Every run that succeeds asks, and nearly always nothing is raised: so it is read first, as BigQuery queues few UPDATEs of a table.
    """
    raised = [row["name"] for row in warehouse.query_file("incidents/list_open", {"names": list(names)})]
    if not raised:
        return []
    cleared = warehouse.dml(load_sql("incidents/resolve_incidents"), {"names": raised, "recovery": recovery[:DETAIL_CHARACTERS]})
    return raised if cleared else []


def find_incident(warehouse: Warehouse, name: str) -> Incident | None:
    """The condition of that name, raised or over; None when it was never raised."""
    rows = warehouse.query_file("incidents/list_incidents", {"prefix": name, "raised_only": False})
    return next((_condition(row) for row in rows if row["name"] == name), None)


def list_incidents(warehouse: Warehouse, prefix: str = "") -> list[Incident]:
    """Raised conditions whose name starts so, oldest first."""
    return [_condition(row) for row in warehouse.query_file("incidents/list_incidents", {"prefix": prefix, "raised_only": True})]


def list_undelivered(warehouse: Warehouse) -> list[str]:
    """Names of the conditions of which Slack was not told everything, and that nobody tells now, oldest first."""
    return [row["name"] for row in warehouse.query_file("incidents/list_undelivered", {"latest": _long_ago()})]


def claim_delivery(warehouse: Warehouse, name: str) -> bool:
    """Whether the caller is the one that tells what is new of a condition; False when nothing is new, or somebody tells it now."""
    return warehouse.dml(load_sql("incidents/claim_delivery"), {"name": name, "latest": _long_ago()}) > 0


def mark_delivered(warehouse: Warehouse, incident: Incident, thread: Thread) -> None:
    """Write down that Slack shows the condition as it was read."""
    warehouse.dml(
        load_sql("incidents/mark_delivered"),
        {
            "name": incident.name,
            "delivered_at": incident.changed_at,
            "delivery_claimed_at": TypedParam("TIMESTAMP", incident.delivery_claimed_at),
            "channel": thread.channel,
            "thread": thread.ts,
        },
    )


def escalate_incidents(warehouse: Warehouse, after_s: float) -> int:
    """Mark errors that are raised for longer than ``after_s`` seconds and were not escalated yet; how many."""
    return warehouse.dml(
        load_sql("incidents/escalate_incidents"), {"latest": TypedParam("TIMESTAMP", datetime.now(tz=UTC) - timedelta(seconds=after_s))}
    )


def prune_incidents(warehouse: Warehouse, after_days: float) -> int:
    """Delete what is over and told for so many days; how many rows."""
    return warehouse.dml(
        load_sql("incidents/prune_incidents"), {"latest": TypedParam("TIMESTAMP", datetime.now(tz=UTC) - timedelta(days=after_days))}
    )


def claim_probe(warehouse: Warehouse, name: str, run: str, pause_s: float) -> bool:
    """Whether this run may try although the condition is raised: one run every ``pause_s`` seconds may."""
    latest = datetime.now(tz=UTC) - timedelta(seconds=pause_s)
    return warehouse.dml(load_sql("incidents/claim_probe"), {"name": name, "run": run, "latest": TypedParam("TIMESTAMP", latest)}) > 0


def _seed(warehouse: Warehouse, name: str) -> None:
    warehouse.dml(load_sql("incidents/seed_incident"), {"name": name})


def _seen(alert: Alert) -> dict[str, TypedParam | str]:
    return {
        "name": alert.name,
        "detail": (alert.detail or alert.title)[:DETAIL_CHARACTERS],
        "severity": alert.severity,
        "game_date": TypedParam("DATE", date.fromisoformat(alert.game_date) if alert.game_date else None),
        "alert": alert.to_json(),
    }


def _long_ago() -> TypedParam:
    return TypedParam("TIMESTAMP", datetime.now(tz=UTC) - timedelta(seconds=TELLING_SECONDS))


def _condition(row: Row) -> Incident:
    values = dict(row)
    channel, ts = values.pop("channel"), values.pop("thread")
    return Incident(**{**values, "alert": Alert.from_json(values["alert"]), "thread": Thread(channel, ts) if ts else None})
