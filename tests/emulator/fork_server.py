"""Processes for tests that kill: a warm one, with its libraries loaded, forks a child for each task, in the time that a task takes.

The warm process has one thread and no client, so its children are whole: each makes its own client and its own lease store. What a
child did comes back as one line of JSON; one that was killed left none. ``python -m tests.emulator.fork_server`` is the warm process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from commands.clients import make_bigquery_client
from commands.stack_config import ROOT, StackConfig
from nba_grading.leases.manager import LeaseManager
from nba_grading.settings import get_settings
from proofs.fault_injection import Fault, FaultyLeaseStore, FaultyWarehouse

# The first word of a statement, after its comments. One that only reads begins with one of two words; a script begins with BEGIN.
FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n)*(\w+)")
READING = ("SELECT", "WITH")


@dataclass(frozen=True)
class End:
    """How a child ended: ``status`` as Popen.returncode, -9 after SIGKILL; the rest is of one that was not killed.

    ``changes`` are those of its statements that are no SELECT: the number and the first word of each, DROP for a dropped table.
    """

    status: int
    statements: int = 0
    changes: Sequence[tuple[int, str]] = ()
    lease_writes: int = 0
    error: str | None = None


class NotingWarehouse(FaultyWarehouse):
    """Notes which of its statements change something: all but a SELECT."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.changes: list[tuple[int, str]] = []

    def _run(self, text: str, *arguments: Any, **keywords: Any) -> Any:
        word = FIRST_WORD.match(text)
        assert word
        if word[1] not in READING:
            self.changes.append((self.statements + 1, word[1]))
        return super()._run(text, *arguments, **keywords)

    def drop_table(self, name: str) -> None:
        """See Warehouse."""
        self.changes.append((self.statements + 1, "DROP"))
        super().drop_table(name)


class ForkServer:
    """The warm process; one child at a time."""

    def __init__(self, emulators: StackConfig, leases: Path) -> None:
        paths = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
        environment = {**os.environ, **emulators.client_environment(), "LEASE_STORE": f"sqlite:///{leases}", "PYTHONPATH": paths}
        command = [sys.executable, "-m", "tests.emulator.fork_server"]
        self._process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, task: str, place: int, params: Mapping[str, Any], fault: Fault | None = None, late_s: float = 0) -> End:
        """Do a task of ``tests/emulator/tasks.py`` in a child, and wait for its end; ``late_s``: how far ahead its store of leases is.

        Each place has leases of its own: all would else wait for the turn to publish that a dead one still holds.
        """
        assert self._process.stdin
        assert self._process.stdout
        request = {"task": task, "place": place, "params": params, "fault": fault and asdict(fault), "late_s": late_s}
        self._process.stdin.write(json.dumps(request, default=str) + "\n")
        self._process.stdin.flush()
        return End(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the warm process."""
        self._process.communicate(timeout=60)


def _serve() -> None:
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            answer = _live(json.loads(line))
            os.write(writing, json.dumps(answer).encode())
            os._exit(1 if answer.get("error") else 0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            answer = json.loads(pipe.read() or "{}")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"status": status, **answer}), flush=True)


def _live(request: dict[str, Any]) -> dict[str, Any]:
    from tests.emulator.tasks import TASKS, Desk

    try:
        fault = Fault(**request["fault"]) if request["fault"] else None
        settings = get_settings()
        warehouse = NotingWarehouse(make_bigquery_client(settings), settings.grading_max_bytes_billed, retry_seconds=30)
        leases = Path(settings.lease_store.removeprefix("sqlite:///")).with_name(f"{request['task']}_{request['place']}.db")
        store = FaultyLeaseStore(leases, rpc_seconds=5, late_s=request["late_s"])
        warehouse.fault = store.fault = fault
        TASKS[request["task"]](Desk(warehouse, LeaseManager(store, settings.lease_times), request["params"]))
        return {"statements": warehouse.statements, "changes": warehouse.changes, "lease_writes": store.writes}
    except BaseException:
        return {"error": traceback.format_exc()}


if __name__ == "__main__":
    from tests.emulator import tasks  # noqa: F401 - loaded once, here

    _serve()
