"""The doctor on a running Airflow: healthy, and with a DAG paused."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from commands.airflow_api import AirflowApi
from commands.stack_config import StackConfig

Start = Callable[..., subprocess.Popen[str]]


def examined(start_command: Start) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    process = start_command("doctor")
    out, errors = process.communicate(timeout=120)
    return process.returncode, out + errors


def test_the_doctor_finds_nothing_on_a_healthy_airflow_and_then_a_paused_dag(start_command: Start, api: AirflowApi, running: StackConfig) -> None:
    address = running.url("airflow")
    run_id = api.trigger("grade_predictions", {"game_date": "2020-01-01"})
    deadline = time.monotonic() + 120
    while (state := api.run("grade_predictions", run_id).state) in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(1)
    assert state == "success", "a day without predictions"
    assert examined(start_command) == (0, f"Nothing is wrong at {address}.\n")
    api.set_paused("deliver_alerts", True)
    try:
        code, text = examined(start_command)
    finally:
        api.set_paused("deliver_alerts", False)
    paused = "the DAG deliver_alerts is paused, so it never runs: `airflow dags unpause deliver_alerts`."
    assert (code, text) == (1, f"{paused}\n1 finding at {address}.\n")
