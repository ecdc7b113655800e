"""The stack's own manners: it says what is wrong, and leaves no process behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from commands.stack import Stack
from commands.stack_config import ROOT, StackConfig, StackError, free_port_base, port_base

# A shell starts its background jobs with SIGINT ignored, which children inherit: without the first line a Ctrl-C would not arrive.
UP = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
UP += "import sys; from pathlib import Path; from commands.stack import Stack; from commands.stack_config import StackConfig; "
UP += "Stack(StackConfig(Path(sys.argv[1]), int(sys.argv[2]), persistent=False), print).up(); print('UP', flush=True)"


def processes_of(state: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(state) in process.environ().get("SLACK_SINK_FILE", "") or str(state) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.pid != os.getpid()]


def command_lines(state: Path) -> Iterator[list[str]]:
    for process in processes_of(state):
        with contextlib.suppress(psutil.Error):
            yield process.cmdline()


def kill_all(state: Path) -> None:
    """Kill every process of the stacks below a directory."""
    while left := processes_of(state):
        # In the order in which they were started: supervisord before what it would start again.
        for process in sorted(left, key=lambda each: each.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)


@pytest.fixture(autouse=True)
def leave_no_process(tmp_path: Path) -> Iterator[None]:
    """A test that fails half way leaves no stack running for hours."""
    yield
    kill_all(tmp_path)


def test_a_taken_port_is_refused_with_a_sentence(tmp_path: Path) -> None:
    base = free_port_base()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 1))
        taken.listen()
        with pytest.raises(StackError, match=rf"Port {base + 1} \(bigquery\) is taken.*STACK_PORT_BASE"):
            Stack(StackConfig(tmp_path, base)).up(airflow=False)


@pytest.mark.parametrize("value", ["http", "80", "70000", "-1"])
def test_an_impossible_port_base_is_refused_with_a_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_PORT_BASE", value)
    with pytest.raises(StackError, match="STACK_PORT_BASE"):
        port_base()


def test_two_stacks_run_side_by_side_and_stop_without_leaving_a_process(tmp_path: Path) -> None:
    first = Stack(StackConfig(tmp_path / "first", free_port_base(), persistent=False))
    first.up(airflow=False)
    second = Stack(StackConfig(tmp_path / "second", free_port_base(), persistent=False))
    second.up(airflow=False)
    assert processes_of(tmp_path / "first")
    assert processes_of(tmp_path / "second")
    assert first.down()
    assert second.down()
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("started", ["bqemulator", "api-server"])
def test_ctrl_c_while_starting_leaves_no_process(tmp_path: Path, started: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    command = [sys.executable, "-c", UP, str(tmp_path / "stack"), str(free_port_base())]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not any(started in " ".join(each) for each in command_lines(tmp_path / "stack")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=90)
    assert process.returncode != 0
    assert "UP" not in out
    assert processes_of(tmp_path / "stack") == []


def test_a_stack_that_a_failing_test_leaves_running_is_killed(tmp_path: Path) -> None:
    Stack(StackConfig(tmp_path / "stack", free_port_base(), persistent=False)).up(airflow=False)
    assert processes_of(tmp_path)
    kill_all(tmp_path)
    assert processes_of(tmp_path) == []
