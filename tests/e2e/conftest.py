"""A whole stack: the emulators and Airflow's four processes, with a small sample loaded, one session long."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date

import pytest
from google.cloud import bigquery

from commands.airflow_api import AirflowApi
from commands.load import load_directory
from commands.sample import write_sample
from commands.schema import create_schema
from commands.stack import Stack
from commands.stack_config import ROOT, StackConfig, free_port_base
from tests.conftest import bigquery_client_of
from tests.lineage_receiver import LineageReceiver, receive_lineage

DATES = 4
LEASE_STUCK_SECONDS = 45


class StatsdReceiver:
    """Takes StatsD datagrams on a port of its own; ``lines`` are those so far."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        while True:
            self.lines += self._socket.recv(65536).decode().splitlines()


@pytest.fixture(scope="session")
def statsd() -> StatsdReceiver:
    """Where Airflow's metrics go."""
    return StatsdReceiver()


@pytest.fixture(scope="session")
def lineage() -> Iterator[LineageReceiver]:
    """Where OpenLineage's events go."""
    with receive_lineage() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, statsd: StatsdReceiver, lineage: LineageReceiver) -> Iterator[Stack]:
    """The stack, ready, with four dates of about 300 predictions; the last has no box score yet."""
    state = tmp_path_factory.mktemp("e2e")
    metrics = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(statsd.port), "STATSD_INFLUXDB_ENABLED": "True"}
    settings = {f"AIRFLOW__METRICS__{name}": value for name, value in metrics.items()} | {"AIRFLOW__OPENLINEAGE__TRANSPORT": lineage.transport}
    stack = Stack(StackConfig(state=state / "stack", base=free_port_base(), persistent=False, settings=settings))
    with pytest.MonkeyPatch.context() as environment:
        # What the tests of DAGs set for their own process would reach the stack when both are run at once.
        environment.delenv("GRADING_RETRIES", raising=False)
        # The page's tests change what it shows.
        environment.setenv("GRADING_PAGE_CACHE_SECONDS", "3")
        # A lease that nobody renews is stuck after 45 s, and the sample's days are small.
        environment.setenv("LEASE_STUCK_SECONDS", str(LEASE_STUCK_SECONDS))
        environment.setenv("GRADING_QUALITY_THRESHOLDS", '{"predictions_per_game": {"warn_below": 10}}')
        stack.up()
    try:
        client = bigquery_client_of(stack.config)
        create_schema(client)
        write_sample(state / "sample", seed=11, dates=DATES, predictions=300)
        load_directory(client, state / "sample")
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def running(stack: Stack) -> StackConfig:
    """The stack's ports and environment."""
    return stack.config


@pytest.fixture(scope="session")
def client(running: StackConfig) -> bigquery.Client:
    """BigQuery of the stack."""
    return bigquery_client_of(running)


@pytest.fixture(scope="session")
def api(running: StackConfig) -> AirflowApi:
    """Airflow of the stack."""
    return AirflowApi(running.url("airflow"))


@pytest.fixture(scope="session")
def dates(client: bigquery.Client) -> list[date]:
    """The dates with predictions, in order."""
    rows = client.query("SELECT DISTINCT game_date FROM nba_predictions.player_prop_predictions ORDER BY game_date").result(timeout=60)
    return [row["game_date"] for row in rows]


@pytest.fixture
def start_command(running: StackConfig) -> Callable[..., subprocess.Popen[str]]:
    """Start ``python -m commands.<name>`` with arguments, as a shell would."""

    def start(name: str, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            **running.client_environment(),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]),
            "STACK_PORT_BASE": str(running.base),
        }
        command = [sys.executable, "-m", f"commands.{name}", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start
