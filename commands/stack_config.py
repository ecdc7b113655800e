"""The local stack's processes, ports and environment: everything real but the cloud.

Ports are STACK_PORT_BASE (8080) and the seven after it, so a second checkout needs one other number. All state is in .local/, readable by
its owner alone.

The stack's processes inherit the environment of the shell, but of ``AIRFLOW__*`` and ``AIRFLOW_CONN_*`` only what INHERITED lists: a
secrets backend, a lineage or metrics receiver, or a connection of a production Airflow must not reach the local one. A caller that wants
another of Airflow's settings gives it as ``StackConfig.settings``.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "nba-local"
PORT_NAMES = ("airflow", "bigquery", "bigquery_grpc", "firestore", "slack", "worker_log", "trigger_log", "pubsub")
# Setting → the topic or subscription of the local stack. A subscription has the name of its topic.
TOPICS = {"SUBSCRIPTION": "nba-grading-trigger", "DEAD_LETTER_TOPIC": "nba-grading-refused", "COMPLETE_TOPIC": "nba-grading-complete"}
AIRFLOW_PROGRAMS = ("api-server", "scheduler", "dag-processor", "triggerer")
# Airflow's settings that a shell may change for the local stack, with the values they have here: its speed and what it shows.
INHERITED = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    # How late a worker may notice that a task's process has ended: five seconds of a slot by default.
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # How long a failing task may take to send its alert.
    "AIRFLOW__CORE__TASK_SUCCESS_OVERTIME": "60",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
}
EMULATOR_VENV = ROOT / ".local" / "emulator-venv"
EMULATOR_HOME = ROOT / ".local" / "emulator-home"


class StackError(RuntimeError):
    """The stack cannot run; the message says why and what to do."""


@dataclass(frozen=True)
class Program:
    """One process of the stack: its command line, and the URL that answers once it is ready (none: the API's health says so)."""

    name: str
    command: tuple[str, ...]
    ready_url: str | None = None


def port_base() -> int:
    """STACK_PORT_BASE, 8080 when not set; StackError when it is not a port with enough ports after it."""
    given = os.environ.get("STACK_PORT_BASE", "8080")
    if not given.isdigit() or not 1024 <= int(given) <= 65535 - len(PORT_NAMES):
        raise StackError(f"STACK_PORT_BASE={given!r} cannot be used: give a number from 1024 to {65535 - len(PORT_NAMES)}, such as 18080.")
    return int(given)


def free_port_base() -> int:
    """The first of as many free ports in a row as a stack uses."""
    for _ in range(100):
        # Below the ports that Linux gives to outgoing connections, any of which could take one meanwhile.
        base = random.randint(15_000, 32_000)
        if all(is_free(base + offset) for offset in range(len(PORT_NAMES))):
            return base
    raise StackError("No free ports were found on this machine.")


def slack_connection(url: str) -> dict[str, Any]:
    """The Airflow connection to Slack's stand-in at that address."""
    return {"conn_type": "slack", "password": "xoxb-local", "extra": {"base_url": f"{url}/api/"}}


def is_free(port: int) -> bool:
    """Whether a server can listen on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True)
class StackConfig:
    """One stack: its state directory, its first port, and whether BigQuery keeps its tables on disk or, faster, in memory.

    ``settings`` are further environment variables of its processes. Two configs with other ports and directories run side by side.
    """

    state: Path
    base: int
    persistent: bool = True
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)

    def port(self, name: str) -> int:
        """The port of a service of PORT_NAMES."""
        return self.base + PORT_NAMES.index(name)

    def url(self, name: str) -> str:
        """The local URL of a service."""
        return f"http://127.0.0.1:{self.port(name)}"

    @cached_property
    def has_firestore(self) -> bool:
        """Whether the official Firestore emulator can run here: it needs gcloud and Java."""
        return shutil.which("gcloud") is not None and shutil.which("java") is not None

    @cached_property
    def has_pubsub(self) -> bool:
        """Whether gcloud's Pub/Sub emulator can run here: its component has to be installed."""
        gcloud = shutil.which("gcloud")
        return self.has_firestore and (Path(str(gcloud)).resolve().parents[1] / "platform" / "pubsub-emulator").is_dir()

    @property
    def buckets(self) -> Path:
        """Where the emulator puts gs:// files: a folder per bucket."""
        return self.state / "buckets"

    @property
    def lease_store(self) -> str:
        """LEASE_STORE of this stack: Firestore, or a SQLite file where its emulator cannot run."""
        return "firestore" if self.has_firestore else f"sqlite:///{self.state / 'leases.db'}"

    def emulators(self) -> list[Program]:
        """BigQuery, Slack's stand-in, and Firestore where it can run."""
        kept = ("--persistent", "--data-dir", str(self.state / "bigquery")) if self.persistent else ("--ephemeral",)
        bigquery = Program(
            "bigquery",
            (
                *("env", f"HOME={EMULATOR_HOME}", "BQEMU_ENABLE_FORMAT_EXTENSIONS=false", "BQEMU_QUERY_CACHE_TTL_SECONDS=0"),
                *(f"BQEMU_GCS_LOCAL_ROOT={self.buckets}", str(EMULATOR_VENV / "bin" / "bqemulator"), "start", *kept),
                *("--rest-port", str(self.port("bigquery")), "--grpc-port", str(self.port("bigquery_grpc")), "--log-level", "warning"),
            ),
            f"{self.url('bigquery')}/readyz",
        )
        firestore = Program(
            "firestore",
            ("gcloud", "emulators", "firestore", "start", f"--host-port=127.0.0.1:{self.port('firestore')}"),
            self.url("firestore"),
        )
        slack = Program(
            "slack",
            (sys.executable, "-m", "uvicorn", "commands.slack_sink:app", "--port", str(self.port("slack")), "--log-level", "warning"),
            f"{self.url('slack')}/health",
        )
        pubsub = Program(
            "pubsub",
            ("gcloud", "beta", "emulators", "pubsub", "start", f"--host-port=127.0.0.1:{self.port('pubsub')}", f"--project={PROJECT}"),
            self.url("pubsub"),
        )
        return [bigquery, *([firestore] if self.has_firestore else []), *([pubsub] if self.has_pubsub else []), slack]

    def airflow(self) -> list[Program]:
        """Airflow's four processes, each with its own log."""
        airflow = str(Path(sys.executable).with_name("airflow"))
        # Their log servers would listen on every address; on one machine the API server reads the log files itself.
        quiet = {"scheduler": ("--skip-serve-logs",), "triggerer": ("--skip-serve-logs",)}
        return [Program(name, (airflow, name, *quiet.get(name, ()))) for name in AIRFLOW_PROGRAMS]

    def client_environment(self) -> dict[str, str]:
        """What a client of the stack needs: the emulators' addresses and the project."""
        firestore = {"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{self.port('firestore')}"} if self.has_firestore else {}
        topics = {f"GRADING_PUBSUB_{name}": topic for name, topic in TOPICS.items()}
        pubsub = {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{self.port('pubsub')}", **topics} if self.has_pubsub else {}
        return {
            "BIGQUERY_EMULATOR_HOST": self.url("bigquery"),
            "GRADING_PROJECT": PROJECT,
            "LEASE_STORE": self.lease_store,
            "AIRFLOW_API_URL": self.url("airflow"),
            **firestore,
            **pubsub,
        }

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment of every process of the stack: ``inherited`` as far as this module's docstring says, and what the stack sets."""
        home = self.state / "airflow"
        fixed = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url('airflow')}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port("airflow")),
            "AIRFLOW__API__BASE_URL": f"http://localhost:{self.port('airflow')}",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.port("worker_log")),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self.port("trigger_log")),
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secret(),
            "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(
                {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": PROJECT}}
            ),
            "AIRFLOW_CONN_SLACK_DEFAULT": json.dumps(slack_connection(self.url("slack"))),
            "SLACK_SINK_FILE": str(self.state / "slack.jsonl"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "commands" / "airflow_settings")]),
            "PYTHONUNBUFFERED": "1",
            **self.client_environment(),
        }
        kept = {name: value for name, value in inherited.items() if name in INHERITED or not name.startswith(("AIRFLOW__", "AIRFLOW_CONN_"))}
        return {**INHERITED, "GRADING_RETRY_SECONDS": "5", **kept, **self.settings, **fixed}

    def _secret(self) -> str:
        path = self.state / "jwt_secret"
        if not path.exists() or not path.stat().st_size:
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Replaced as a whole, so that a kill leaves no empty secret.
            descriptor, temporary = tempfile.mkstemp(dir=self.state)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(secrets.token_hex(64))
            os.replace(temporary, path)
        return path.read_text(encoding="utf-8")


def default_config() -> StackConfig:
    """The stack that `make up` serves."""
    return StackConfig(state=ROOT / ".local" / "stack", base=port_base())


def demo_config() -> StackConfig:
    """The stack of `make demo`: emptied at its start, tables in memory."""
    return StackConfig(state=ROOT / ".local" / "demo", base=port_base(), persistent=False)
