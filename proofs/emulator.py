"""A single emulator for one proof, clients of Firestore's emulator, and a lease store that counts its calls."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from google.cloud import firestore

from commands.clients import make_firestore_client
from commands.console import CommandError
from commands.stack_config import PORT_NAMES, StackConfig, free_port_base
from nba_grading.leases.store import LeaseKey, LeaseRecord, WriteResult
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.settings import read_settings

READY_SECONDS = 60
STOP_SECONDS = 10
OWNER = {
    "dag_id": "grade_predictions",
    "run_id": "scheduled__2026-01-10T16:00:00+00:00",
    "task_id": "grade",
    "try_number": 1,
    "hostname": "worker-1",
    "log_url": "http://localhost:8080/log",
}


@contextmanager
def firestore_emulator(state: Path) -> Iterator[int]:
    """The port of a new Firestore emulator, which ends with the context; its log is in ``state``. Raises CommandError."""
    config = StackConfig(state=state, base=_free_port() - PORT_NAMES.index("firestore"))
    if not config.has_firestore:
        raise CommandError("The Firestore emulator cannot run here: it needs gcloud and Java.")
    with _running("firestore", config):
        yield config.port("firestore")


@contextmanager
def bigquery_emulator(state: Path) -> Iterator[tuple[StackConfig, int]]:
    """A new BigQuery emulator with tables on disk in ``state``: its addresses and process id. Raises CommandError, StackError."""
    from commands.bigquery_emulator import prepare_emulator

    prepare_emulator()
    config = StackConfig(state=state, base=free_port_base())
    with _running("bigquery", config) as process:
        yield config, process.pid


@contextmanager
def _running(name: str, config: StackConfig) -> Iterator[subprocess.Popen[bytes]]:
    program = next(program for program in config.emulators() if program.name == name)
    config.state.mkdir(parents=True, exist_ok=True)
    log = config.state / f"{name}.log"
    with log.open("wb") as output:
        # A new session, because gcloud starts a shell and Java, and the signal has to reach all of them.
        process = subprocess.Popen(program.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        _await_ready(name, process, program.ready_url or "", log)
        yield process
    finally:
        _end_group(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).is_success:
                return
        time.sleep(0.1)
    raise CommandError(f"The {name} emulator did not start: see {log}.")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_SECONDS)


def client_of(port: int) -> firestore.Client:
    """A client of the emulator, or of a proxy in front of it, at a local port."""
    # The library reads the variable only when it builds a client.
    with patch.dict(os.environ, {"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{port}"}):
        return make_firestore_client(read_settings({}))


def hide_lease_warnings() -> None:
    """Hide warnings of takeovers and lost calls, which the proofs cause on purpose."""
    logging.getLogger("nba_grading").setLevel(logging.CRITICAL + 1)
    # A watch whose server was killed warns when it is closed.
    logging.getLogger("google.api_core.bidi").setLevel(logging.ERROR)


class CountingStore(FirestoreLeaseStore):
    """Counts its verbs in ``calls``, each of which is one call on the wire; ``watched`` is called after each report of a watch."""

    def __init__(self, client: firestore.Client, *, rpc_seconds: float, watched: Callable[[], None] = lambda: None) -> None:
        super().__init__(client, rpc_seconds=rpc_seconds)
        self.calls: Counter[str] = Counter()
        self._watched = watched
        self._mutex = threading.Lock()

    @property
    def unary_calls(self) -> int:
        """Calls other than watches."""
        return self.calls.total() - self.calls["watch"]

    def create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        """See LeaseStore."""
        self._count("create")
        return super().create(key, fields)

    def read(self, key: LeaseKey) -> LeaseRecord | None:
        """See LeaseStore."""
        self._count("read")
        return super().read(key)

    def replace(self, key: LeaseKey, version: Any, fields: Mapping[str, Any]) -> WriteResult:
        """See LeaseStore."""
        self._count("replace")
        return super().replace(key, version, fields)

    def delete(self, key: LeaseKey, version: Any) -> None:
        """See LeaseStore."""
        self._count("delete")
        super().delete(key, version)

    @contextmanager
    def watch(self, key: LeaseKey, on_change: Callable[[LeaseRecord | None], None]) -> Iterator[None]:
        """See LeaseStore."""

        def changed(record: LeaseRecord | None) -> None:
            on_change(record)
            self._watched()

        self._count("watch")
        with super().watch(key, changed):
            yield

    def _count(self, verb: str) -> None:
        with self._mutex:
            self.calls[verb] += 1
