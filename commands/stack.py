"""Start and stop the local stack: BigQuery and Firestore emulators, a Slack stand-in, and Airflow, under supervisord.

Usage: python -m commands.stack up | down | status | run COMMAND …      (run: a command in the environment of the running stack)
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from supervisor.xmlrpc import SupervisorTransport

from commands.airflow_api import AirflowApi, AirflowApiError
from commands.console import console, sentences
from commands.stack_config import EMULATOR_HOME, EMULATOR_VENV, PORT_NAMES, ROOT, Program, StackConfig, StackError, is_free, port_base

READY_SECONDS = 240
STOP_SECONDS = 40
LOG_LINES = 15


class Stack:
    """A running or startable stack. ``say`` gets a line for every step worth seeing."""

    def __init__(self, config: StackConfig, say: Callable[[str], None] = lambda line: None) -> None:
        self.config = config
        self.say = say
        digest = hashlib.sha256(str(config.state).encode()).hexdigest()[:12]
        # A socket's path may have about 100 characters, which a checkout's own path can exceed.
        self._socket = Path(tempfile.gettempdir()) / f"nba-grading-{digest}.sock"
        self._logs = config.state / "logs"

    def up(self, *, airflow: bool = True) -> None:
        """Start everything and return when it is ready; on any failure nothing is left running. Raises StackError."""
        if self.is_running():
            raise StackError(f"This stack is running already, at {self.config.url('airflow')}: `make down` stops it.")
        self._refuse_taken_ports()
        self._prepare()
        self.say(f"leases: {'the Firestore emulator' if self.config.has_firestore else 'a SQLite file, as gcloud or Java is missing'}")
        emulators, programs = self.config.emulators(), self.config.airflow() if airflow else []
        try:
            self._start_supervisor([*emulators, *programs])
            self._start(emulators)
            if airflow:
                self._migrate()
            for program in emulators:
                self._await_ready(program.name, partial(_answers, program.ready_url or ""))
            if airflow:
                self._create_schema()
                self._start(programs)
                self._await_ready("airflow", self._airflow_is_ready)
        except BaseException:
            self.down()
            raise

    def down(self) -> bool:
        """Stop everything, within 40 s; False when nothing ran."""
        if not self.is_running():
            return False
        pid = self._call("getPID")
        self._call("shutdown")
        deadline = time.monotonic() + STOP_SECONDS
        while _is_alive(pid):
            if time.monotonic() > deadline:
                raise StackError(f"supervisord ({pid}) did not stop in {STOP_SECONDS} s: see {self._logs / 'supervisord.log'}.")
            time.sleep(0.2)
        return True

    def is_running(self) -> bool:
        """Whether this stack's supervisord answers."""
        try:
            self._call("getState")
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def stop(self, name: str) -> None:
        """Stop one process, as if it had died; ``start`` brings it back."""
        self._call("stopProcess", name)

    def start(self, name: str) -> None:
        """Start a process that was stopped, and return when it is ready."""
        self._call("startProcess", name, False)
        url = next((program.ready_url for program in self.config.emulators() if program.name == name), None)
        if url:
            self._await_ready(name, partial(_answers, url))

    def pids(self) -> list[int]:
        """The processes that supervisord started; none once it stops."""
        if not self.is_running():
            return []
        return [info["pid"] for info in self._call("getAllProcessInfo") if info["pid"]]

    def pid(self, name: str) -> int:
        """The process of that name, which supervisord started."""
        return int(self._call("getProcessInfo", name)["pid"])

    def states(self) -> list[tuple[str, str]]:
        """Each process with its state and what supervisord says of it."""
        return [(info["name"], f"{info['statename'].lower()}: {info['description']}") for info in self._call("getAllProcessInfo")]

    def environment(self) -> dict[str, str]:
        """The environment of the stack's processes."""
        return self.config.environment(os.environ)

    def _call(self, name: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with contextlib.closing(transport):
            return getattr(xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor, name)(*arguments)

    def _refuse_taken_ports(self) -> None:
        for name in PORT_NAMES:
            port = self.config.port(name)
            if not is_free(port):
                raise StackError(
                    f"Port {port} ({name}) is taken: stop what listens there, or set STACK_PORT_BASE to another number "
                    f"(that port and the {len(PORT_NAMES) - 1} behind it are used)."
                )

    def _prepare(self) -> None:
        for directory in (self.config.state, self._logs, self.config.state / "airflow"):
            directory.mkdir(parents=True, exist_ok=True)
        prepare_emulator()

    def _start_supervisor(self, programs: Sequence[Program]) -> None:
        config = self.config.state / "supervisord.conf"
        config.write_text(_supervisor_config(programs, self._socket, self._logs, self.config.state), encoding="utf-8")
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]
        subprocess.run(command, check=True, cwd=ROOT, env=self.environment(), stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        while not self.is_running():
            if time.monotonic() > deadline:
                raise StackError(f"supervisord did not start: see {self._logs / 'supervisord.log'}.")
            time.sleep(0.1)

    def _start(self, programs: Sequence[Program]) -> None:
        for program in programs:
            self._call("startProcess", program.name, False)
            self.say(
                f"started {program.name}, log {self._logs.relative_to(ROOT) if self._logs.is_relative_to(ROOT) else self._logs}/{program.name}.log"
            )

    def _migrate(self) -> None:
        log = self._logs / "db-migrate.log"
        with log.open("w", encoding="utf-8") as file:
            airflow = str(Path(sys.executable).with_name("airflow"))
            done = subprocess.run([airflow, "db", "migrate"], env=self.environment(), stdout=file, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise StackError(f"`airflow db migrate` failed: {_tail(log)}")

    def _create_schema(self) -> None:
        """Before the scheduler: it starts the maintenance DAGs at once."""
        command = [sys.executable, "-m", "commands.schema"]
        environment = {**self.environment(), "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(f"The tables could not be created: {(done.stdout + done.stderr)[-500:]}")

    def _await_ready(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with contextlib.suppress(httpx.HTTPError, AirflowApiError):
                if is_ready():
                    self.say(f"{name} is ready")
                    return
            for info in self._call("getAllProcessInfo"):
                if info["statename"] in ("FATAL", "EXITED"):
                    raise StackError(f"{info['name']} does not run: {_tail(self._logs / (info['name'] + '.log'))}")
            if time.monotonic() > deadline:
                raise StackError(f"{name} was not ready after {READY_SECONDS} s: see {self._logs}.")
            time.sleep(0.3)

    def _airflow_is_ready(self) -> bool:
        health = httpx.get(f"{self.config.url('airflow')}/api/v2/monitor/health", timeout=5)
        components = health.json() if health.is_success else {}
        healthy = [components.get(name, {}).get("status") == "healthy" for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")]
        if not all(healthy):
            return False
        api = AirflowApi(self.config.url("airflow"))
        broken = api.import_errors()
        if broken:
            raise StackError(f"A DAG file cannot be loaded: {broken[0]}")
        # All of them: an event of an asset makes no run of a DAG that is not known yet.
        return all(api.has_dag(path.stem) for path in sorted((ROOT / "dags").glob("*.py")))


def _supervisor_config(programs: Sequence[Program], socket_path: Path, logs: Path, state: Path) -> str:
    head = f"""[unix_http_server]
file={socket_path}
chmod=0700
[supervisord]
logfile={logs}/supervisord.log
pidfile={state}/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    # A group each, so that a stop reaches what the process itself started (gcloud's Java, Airflow's workers).
    parts = [
        f"""[program:{program.name}]
command={shlex.join(program.command).replace("%", "%%")}
autostart=false
autorestart=unexpected
startsecs=3
startretries=1
stopasgroup=true
killasgroup=true
stopwaitsecs=15
redirect_stderr=true
stdout_logfile={logs}/{program.name}.log
"""
        for program in programs
    ]
    return (head + "".join(parts)).replace(str(logs), str(logs).replace("%", "%%"))


def prepare_emulator() -> None:
    """Make sure that the BigQuery emulator is installed and finds its extension. Raises StackError."""
    if not (EMULATOR_VENV / "bin" / "bqemulator").exists():
        raise StackError(f"The BigQuery emulator is not installed in {EMULATOR_VENV}: run `make setup`.")
    if not list(EMULATOR_HOME.rglob("spatial.duckdb_extension")):
        _plant_spatial_extension()


def _plant_spatial_extension() -> None:
    """Put DuckDB's spatial extension, which the emulator loads at start, where DuckDB looks, so that it is not downloaded."""
    script = "import duckdb; print(duckdb.__version__, duckdb.sql('PRAGMA platform').fetchone()[0])"
    told = subprocess.run([str(EMULATOR_VENV / "bin" / "python"), "-c", script], check=True, capture_output=True, text=True)
    version, platform = told.stdout.split()
    found = list(EMULATOR_VENV.rglob("spatial.duckdb_extension"))
    if not found:
        raise StackError(f"DuckDB's spatial extension is not in {EMULATOR_VENV}: run `make setup` again.")
    target = EMULATOR_HOME / ".duckdb" / "extensions" / f"v{version}" / platform
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(found[0], target)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
    return f"its log {log} ends in:\n" + "\n".join(f"    {line}" for line in lines)


def _answers(url: str) -> bool:
    return httpx.get(url, timeout=2).is_success


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def default_config() -> StackConfig:
    """The stack that `make up` serves."""
    return StackConfig(state=ROOT / ".local" / "stack", base=port_base())


def demo_config() -> StackConfig:
    """The stack of `make demo`: emptied at its start, tables in memory."""
    return StackConfig(state=ROOT / ".local" / "demo", base=port_base(), persistent=False)


def use_local_stack() -> None:
    """Point this process's clients at the running local stack; StackError when none runs."""
    os.environ.update(_running(Stack(default_config()), Stack(demo_config())).config.client_environment())


def _running(*stacks: Stack) -> Stack:
    for stack in stacks:
        if stack.is_running():
            return stack
    raise StackError("The local stack does not run: `make up` starts it.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit code is 0, 1 for a StackError, 130 when interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["up", "down", "status", "run"])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    action = given.action
    with sentences() as outcome:
        stack, demo = Stack(default_config(), say=console.print), Stack(demo_config())
        if action == "up":
            stack.up()
            console.print(f"Airflow: {stack.config.url('airflow')}   Slack: {stack.config.url('slack')}   stop: make down", style="bold")
        elif action == "down":
            stopped = [one.down() for one in (stack, demo)]
            console.print("stopped" if any(stopped) else "nothing was running")
        elif action == "run":
            outcome.code = subprocess.run(given.command, env=_running(stack, demo).environment(), check=False).returncode
        else:
            running = [one for one in (stack, demo) if one.is_running()]
            for name, state in [pair for one in running for pair in one.states()]:
                console.print(f"{name:15} {state}")
            if not running:
                console.print("not running")
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
