"""The REST client against an Airflow that is busy, refuses, or is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
import tenacity

from commands.airflow_api import AirflowApi, AirflowApiError

Answer = Callable[[httpx.Request], httpx.Response]
FIRST, LAST = datetime(2026, 1, 4, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda seconds: None)


class Airflow:
    """Answers a path from a list, the last answer again and again; remembers what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "secret-token"})
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def api_of(airflow: Answer) -> AirflowApi:
    return AirflowApi("http://airflow", transport=httpx.MockTransport(airflow))


BUSY = httpx.Response(503, json={"detail": "Backfill creation is not supported on SQLite under concurrent access."})
RUNNING = httpx.Response(409, json={"detail": "There is already a running backfill for dag grade_predictions"})
LOCKED = httpx.Response(500, json={"detail": {"reason": "Database error", "statement": "hidden"}})
CREATED = httpx.Response(200, json={"dag_run_id": "manual__1"})


def test_a_backfill_waits_for_another_one_and_for_a_busy_database_and_says_why() -> None:
    airflow = Airflow(RUNNING, BUSY, LOCKED, CREATED)
    said: list[str] = []
    api_of(airflow).create_backfill("grade_predictions", FIRST, LAST, reprocess="failed", wait_s=60, on_wait=said.append)
    assert len(airflow.asked) == 4
    assert "already a running backfill" in said[0]
    assert "SQLite" in said[1]


def test_a_backfill_gives_up_with_the_reason_once_its_time_is_over() -> None:
    with pytest.raises(AirflowApiError, match="already a running backfill"):
        api_of(Airflow(RUNNING)).create_backfill("grade_predictions", FIRST, LAST, reprocess="failed", wait_s=0.01, on_wait=lambda reason: None)


def test_a_trigger_that_is_tried_again_cannot_start_two_runs() -> None:
    airflow = Airflow(LOCKED, httpx.Response(409, json={"detail": "already exists"}))
    run_id = api_of(airflow).trigger("grade_predictions", {"game_date": "2026-01-04"})
    assert {json.loads(request.content)["dag_run_id"] for request in airflow.asked} == {run_id}


def test_reading_survives_a_busy_server() -> None:
    run = {"dag_run_id": "r", "run_type": "manual", "state": "success", "logical_date": None}
    assert api_of(Airflow(BUSY, httpx.Response(200, json=run))).run("grade_predictions", "r").state == "success"


def test_a_refusal_is_a_sentence_with_airflows_own_words() -> None:
    with pytest.raises(AirflowApiError, match=r"refused GET .*403: no permission"):
        api_of(Airflow(httpx.Response(403, json={"detail": "no permission"}))).run("grade_predictions", "r")


def test_an_airflow_that_is_not_there_is_a_sentence_that_says_how_to_start_it() -> None:
    with pytest.raises(AirflowApiError, match="make up"):
        api_of(Airflow(httpx.ConnectError("refused"))).run("grade_predictions", "r")


def test_all_pages_of_runs_are_read_and_manual_ones_left_out() -> None:
    def entry(number: int, run_type: str = "backfill") -> dict[str, object]:
        return {"dag_run_id": f"r{number}", "run_type": run_type, "state": "success", "logical_date": "2026-01-04T11:00:00Z"}

    pages = [[entry(0), entry(1)], [entry(2, "manual")]]
    airflow = Airflow(*(httpx.Response(200, json={"dag_runs": page, "total_entries": 3}) for page in pages))
    assert [run.run_id for run in api_of(airflow).runs_between("grade_predictions", FIRST, LAST)] == ["r0", "r1"]


def test_a_result_that_is_not_there_yet_is_none() -> None:
    assert api_of(Airflow(httpx.Response(404, json={"detail": "no"}))).result("grade_predictions", "r", "record_run") is None


def test_a_refused_login_says_what_to_set() -> None:
    with pytest.raises(AirflowApiError, match="AIRFLOW_API_TOKEN"):
        AirflowApi("http://airflow", transport=httpx.MockTransport(lambda request: httpx.Response(401, json={}))).run("d", "r")


def test_the_files_of_all_pages_of_dags_are_found() -> None:
    pages = [[{"fileloc": "/dags/one.py"}, {"fileloc": "/dags/two.py"}], [{"fileloc": "/dags/two.py"}]]
    airflow = Airflow(*(httpx.Response(200, json={"dags": page, "total_entries": 3}) for page in pages))
    assert api_of(airflow).dag_files() == {"/dags/one.py", "/dags/two.py"}
