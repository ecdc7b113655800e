"""The doctor on a running Airflow: healthy, and with a DAG paused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from commands.airflow_api import AirflowApi

Start = Callable[..., subprocess.Popen[str]]


def examined(start_command: Start) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    process = start_command("doctor")
    out, errors = process.communicate(timeout=120)
    return process.returncode, out + errors


def test_the_doctor_finds_a_paused_dag_and_nothing_else(start_command: Start, api: AirflowApi) -> None:
    api.trigger("grade_predictions", {"game_date": "2020-01-01"})
    before = examined(start_command)
    api.set_paused("deliver_alerts", True)
    try:
        code, text = examined(start_command)
    finally:
        api.set_paused("deliver_alerts", False)
    assert code == 1
    assert "the DAG deliver_alerts is paused" in text
    # The first examination may come before the first run of the stack has succeeded.
    others = [
        line for line in before[1].splitlines() if "has succeeded ever" not in line and "finding" not in line and "Nothing is wrong" not in line
    ]
    assert others == []
