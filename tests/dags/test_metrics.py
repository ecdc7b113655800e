"""Metrics: made from log events, sent by Airflow's stats, and received over OTLP as they were sent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from commands.stack_config import ROOT
from nba_grading.airflow.metrics import METRICS, PREFIX

# Starts as Airflow's task runner does; then a task waits for a lease, holds it, loses it, and is fenced out.
SCRIPT = """
import sys
from datetime import date
from pathlib import Path
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)

from nba_grading.airflow.metrics import start_metrics
from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import claim_dates
from nba_grading.leases.errors import LeaseHeld, LeaseLost
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from nba_grading.leases.times import LeaseTimes

start_metrics()
log = get_logger("a test")
leases, key = LeaseManager(SqliteLeaseStore(Path(sys.argv[1]), rpc_seconds=5), LeaseTimes()), LeaseKey("consolidation", date(2026, 1, 10))
with leases.try_acquire(key, {}, waited_s=1.5) as lease:
    try:
        leases.try_acquire(key, {})
    except LeaseHeld:
        log.warning("lease_timed_out", operation="consolidation")
    leases.store.delete(key, leases.store.read(key).version)
    try:
        lease.renew()
    except LeaseLost:
        pass
claim_dates(lambda: leases, key.operation, [key.game_date], {}, "degrade", switched_off="by the test")
log.error("fenced_out", operation="consolidation")
log.info("date_published", operation="consolidation", ms=90_000)
for rows in (0, 7):
    log.warning("duplicates_counted", operation="consolidation", rows=rows)
log.info("day_graded", operation="consolidation")
"""


@pytest.fixture
def otlp() -> Iterator[tuple[int, list[bytes]]]:
    """The port of an OTLP receiver over HTTP, and the bodies posted to its /v1/metrics."""
    bodies: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/metrics":
                bodies.append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], bodies
        server.shutdown()


def test_each_metric_arrives_at_an_otlp_receiver_with_its_operation(otlp: tuple[int, list[bytes]], tmp_path: Path) -> None:
    port, bodies = otlp
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / "leases.db")], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = {}
    resources: list[dict[str, str]] = []
    for body in bodies:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            resources.append({entry.key: entry.value.string_value for entry in resource.resource.attributes})
            for metric in [metric for scope in resource.scope_metrics for metric in scope.metrics]:
                found[metric.name] = metric
    # With these two attributes Google's exporter maps a process to a generic_task, which the policies of monitoring/ select.
    assert all(resource["service.name"] and resource["service.instance.id"] for resource in resources)
    points = {}
    for name in [metric.name for metric in METRICS]:
        metric = found[f"airflow.grading.{name}"]
        [point] = getattr(metric, metric.WhichOneof("data")).data_points
        assert {entry.key: entry.value.string_value for entry in point.attributes} == {"operation": "consolidation"}
        points[name] = point
    assert points["lease_wait_ms"].sum == 1500
    assert (points["lease_held_ms"].count, points["lease_held_ms"].sum < 60_000) == (1, True)
    assert points["write_ms"].sum == 90_000
    counted = {name: point.as_int or point.as_double for name, point in points.items() if not name.endswith("_ms")}
    assert counted.pop("duplicates") == 7
    # One request was granted, one timed out, one was written without a lease.
    assert counted.pop("lease_requests") == 3
    assert counted == dict.fromkeys(
        ("day_graded", "lease_acquired", "lease_timeouts", "lease_contention", "lease_lost", "lease_degraded", "fenced_out"), 1
    )


def test_every_metric_is_documented() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [metric.name for metric in METRICS if f"`{PREFIX}.{metric.name}`" not in text] == []
