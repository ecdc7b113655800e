"""Metrics of leases and writes, made from log events and sent through Airflow's stats, to StatsD or OTLP as configured.

Each has the tag ``operation``; that of a lease for the turn to publish ends with
``_publish``. docs/metrics.md says what to watch; monitoring/ has a dashboard and alert policies for Cloud Monitoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow.sdk.observability import stats

from nba_grading.events import subscribe

PREFIX = "grading"
EXPORTED_PREFIX = "custom.googleapis.com/grading/"


@dataclass(frozen=True)
class Metric:
    """A metric made from events: a timing of ``fact`` in milliseconds, or a count: the sum of ``fact``, or without a fact the number of events.

    ``exported`` is its name in Cloud Monitoring after ``EXPORTED_PREFIX``: the name in the former system, if it had one.
    """

    name: str
    events: tuple[str, ...]
    meaning: str
    exported: str
    fact: str | None = None
    kind: Literal["count", "timing"] = "count"

    @property
    def exported_type(self) -> str:
        """The metric type in Cloud Monitoring."""
        return EXPORTED_PREFIX + self.exported


METRICS = (
    Metric(
        "lease_wait_ms",
        ("lease_acquired",),
        "how long a run waited for the lease it acquired; 0 when it was free",
        "lock_wait_time",
        "waited_ms",
        "timing",
    ),
    Metric("lease_held_ms", ("lease_released",), "how long a lease was held, until its release", "lock_held_time", "ms", "timing"),
    Metric("lease_acquired", ("lease_acquired",), "leases acquired", "lock_acquired"),
    Metric(
        "lease_requests",
        ("lease_acquired", "lease_timed_out", "lease_degraded"),
        "requests for a lease: acquired, timed out, or degraded",
        "lock_requests",
    ),
    Metric("lease_timeouts", ("lease_timed_out",), "runs that timed out waiting", "lock_timeout"),
    Metric("lease_contention", ("lease_contended",), "attempts to acquire a lease that was held", "lock_contention"),
    Metric("lease_lost", ("lease_lost",), "leases lost before their release: taken over, deleted, or not renewed in time", "lock_lost"),
    Metric("lease_degraded", ("lease_degraded",), "writes without a lease: its store was down, or leases were switched off", "lock_degraded"),
    Metric("fenced_out", ("fenced_out",), "publishes refused because a newer claim had published the date", "fenced_out"),
    Metric("write_ms", ("date_published",), "how long a guarded write took, from its first statement to its publish", "write_time", "ms", "timing"),
    Metric("day_graded", ("day_graded",), "runs that have graded yesterday, or found it without predictions", "day_graded"),
    Metric("duplicates", ("duplicates_counted",), "surplus rows of a key, found by the check after a write", "duplicates", "rows"),
)


def send_metric(event: str, facts: Mapping[str, Any]) -> None:
    """Send the metrics of an event, if it has any."""
    operation = str(facts.get("operation", "unknown"))
    # The turn to publish is a lease without a date: apart from those that a run waits for.
    is_turn = event.startswith("lease_") and facts.get("game_date", "") is None
    tags = {"operation": f"{operation}_publish" if is_turn else operation}
    for metric in METRICS:
        if event not in metric.events:
            continue
        if metric.kind == "timing":
            stats.timing(f"{PREFIX}.{metric.name}", float(facts[str(metric.fact)]), tags=tags)
        else:
            stats.incr(f"{PREFIX}.{metric.name}", int(facts[metric.fact]) if metric.fact else 1, tags=tags)


def start_metrics() -> None:
    """Send the metrics of this process from now on, to the receiver that Airflow is configured with, if any."""
    subscribe(send_metric)
