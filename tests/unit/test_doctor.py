"""The doctor against an Airflow made of dictionaries: nothing on a healthy one, and each planted fault in a sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import tenacity

from commands import doctor
from commands.airflow_api import AirflowApi, AirflowApiError
from commands.doctor import examine
from commands.stack_config import ROOT

Answers = dict[str, Any]
NOW = datetime.now(tz=UTC)
RUN = {"dag_run_id": "scheduled__1", "run_type": "scheduled", "state": "success", "logical_date": None}
HEALTHY: Answers = {
    "/api/v2/monitor/health": {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-01-10T12:00:00Z"},
        "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": "2026-01-10T12:00:00Z"},
        "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": "2026-01-10T12:00:00Z"},
    },
    "/api/v2/importErrors": {"import_errors": []},
    "/api/v2/dags": {"dags": [{"dag_id": path.stem, "is_paused": False} for path in (ROOT / "dags").glob("*.py")], "total_entries": 1},
    "/api/v2/pools": {"pools": [{"name": "default_pool", "slots": 128}, {"name": "grading", "slots": 4}], "total_entries": 2},
    "success": {"dag_runs": [{**RUN, "end_date": str(NOW - timedelta(hours=3))}], "total_entries": 1},
    "queued": {"dag_runs": [], "total_entries": 0},
}


@pytest.fixture(autouse=True)
def in_season(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "is_in_season", lambda _day: True)
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda _seconds: None)


def examined(change: Callable[[Answers], Any] = lambda _answers: None) -> list[str]:
    answers = copy.deepcopy(HEALTHY)
    change(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t"})
        found = answers[request.url.params["state"] if request.url.path.endswith("/dagRuns") else request.url.path]
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

    return examine(AirflowApi("http://airflow", transport=httpx.MockTransport(answer)))


def test_nothing_is_found_on_a_healthy_airflow() -> None:
    assert examined() == []


def pause(dag_id: str) -> Callable[[Answers], Any]:
    return lambda answers: next(entry for entry in answers["/api/v2/dags"]["dags"] if entry["dag_id"] == dag_id).update(is_paused=True)


def lose(dag_id: str) -> Callable[[Answers], Any]:
    return lambda answers: answers["/api/v2/dags"].update(dags=[each for each in answers["/api/v2/dags"]["dags"] if each["dag_id"] != dag_id])


FAULTS: dict[str, tuple[Callable[[Answers], Any], str]] = {
    "silent scheduler": (
        lambda answers: answers["/api/v2/monitor/health"]["scheduler"].update(status="unhealthy"),
        "scheduler is unhealthy; its last heartbeat was at 2026-01-10T12:00:00Z: start it, and see its log.",
    ),
    "no triggerer": (
        lambda answers: answers["/api/v2/monitor/health"].update(triggerer={"status": None, "latest_triggerer_heartbeat": None}),
        "triggerer is not running: start it, and see its log.",
    ),
    "import error": (
        lambda answers: answers["/api/v2/importErrors"].update(import_errors=[{"filename": "a.py", "stack_trace": "x\nImportError: no module"}]),
        "a DAG file cannot be imported: a.py: ImportError: no module",
    ),
    "paused": (pause("deliver_alerts"), "the DAG deliver_alerts is paused, so it never runs: `airflow dags unpause deliver_alerts`."),
    "missing": (lose("heal_grading"), "the DAG heal_grading is missing: deploy dags/heal_grading.py, and see the import errors."),
    "no pool": (
        lambda answers: answers["/api/v2/pools"].update(pools=[{"name": "default_pool", "slots": 128}]),
        "the pool grading is missing, so its tasks never start: `airflow pools set grading 4 ''`.",
    ),
    "no slots": (
        lambda answers: answers["/api/v2/pools"]["pools"][1].update(slots=0),
        "the pool grading has 0 slots, so its tasks never start: give it 4.",
    ),
    "silence": (
        lambda answers: answers["success"]["dag_runs"][0].update(end_date="2026-01-10T12:00:00Z"),
        "no run of grade_predictions has succeeded since 2026-01-10 12:00 UTC, longer than 30 hours: open its newest run.",
    ),
    "never": (
        lambda answers: answers["success"].update(dag_runs=[]),
        "no run of grade_predictions has succeeded ever, longer than 30 hours: open its newest run.",
    ),
    "stuck": (
        lambda answers: answers["queued"].update(dag_runs=[{**RUN, "queued_at": str(NOW - timedelta(hours=1))}]),
        "1 run of grade_predictions queued for more than 30 minutes, the first is scheduled__1: is the scheduler running?",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence(fault: str) -> None:
    change, sentence = FAULTS[fault]
    assert examined(change) == [sentence]


def test_out_of_the_season_silence_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "is_in_season", lambda _day: False)
    assert examined(FAULTS["never"][0]) == []


def test_a_check_that_is_forbidden_is_a_finding_and_the_others_are_made() -> None:
    def forbid(answers: Answers) -> None:
        answers["/api/v2/pools"] = httpx.Response(403, json={"detail": "Forbidden"})
        pause("heal_grading")(answers)

    paused, forbidden = examined(forbid)
    assert "heal_grading is paused" in paused
    assert forbidden.startswith("pools could not be examined: ")


def test_an_airflow_that_does_not_answer_is_an_error() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(AirflowApiError, match="does not answer"):
        examine(AirflowApi("http://airflow", transport=httpx.MockTransport(refuse)))
