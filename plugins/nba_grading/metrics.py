"""The guard's metrics, made of its log events and sent through Airflow's own stats, so that StatsD and OTLP get them as configured.

Each is tagged with its operation. docs/metrics.md says what to watch, and the names they get in Cloud Monitoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk.observability import stats

from nba_grading.events import subscribe

PREFIX = "grading"


@dataclass(frozen=True)
class Metric:
    """A metric of one event: a timing of the milliseconds in its ``fact``, or without one a count of how often it happens."""

    name: str
    meaning: str
    fact: str | None = None


METRICS: Mapping[str, Metric] = {
    "lease_acquired": Metric("lease_wait_ms", "how long a run waited for the lease it got; 0 when it was free", "waited_ms"),
    "lease_released": Metric("lease_held_ms", "how long a lease was held, until its release", "ms"),
    "lease_timed_out": Metric("lease_timeouts", "runs that gave up waiting"),
    "lease_contended": Metric("lease_contention", "tries to acquire that found the lease held"),
    "lease_lost": Metric("lease_lost", "leases lost before their release: taken over, deleted, or silent past their validity"),
    "lease_degraded": Metric("lease_degraded", "writes without a lease: its store was down, or it was switched off"),
    "fenced_out": Metric("fenced_out", "publishes refused, as a newer claim had published the date"),
}


def send_metric(event: str, facts: Mapping[str, Any]) -> None:
    """Send the metric of an event, if it has one."""
    metric = METRICS.get(event)
    if metric is None:
        return
    tags = {"operation": str(facts.get("operation", "unknown"))}
    if metric.fact:
        stats.timing(f"{PREFIX}.{metric.name}", float(facts[metric.fact]), tags=tags)
    else:
        stats.incr(f"{PREFIX}.{metric.name}", tags=tags)


def start_metrics() -> None:
    """Send the metrics of this process from now on; Airflow's configuration says whereto, if anywhere."""
    subscribe(send_metric)
