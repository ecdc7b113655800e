"""Start and stop the local stack: BigQuery and Firestore emulators, a Slack stand-in, and Airflow, under supervisord.

Usage: python -m commands.stack up | down | status | run COMMAND …      (run: a command in the environment of the running stack)
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import typer
from supervisor.xmlrpc import SupervisorTransport

from commands.airflow_api import AirflowApi, AirflowApiError
from commands.bigquery_emulator import prepare_emulator
from commands.console import command, console
from commands.pubsub import create_topics
from commands.stack_config import (
    AIRFLOW_PROGRAMS,
    PORT_NAMES,
    ROOT,
    Program,
    StackConfig,
    StackError,
    default_config,
    demo_config,
    is_free,
)
from commands.supervisor import make_private, socket_path, supervisor_config

READY_SECONDS = 240
STOP_SECONDS = 60
# BigQuery's emulator answers nothing, not even this, while it parses or runs a statement.
BUSY_SECONDS = 30
LOG_LINES = 15
ACTIVE = ("RUNNING", "STARTING", "STOPPING", "BACKOFF")


class Stack:
    """A running or startable stack. ``say`` gets a line for each step."""

    def __init__(self, config: StackConfig, say: Callable[[str], None] = lambda line: None) -> None:
        self.config = config
        self.say = say
        self._socket = socket_path(config.state)
        self._base_file = config.state / "port_base"
        self._logs = config.state / "logs"

    def up(self, *, airflow: bool = True) -> None:
        """Start everything and return when it is ready; on any failure nothing is left running. Raises StackError."""
        if self.is_running():
            raise StackError(f"This stack is running already, at {self.as_started().config.url('airflow')}: `make down` stops it.")
        self._refuse_taken_ports()
        self._prepare()
        self.say(f"leases: {'the Firestore emulator' if self.config.has_firestore else 'a SQLite file, as gcloud or Java is missing'}")
        self.say(f"messages: {'the Pub/Sub emulator' if self.config.has_pubsub else 'off, as the component pubsub-emulator of gcloud is missing'}")
        emulators, programs = self.config.emulators(), self.config.airflow() if airflow else []
        try:
            self._start_supervisor([*emulators, *programs])
            self._start(emulators)
            if airflow:
                self._migrate()
            for program in emulators:
                self._await_ready(program.name, partial(_no_answer, program.ready_url or ""))
            if self.config.has_pubsub:
                create_topics(self.config.port("pubsub"))
            if airflow:
                self._create_schema()
                self._start(programs)
                self._await_ready("airflow", self._missing_of_airflow)
        except BaseException:
            self.down()
            raise

    def down(self) -> bool:
        """Stop everything, Airflow before the emulators it uses, within 60 s; False when nothing ran. Raises StackError."""
        if not self.is_running():
            return False
        pid = self._call("getPID")
        deadline = time.monotonic() + STOP_SECONDS
        running = [info["name"] for info in self._call("getAllProcessInfo") if info["statename"] in ACTIVE]
        for names in (set(running) & set(AIRFLOW_PROGRAMS), set(running) - set(AIRFLOW_PROGRAMS)):
            self._stop_together(names, deadline)
        self._call("shutdown")
        while _is_alive(pid):
            self._check_stopping(deadline, f"supervisord ({pid})")
            time.sleep(0.1)
        return True

    def _stop_together(self, names: set[str], deadline: float) -> None:
        for name in names:
            # One that ended meanwhile is not running any more.
            with contextlib.suppress(xmlrpc.client.Fault):
                self._call("stopProcess", name, False)
        while names:
            active = {info["name"] for info in self._call("getAllProcessInfo") if info["statename"] in ACTIVE}
            for name in sorted(names - active):
                self.say(f"stopped {name}")
            names = names & active
            self._check_stopping(deadline, ", ".join(sorted(names)))
            time.sleep(0.1)

    def _check_stopping(self, deadline: float, what: str) -> None:
        if time.monotonic() > deadline:
            raise StackError(f"{what} did not stop in {STOP_SECONDS} s: see {self._logs / 'supervisord.log'}, and run `make down` again.")

    def as_started(self) -> Stack:
        """This stack with the ports that it was started with, whatever STACK_PORT_BASE is now; itself if it does not run."""
        if not self._base_file.exists() or not self.is_running():
            return self
        return Stack(dataclasses.replace(self.config, base=int(self._base_file.read_text(encoding="utf-8"))), self.say)

    @property
    def addresses(self) -> str:
        """Its pages, and how to stop it, in a line."""
        return f"Airflow: {self.config.url('airflow')}   Slack: {self.config.url('slack')}   stop: make down"

    def is_running(self) -> bool:
        """Whether this stack's supervisord answers."""
        try:
            self._call("getState")
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def stop(self, name: str) -> None:
        """Stop one process, as if it had died; ``start`` starts it again."""
        self._call("stopProcess", name)

    def start(self, name: str) -> None:
        """Start a process that was stopped, and return when it is ready."""
        self._call("startProcess", name, False)
        url = next((program.ready_url for program in self.config.emulators() if program.name == name), None)
        if url:
            self._await_ready(name, partial(_no_answer, url))

    def pids(self) -> list[int]:
        """The processes that supervisord started; none once it stops."""
        if not self.is_running():
            return []
        return [info["pid"] for info in self._call("getAllProcessInfo") if info["pid"]]

    def pid(self, name: str) -> int:
        """The process of that name, which supervisord started."""
        return int(self._call("getProcessInfo", name)["pid"])

    def states(self) -> list[tuple[str, str]]:
        """Each process with its state and supervisord's description of it."""
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
                    f"(that port and the {len(PORT_NAMES) - 1} after it are used)."
                )

    def _prepare(self) -> None:
        for directory in (self.config.state, self._logs, self.config.state / "airflow"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
        make_private(self._socket.parent)
        self._base_file.write_text(str(self.config.base), encoding="utf-8")
        prepare_emulator()

    def _start_supervisor(self, programs: Sequence[Program]) -> None:
        config = self.config.state / "supervisord.conf"
        config.write_text(supervisor_config(programs, self._socket, self._logs, self.config.state), encoding="utf-8")
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

    def _await_ready(self, name: str, missing_of: Callable[[], str]) -> None:
        """Wait until ``missing_of`` returns an empty string; it says what is still missing. Raises StackError, with that, after a while."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                missing = missing_of()
            except (httpx.HTTPError, AirflowApiError) as error:
                missing = str(error)
            if not missing:
                self.say(f"{name} is ready")
                return
            for info in self._call("getAllProcessInfo"):
                if info["statename"] in ("FATAL", "EXITED"):
                    raise StackError(f"{info['name']} does not run: {_tail(self._logs / (info['name'] + '.log'))}")
            if time.monotonic() > deadline:
                raise StackError(f"{name} was not ready after {READY_SECONDS} s: {missing}. See {self._logs}.")
            time.sleep(0.3)

    def _missing_of_airflow(self) -> str:
        health = httpx.get(f"{self.config.url('airflow')}/api/v2/monitor/health", timeout=5)
        components = health.json() if health.is_success else {}
        names = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        unwell = [name for name in names if components.get(name, {}).get("status") != "healthy"]
        if unwell:
            return f"not healthy: {', '.join(unwell)}"
        api = AirflowApi(self.config.url("airflow"))
        broken = api.import_errors()
        if broken:
            raise StackError(f"A DAG file cannot be loaded: {broken[0]}")
        # All of them: an event of an asset makes no run of a DAG that is not known yet.
        files = {path.name for path in (ROOT / "dags").glob("*.py")}
        unparsed = sorted(files - {Path(name).name for name in api.dag_files()})
        return f"no DAG is known yet of {', '.join(unparsed)} in dags/" if unparsed else ""


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
    return f"its log {log} ends in:\n" + "\n".join(f"    {line}" for line in lines)


def _no_answer(url: str) -> str:
    return "" if httpx.get(url, timeout=2).is_success else f"{url} refuses to answer"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def use_local_stack() -> None:
    """Point this process's clients at the running local stack; StackError when none runs, or its BigQuery does not answer."""
    config = local_stack().config
    what = f"The local stack runs, but its BigQuery emulator at {config.url('bigquery')}"
    try:
        httpx.get(f"{config.url('bigquery')}/readyz", timeout=BUSY_SECONDS).raise_for_status()
    except httpx.TimeoutException:
        raise StackError(
            f"{what} did not answer within {BUSY_SECONDS} s. It may be busy with a long statement: try again. "
            "If it stays silent, `make down` and `make up` start it again."
        ) from None
    except httpx.HTTPError:
        raise StackError(f"{what} does not answer: `make status` shows the processes, `make down` and `make up` start them again.") from None
    os.environ.update(config.client_environment())


def local_stack() -> Stack:
    """The running stack of `make up`, or else of `make demo`, with its own ports; StackError when none runs."""
    for stack in (Stack(default_config()), Stack(demo_config())):
        if stack.is_running():
            return stack.as_started()
    raise StackError("The local stack does not run: `make up` starts it.")


def _print_status(running: Sequence[Stack]) -> None:
    """The processes and addresses of each stack that runs. Raises StackError when one of its processes does not."""
    if not running:
        console.print("not running")
    for stack in running:
        states = stack.states()
        for name, state in states:
            console.print(f"{name:15} {state}", markup=False)
        console.print(stack.addresses)
        dead = [name for name, state in states if not state.startswith(("running", "starting"))]
        if dead:
            raise StackError(f"{', '.join(dead)} does not run: `make down` and `make up` start it again.")


@command(ignore_unknown_options=True, allow_interspersed_args=False)
def main(
    action: Literal["up", "down", "status", "run"], command_line: Annotated[list[str] | None, typer.Argument(help="What `run` runs.")] = None
) -> int:
    """Command line; the exit code is 0, 1 for a StackError, 130 when interrupted, or that of the command that was run."""
    stack, demo = (Stack(config, say=console.print) for config in (default_config(), demo_config()))
    if action == "up":
        stack.up()
        console.print(stack.addresses, style="bold")
    elif action == "down":
        stopped = [one.down() for one in (stack, demo)]
        console.print("stopped" if any(stopped) else "nothing was running")
    elif action == "run":
        return subprocess.run(command_line or [], env=local_stack().environment(), check=False).returncode
    else:
        _print_status([one.as_started() for one in (stack, demo) if one.is_running()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
