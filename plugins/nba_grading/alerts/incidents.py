"""Incidents: failures and findings that last, such as duplicates on a date, an open circuit breaker or a stuck lease.

An incident is opened once and resolved once, however many processes report it: of concurrent callers the one whose UPDATE changed the row
gets True. The rows are in BigQuery, where every worker sees them and conflicting UPDATEs of a table are serialized
(https://cloud.google.com/bigquery/docs/data-manipulation-language, "conflicts"). A row also records what Slack shows: changes after
``delivered_at`` are pending until a process claims and delivers them. All times are BigQuery's, as the clocks of workers differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from nba_grading.alerts.model import Alert, Thread, Timeline
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.params import Params, TypedParam, Value
from nba_grading.warehouse.sql import load_sql

DETAIL_CHARACTERS = 1000
# A process that claimed a delivery and died loses its claim after this.
CLAIM_SECONDS = 60
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Incident:
    """One row of the incidents table. ``resolved_at`` is None while it is open, ``thread`` until its first message is delivered."""

    name: str
    opened_at: datetime
    resolved_at: datetime | None
    detail: str
    alert: Alert
    resolution: str | None
    occurrences: int
    changed_at: datetime
    delivered_at: datetime | None
    delivery_claimed_at: datetime | None
    escalated_at: datetime | None
    thread: Thread | None

    @property
    def age_s(self) -> float:
        """Seconds from its opening to its resolution, or until now."""
        return ((self.resolved_at or datetime.now(tz=UTC)) - self.opened_at).total_seconds()

    @property
    def timeline(self) -> Timeline:
        """Its course so far, as its messages show it."""
        return Timeline(self.occurrences, self.age_s, self.escalated_at is not None, self.resolution)

    @property
    def text(self) -> str:
        """One line for notifications and logs."""
        return self.alert.text if self.resolution is None else f"RESOLVED: {self.alert.title}. {self.resolution}"

    def is_undelivered(self, moment: datetime | None) -> bool:
        """Whether Slack does not show yet what happened at that moment."""
        return moment is not None and (self.delivered_at is None or moment > self.delivered_at)


def open_incident(warehouse: Warehouse, alert: Alert) -> bool:
    """Open the alert's incident; True for the one caller that opened it and has to deliver it, False if it was open already."""
    return _seed_and_update(warehouse, "open_incident", alert)


def record_event(warehouse: Warehouse, alert: Alert) -> bool:
    """Record a one-off event, which is resolved from the start; True: the caller has to deliver it."""
    return _seed_and_update(warehouse, "record_event", alert)


def record_occurrence(warehouse: Warehouse, alert: Alert, repeat_s: float) -> None:
    """Count another occurrence; it is to be delivered if the last change is older than ``repeat_s`` seconds, or the severity changed."""
    warehouse.dml(load_sql("incidents/record_occurrence"), {**_occurrence(alert), "repeat_seconds": round(repeat_s)})


def resolve_incidents(warehouse: Warehouse, names: Sequence[str], resolution: str) -> list[str]:
    """Resolve the open ones of these incidents; returns the names of those that this call resolved.

    Every success asks, and nearly always none is open: so they are read first, as BigQuery queues few UPDATEs of a table.
    """
    found = [str(row["name"]) for row in warehouse.query_file("incidents/list_open", {"names": list(names)})]
    return [name for name in found if _update(warehouse, "resolve_incident", name=name, resolution=resolution[:DETAIL_CHARACTERS])]


def find_incident(warehouse: Warehouse, name: str) -> Incident | None:
    """The incident of that name, open or resolved; None if it was never opened."""
    rows = warehouse.query_file("incidents/list_incidents", {"prefix": name, "open_only": False})
    return next((_incident(row) for row in rows if row["name"] == name), None)


def list_incidents(warehouse: Warehouse, prefix: str = "") -> list[Incident]:
    """Open incidents whose name starts with ``prefix``, oldest first."""
    return [_incident(row) for row in warehouse.query_file("incidents/list_incidents", {"prefix": prefix, "open_only": True})]


def list_undelivered(warehouse: Warehouse) -> list[str]:
    """Names of incidents with pending changes that no process is delivering, oldest change first."""
    return [row["name"] for row in warehouse.query_file("incidents/list_undelivered", {"claim_seconds": CLAIM_SECONDS})]


def claim_delivery(warehouse: Warehouse, name: str) -> bool:
    """Whether this caller claimed the incident's pending changes; False if there are none, or another process is delivering them."""
    return _update(warehouse, "claim_delivery", name=name, claim_seconds=CLAIM_SECONDS)


def mark_delivered(warehouse: Warehouse, incident: Incident, thread: Thread) -> None:
    """Record that Slack shows the incident as it was read."""
    claimed_at = TypedParam("TIMESTAMP", incident.delivery_claimed_at)
    values: dict[str, Value] = {"name": incident.name, "delivered_at": incident.changed_at, "channel": thread.channel, "thread": thread.ts}
    warehouse.dml(load_sql("incidents/mark_delivered"), {**values, "delivery_claimed_at": claimed_at})


@dataclass(frozen=True)
class Pending:
    """How many incidents wait for something, and how many are open."""

    to_escalate: int
    to_deliver: int
    to_prune: int
    are_open: int


def count_pending(warehouse: Warehouse, escalate_after_s: float, prune_after_days: float) -> Pending:
    """What there is to do, in one query that changes nothing."""
    params: Params = {
        "open_seconds": round(escalate_after_s),
        "claim_seconds": CLAIM_SECONDS,
        "keep_seconds": round(prune_after_days * DAY_SECONDS),
    }
    [row] = warehouse.query_file("incidents/count_pending", params)
    return Pending(**{name: int(value) for name, value in row.items()})


def escalate_incidents(warehouse: Warehouse, after_s: float) -> int:
    """Mark errors that have been open for ``after_s`` seconds and are not escalated yet; returns how many."""
    return warehouse.dml(load_sql("incidents/escalate_incidents"), {"open_seconds": round(after_s)})


def prune_incidents(warehouse: Warehouse, after_days: float) -> int:
    """Delete incidents that were resolved so many days ago and are delivered; returns the number of rows."""
    return warehouse.dml(load_sql("incidents/prune_incidents"), {"keep_seconds": round(after_days * DAY_SECONDS)})


def claim_probe(warehouse: Warehouse, name: str, run: str, pause_s: float) -> bool:
    """Whether this run may try although the incident is open: one run every ``pause_s`` seconds may."""
    return _update(warehouse, "claim_probe", name=name, run=run, pause_seconds=round(pause_s))


def _seed_and_update(warehouse: Warehouse, statement: str, alert: Alert) -> bool:
    _update(warehouse, "seed_incident", name=alert.name)
    return _update(warehouse, statement, **_occurrence(alert))


def _update(warehouse: Warehouse, statement: str, **params: Value | TypedParam) -> bool:
    """Whether the statement of include/sql/incidents changed a row."""
    return warehouse.dml(load_sql(f"incidents/{statement}"), params) > 0


def _occurrence(alert: Alert) -> dict[str, Value | TypedParam]:
    return {
        "name": alert.name,
        "detail": (alert.detail or alert.title)[:DETAIL_CHARACTERS],
        "severity": alert.severity,
        "game_date": TypedParam("DATE", date.fromisoformat(alert.game_date) if alert.game_date else None),
        "alert": alert.to_json(),
    }


def _incident(row: Row) -> Incident:
    values = dict(row)
    channel, ts = values.pop("channel"), values.pop("thread")
    return Incident(**{**values, "alert": Alert.from_json(values["alert"]), "thread": Thread(channel, ts) if ts else None})
