"""Conditions: what is wrong and lasts, such as an open circuit breaker, a lease store that is down, or a stuck lease.

A condition is raised once and cleared once, whoever sees it and however often: of many runs that raise it at the same time, the one
that changed its row is told so, and tells people. The rows are in BigQuery, where every worker sees them, and where an UPDATE of a
row that exists is atomic (https://cloud.google.com/bigquery/docs/data-manipulation-language, "conflicts").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nba_grading.sql import load_sql
from nba_grading.warehouse import Typed, Warehouse

DETAIL_CHARACTERS = 1000


@dataclass(frozen=True)
class Condition:
    """A raised condition: since when, when a run was last let through in spite of it, and what was seen first."""

    name: str
    raised_at: datetime
    probed_at: datetime | None
    detail: str

    @property
    def age_s(self) -> float:
        """Seconds since it was raised."""
        return (datetime.now(tz=UTC) - self.raised_at).total_seconds()


def raise_condition(warehouse: Warehouse, name: str, detail: str) -> bool:
    """Raise it; True for the one call that did, False when it was raised already."""
    warehouse.execute(load_sql("conditions/seed_condition"), {"name": name})
    return warehouse.execute(load_sql("conditions/raise_condition"), {"name": name, "detail": detail[:DETAIL_CHARACTERS]}) > 0


def clear_condition(warehouse: Warehouse, name: str) -> Condition | None:
    """Clear it; the condition as it was for the one call that did, None when it was not raised."""
    found = find_condition(warehouse, name)
    if found is None or not warehouse.execute(load_sql("conditions/clear_condition"), {"name": name}):
        return None
    return found


def find_condition(warehouse: Warehouse, name: str) -> Condition | None:
    """The condition if it is raised."""
    return next((found for found in list_conditions(warehouse, name) if found.name == name), None)


def list_conditions(warehouse: Warehouse, prefix: str) -> list[Condition]:
    """Raised conditions whose name starts so, oldest first."""
    return [Condition(**row) for row in warehouse.rows("conditions/list_conditions", {"prefix": prefix})]


def claim_probe(warehouse: Warehouse, name: str, run: str, pause_s: float) -> bool:
    """Whether this run may try although the condition is raised: one run every ``pause_s`` seconds may."""
    latest = datetime.now(tz=UTC) - timedelta(seconds=pause_s)
    return warehouse.execute(load_sql("conditions/claim_probe"), {"name": name, "run": run, "latest": Typed("TIMESTAMP", latest)}) > 0
