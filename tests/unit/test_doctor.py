"""The doctor against an Airflow made of dictionaries: nothing on a healthy one, and each planted fault in a sentence."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
    "few slots": (
        lambda answers: answers["/api/v2/pools"]["pools"][1].update(slots=1),
        "the pool grading has 1 slot, so fewer dates are written at a time: give it 4.",
    ),
    "silence": (
        lambda answers: answers["success"]["dag_runs"][0].update(end_date="2026-01-10T12:00:00Z"),
        "no run of grade_predictions has succeeded since 2026-01-10 12:00 UTC, for more than 30 hours: open its newest run.",
    ),
    "never": (
        lambda answers: answers["success"].update(dag_runs=[]),
        "no run of grade_predictions has succeeded yet: open its newest run.",
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


@pytest.mark.parametrize(("ago", "findings"), [(timedelta(hours=30, minutes=20), 0), (timedelta(hours=30, minutes=40), 1)])
def test_a_run_that_waited_for_box_scores_as_long_as_it_may_has_time_to_grade(ago: timedelta, findings: int) -> None:
    assert len(examined(lambda answers: answers["success"]["dag_runs"][0].update(end_date=str(datetime.now(tz=UTC) - ago)))) == findings


def test_the_queue_of_a_long_backfill_is_no_fault() -> None:
    waiting = {**RUN, "run_type": "backfill", "queued_at": str(NOW - timedelta(hours=1))}
    assert examined(lambda answers: answers["queued"].update(dag_runs=[waiting])) == []


def test_an_answer_of_another_version_is_a_finding_in_one_line_and_the_others_are_made() -> None:
    def change(answers: Answers) -> None:
        answers["/api/v2/pools"] = {"pools": [{"name": "grading"}], "total_entries": 1}
        answers["/api/v2/importErrors"] = httpx.Response(500, json={"detail": "first line\nsecond line"})

    errors, pools = examined(change)
    assert errors.startswith("import errors could not be examined: ")
    assert errors.endswith("first line second line")
    assert pools == "pools could not be examined: its answer is not Airflow 3.3's (KeyError: 'slots')"


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


SIGN_IN = b"<html>Sign in</html>"
# Airflow may be missing where cron runs the doctor.
WITHOUT_AIRFLOW = "import sys; sys.modules['airflow'] = None; from commands.doctor import main; sys.exit(main())"


def run_as_cron(answers: Answers | bytes, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the doctor in a process of its own, without Airflow, against a server with these answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if isinstance(answers, bytes):
                body = answers
            else:
                known = {**answers, "/auth/token": {"access_token": "t"}}
                body = json.dumps(known[parse_qs(url.query)["state"][0] if url.path.endswith("/dagRuns") else url.path]).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_API_")}
        environment |= {"PYTHONPATH": f"{ROOT}/plugins:{ROOT}", "AIRFLOW_API_URL": f"http://127.0.0.1:{server.server_address[1]}"}
        command = [sys.executable, "-c", WITHOUT_AIRFLOW, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr
    finally:
        server.shutdown()
        server.server_close()


def test_it_runs_where_airflow_is_not_installed_and_its_exit_code_says_what_it_found() -> None:
    code, out, errors = run_as_cron(HEALTHY)
    assert (code, errors) == (0, "")
    assert out.startswith("Nothing is wrong at http://127.0.0.1:")

    answers = copy.deepcopy(HEALTHY)
    pause("deliver_alerts")(answers)
    code, out, errors = run_as_cron(answers)
    assert (code, out) == (1, "")
    assert errors.splitlines()[0] == FAULTS["paused"][1]
    assert errors.splitlines()[1].startswith("1 finding at http://127.0.0.1:")
    code, out, _ = run_as_cron(answers, "--json")
    assert (code, json.loads(out)) == (1, [FAULTS["paused"][1]])


def test_a_login_page_in_front_of_airflow_is_a_sentence() -> None:
    code, out, errors = run_as_cron(SIGN_IN, "--json")
    assert code == 1
    [finding] = json.loads(out)
    assert "answered GET /auth/token with something that is not Airflow's" in finding
    assert "Traceback" not in errors
