"""The local stack's state and environment: what is private, what is inherited, and what it says while it starts. No process is started."""

from __future__ import annotations

import socket
import stat
import tempfile
from pathlib import Path

import pytest

from commands import stack as stack_module
from commands.airflow_api import AirflowApi
from commands.stack import Stack
from commands.stack_config import ROOT, StackConfig, StackError


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_shells_airflow_settings_do_not_reach_the_stack_but_for_those_that_are_listed(tmp_path: Path) -> None:
    exported = {
        "AIRFLOW__SECRETS__BACKEND": "the.production.Backend",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": "postgresql+asyncpg://production",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": "{}",
        "AIRFLOW_CONN_SLACK_ALERTS": "slack://production",
        "AIRFLOW_HOME": "/production",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "GRADING_RETRY_SECONDS": "1",
        "PATH": "/usr/bin",
    }
    environment = StackConfig(tmp_path, 18080, settings={"AIRFLOW__METRICS__STATSD_ON": "True"}).environment(exported)
    assert not any("production" in value for value in environment.values())
    assert "AIRFLOW__OPENLINEAGE__TRANSPORT" not in environment
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "8"
    assert environment["AIRFLOW__METRICS__STATSD_ON"] == "True"
    assert (environment["GRADING_RETRY_SECONDS"], environment["PATH"]) == ("1", "/usr/bin")


def test_the_secret_is_made_once_for_its_owner_alone_and_an_empty_one_is_replaced(tmp_path: Path) -> None:
    config = StackConfig(tmp_path / "state", 18080)
    secret = config.environment({})["AIRFLOW__API_AUTH__JWT_SECRET"]
    path = tmp_path / "state" / "jwt_secret"
    assert (len(secret), mode_of(path), mode_of(path.parent)) == (128, 0o600, 0o700)
    assert config.environment({})["AIRFLOW__API_AUTH__JWT_SECRET"] == secret
    path.write_text("", encoding="utf-8")
    assert len(config.environment({})["AIRFLOW__API_AUTH__JWT_SECRET"]) == 128
    assert [entry.name for entry in path.parent.iterdir()] == ["jwt_secret"]


def test_the_state_and_the_socket_are_their_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "prepare_emulator", lambda: None)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    # The folder of a test may already be too long for a socket's path.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="s") as folder:
        state = Path(folder) / "state"
        state.mkdir(mode=0o755)
        short = Stack(StackConfig(state, 18080))
        short._prepare()
        assert short._socket == state / "supervisor.sock"
        assert {mode_of(directory) for directory in (state, state / "logs", state / "airflow")} == {0o700}

    long = Stack(StackConfig(tmp_path / ("long" * 30), 18080))
    long._prepare()
    assert long._socket.parent.parent == tmp_path
    assert mode_of(long._socket.parent) == 0o700
    long._socket.parent.chmod(0o777)
    with pytest.raises(StackError, match="open to others"):
        long._prepare()


def test_a_running_stack_keeps_the_ports_it_was_started_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "prepare_emulator", lambda: None)
    Stack(StackConfig(tmp_path, 18080))._prepare()
    other = Stack(StackConfig(tmp_path, 19090))
    assert other.as_started().config.base == 19090, "nothing runs, so the next start decides"
    monkeypatch.setattr(Stack, "is_running", lambda self: True)
    assert other.as_started().config.base == 18080
    with pytest.raises(StackError, match=r"running already, at http://127\.0\.0\.1:18080"):
        other.up()


def test_a_start_that_takes_too_long_says_what_it_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "READY_SECONDS", 0)
    stack = Stack(StackConfig(tmp_path, 18080))
    monkeypatch.setattr(stack, "_call", lambda name: [])
    with pytest.raises(StackError, match=r"airflow was not ready after 0 s: no DAG is known yet of mine\.py in dags/\. See "):
        stack._await_ready("airflow", lambda: "no DAG is known yet of mine.py in dags/")


def test_airflow_is_ready_once_every_file_has_a_dag_whatever_its_dag_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")}
    monkeypatch.setattr(stack_module.httpx, "get", lambda url, timeout: stack_module.httpx.Response(200, json=healthy))
    monkeypatch.setattr(AirflowApi, "import_errors", lambda self: [])
    files = {str(path) for path in (ROOT / "dags").glob("*.py")}
    stack = Stack(StackConfig(tmp_path, 18080))
    monkeypatch.setattr(AirflowApi, "dag_files", lambda self: files)
    assert stack._missing_of_airflow() == ""
    monkeypatch.setattr(AirflowApi, "dag_files", lambda self: {name for name in files if "review_models" not in name})
    assert stack._missing_of_airflow() == "no DAG is known yet of review_models.py in dags/"


def test_status_fails_when_a_process_of_a_running_stack_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stack_module, "demo_config", lambda: StackConfig(tmp_path / "demo", 18080))
    monkeypatch.setattr(stack_module, "default_config", lambda: StackConfig(tmp_path / "stack", 18080))
    assert stack_module.main(["status"]) == 0
    assert "not running" in capsys.readouterr().out
    monkeypatch.setattr(Stack, "is_running", lambda self: self.config.state.name == "stack")
    monkeypatch.setattr(Stack, "states", lambda self: [("bigquery", "running: pid 1"), ("firestore", "exited: Nov 24")])
    assert stack_module.main(["status"]) == 1
    shown = capsys.readouterr()
    assert "http://127.0.0.1:18080" in shown.out
    assert "firestore does not run" in shown.err


def test_a_command_for_a_stack_whose_bigquery_does_not_answer_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "demo_config", lambda: StackConfig(tmp_path / "demo", 9))
    monkeypatch.setattr(stack_module, "default_config", lambda: StackConfig(tmp_path, 9))
    with pytest.raises(StackError, match="`make up` starts it"):
        stack_module.use_local_stack()
    monkeypatch.setattr(Stack, "is_running", lambda self: True)
    with pytest.raises(StackError, match=r"BigQuery emulator at http://127\.0\.0\.1:10 does not answer"):
        stack_module.use_local_stack()


def test_a_bigquery_that_is_busy_is_not_called_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = StackConfig(tmp_path, silent.getsockname()[1] - 1)
        monkeypatch.setattr(stack_module, "default_config", lambda: config)
        monkeypatch.setattr(Stack, "is_running", lambda self: True)
        monkeypatch.setattr(stack_module, "BUSY_SECONDS", 0.1)
        with pytest.raises(StackError, match=r"did not answer within 0\.1 s\. It may be busy with a long statement: try again"):
            stack_module.use_local_stack()
