"""Conditions: what is wrong and lasts, such as duplicates on a date, an open circuit breaker, or a stuck lease; each is one Slack thread.

A condition is raised once and cleared once, whoever sees it and however often: of many runs that raise it at the same time, the one
that changed its row is told so. The rows are in BigQuery, where every worker sees them, and where an UPDATE of a row that exists is
atomic (https://cloud.google.com/bigquery/docs/data-manipulation-language, "conflicts"). A row also says what Slack was told: what
changed after ``told_at`` is still to be told, by whoever claims it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from nba_grading.alerts.model import Alert, Course, Thread
from nba_grading.warehouse.client import Row, Typed, Warehouse
from nba_grading.warehouse.sql import load_sql

DETAIL_CHARACTERS = 1000
# A teller that died is followed by another after this.
TELLING_SECONDS = 60


@dataclass(frozen=True)
class Condition:
    """A condition's row. ``raised_at`` is None once it is over; ``begun_at`` stays. ``thread`` is None until Slack was told."""

    name: str
    raised_at: datetime | None
    begun_at: datetime
    cleared_at: datetime | None
    detail: str
    alert: Alert
    recovery: str | None
    seen: int
    changed_at: datetime
    told_at: datetime | None
    telling_at: datetime | None
    escalated_at: datetime | None
    thread: Thread | None

    @property
    def age_s(self) -> float:
        """Seconds since it was raised, up to its end."""
        return ((self.cleared_at if self.raised_at is None and self.cleared_at else datetime.now(tz=UTC)) - self.begun_at).total_seconds()

    @property
    def course(self) -> Course:
        """What became of it, as its messages show it."""
        return Course(self.seen, self.age_s, self.escalated_at is not None, None if self.raised_at else self.recovery)

    @property
    def text(self) -> str:
        """One line for notifications and logs."""
        return f"RECOVERED: {self.alert.title}. {self.recovery}" if self.course.recovery is not None else self.alert.text

    def is_untold(self, moment: datetime | None) -> bool:
        """Whether something that happened at that moment was not told yet."""
        return moment is not None and (self.told_at is None or moment > self.told_at)


def raise_condition(warehouse: Warehouse, alert: Alert) -> bool:
    """Raise the alert's condition; True for the one call that did, which then tells it, False when it was raised already."""
    _seed(warehouse, alert.name)
    return warehouse.execute(load_sql("conditions/raise_condition"), _seen(alert)) > 0


def see_condition_again(warehouse: Warehouse, alert: Alert, repeat_s: float) -> None:
    """Count a repeat; it is to be told when the last news is older than ``repeat_s`` seconds, or the severity changed."""
    latest = datetime.now(tz=UTC) - timedelta(seconds=repeat_s)
    warehouse.execute(load_sql("conditions/see_condition_again"), {**_seen(alert), "latest": Typed("TIMESTAMP", latest)})


def record_event(warehouse: Warehouse, alert: Alert) -> bool:
    """Write down something that is over as it is told; True: the caller tells it."""
    _seed(warehouse, alert.name)
    return warehouse.execute(load_sql("conditions/record_event"), _seen(alert)) > 0


def clear_conditions(warehouse: Warehouse, names: Sequence[str], recovery: str) -> list[str]:
    """Clear those of these names that are raised, and say what ended them; which they were, none if somebody else was faster.

    Every run that succeeds asks, and nearly always nothing is raised: so it is read first, as BigQuery queues few UPDATEs of a table.
    """
    raised = [row["name"] for row in warehouse.rows("conditions/list_raised", {"names": list(names)})]
    if not raised:
        return []
    cleared = warehouse.execute(load_sql("conditions/clear_conditions"), {"names": raised, "recovery": recovery[:DETAIL_CHARACTERS]})
    return raised if cleared else []


def find_condition(warehouse: Warehouse, name: str) -> Condition | None:
    """The condition of that name, raised or over; None when it was never raised."""
    rows = warehouse.rows("conditions/list_conditions", {"prefix": name, "raised_only": False})
    return next((_condition(row) for row in rows if row["name"] == name), None)


def list_conditions(warehouse: Warehouse, prefix: str = "") -> list[Condition]:
    """Raised conditions whose name starts so, oldest first."""
    return [_condition(row) for row in warehouse.rows("conditions/list_conditions", {"prefix": prefix, "raised_only": True})]


def list_untold(warehouse: Warehouse) -> list[str]:
    """Names of the conditions of which Slack was not told everything, and that nobody tells now, oldest first."""
    return [row["name"] for row in warehouse.rows("conditions/list_untold", {"latest": _long_ago()})]


def claim_telling(warehouse: Warehouse, name: str) -> bool:
    """Whether the caller is the one that tells what is new of a condition; False when nothing is new, or somebody tells it now."""
    return warehouse.execute(load_sql("conditions/claim_telling"), {"name": name, "latest": _long_ago()}) > 0


def mark_told(warehouse: Warehouse, condition: Condition, thread: Thread) -> None:
    """Write down that Slack shows the condition as it was read."""
    warehouse.execute(
        load_sql("conditions/mark_told"),
        {
            "name": condition.name,
            "told_at": condition.changed_at,
            "telling_at": Typed("TIMESTAMP", condition.telling_at),
            "channel": thread.channel,
            "thread": thread.ts,
        },
    )


def escalate_conditions(warehouse: Warehouse, after_s: float) -> int:
    """Mark errors that are raised for longer than ``after_s`` seconds and were not escalated yet; how many."""
    return warehouse.execute(
        load_sql("conditions/escalate_conditions"), {"latest": Typed("TIMESTAMP", datetime.now(tz=UTC) - timedelta(seconds=after_s))}
    )


def prune_conditions(warehouse: Warehouse, after_days: float) -> int:
    """Delete what is over and told for so many days; how many rows."""
    return warehouse.execute(
        load_sql("conditions/prune_conditions"), {"latest": Typed("TIMESTAMP", datetime.now(tz=UTC) - timedelta(days=after_days))}
    )


def claim_probe(warehouse: Warehouse, name: str, run: str, pause_s: float) -> bool:
    """Whether this run may try although the condition is raised: one run every ``pause_s`` seconds may."""
    latest = datetime.now(tz=UTC) - timedelta(seconds=pause_s)
    return warehouse.execute(load_sql("conditions/claim_probe"), {"name": name, "run": run, "latest": Typed("TIMESTAMP", latest)}) > 0


def _seed(warehouse: Warehouse, name: str) -> None:
    warehouse.execute(load_sql("conditions/seed_condition"), {"name": name})


def _seen(alert: Alert) -> dict[str, Typed | str]:
    return {
        "name": alert.name,
        "detail": (alert.detail or alert.title)[:DETAIL_CHARACTERS],
        "severity": alert.severity,
        "game_date": Typed("DATE", date.fromisoformat(alert.game_date) if alert.game_date else None),
        "alert": alert.to_json(),
    }


def _long_ago() -> Typed:
    return Typed("TIMESTAMP", datetime.now(tz=UTC) - timedelta(seconds=TELLING_SECONDS))


def _condition(row: Row) -> Condition:
    values = dict(row)
    channel, ts = values.pop("channel"), values.pop("thread")
    return Condition(**{**values, "alert": Alert.from_json(values["alert"]), "thread": Thread(channel, ts) if ts else None})
