"""The REST client against an Airflow that is busy, refuses, or is not there."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
import tenacity

from commands import airflow_api
from commands.airflow_api import AirflowApi, AirflowApiError

Answer = Callable[[httpx.Request], httpx.Response]


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


BUSY = httpx.Response(503, json={"detail": "Service Unavailable"})
LOCKED = httpx.Response(500, json={"detail": {"reason": "Database error", "statement": "hidden"}})


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


def test_all_pages_of_runs_in_the_wanted_states_are_read_with_their_params() -> None:
    def entry(number: int, conf: dict[str, str] | None) -> dict[str, object]:
        return {"dag_run_id": f"r{number}", "run_type": "manual", "state": "running", "logical_date": None, "conf": conf}

    pages = [[entry(0, {"from_date": "2026-01-04"}), entry(1, None)], [entry(2, {})]]
    airflow = Airflow(*(httpx.Response(200, json={"dag_runs": page, "total_entries": 3}) for page in pages))
    found = api_of(airflow).runs("backfill_grades", "queued", "running")
    assert [(run.run_id, run.conf) for run in found] == [("r0", {"from_date": "2026-01-04"}), ("r1", {}), ("r2", {})]
    assert [request.url.params.get_list("state") for request in airflow.asked] == [["queued", "running"]] * 2
    assert [request.url.params["offset"] for request in airflow.asked] == ["0", "2"]


def test_a_reader_gives_up_with_airflows_reason_once_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_api, "BUSY_SECONDS", 0.0)
    with pytest.raises(AirflowApiError, match=r"was busy: .*Database error"):
        api_of(Airflow(LOCKED)).run("backfill_grades", "r")


@pytest.mark.parametrize("value", ['[["2026-01-04"]]', [["2026-01-04"]]])
def test_the_result_of_a_mapped_task_is_asked_for_by_its_key_and_index(value: object) -> None:
    airflow = Airflow(httpx.Response(200, json={"value": value}))
    assert api_of(airflow).result("backfill_grades", "r", "grade", "progress", 3) == [["2026-01-04"]]
    [request] = airflow.asked
    assert request.url.path.endswith("/dagRuns/r/taskInstances/grade/xcomEntries/progress")
    assert request.url.params["map_index"] == "3"


def test_a_result_that_is_not_there_yet_is_none() -> None:
    assert api_of(Airflow(httpx.Response(404, json={"detail": "no"}))).result("grade_predictions", "r", "record_run") is None


def test_a_refused_login_says_what_to_set() -> None:
    with pytest.raises(AirflowApiError, match="AIRFLOW_API_TOKEN"):
        AirflowApi("http://airflow", transport=httpx.MockTransport(lambda request: httpx.Response(401, json={}))).run("d", "r")


def test_the_files_of_all_pages_of_dags_are_found() -> None:
    pages = [[{"fileloc": "/dags/one.py"}, {"fileloc": "/dags/two.py"}], [{"fileloc": "/dags/two.py"}]]
    airflow = Airflow(*(httpx.Response(200, json={"dags": page, "total_entries": 3}) for page in pages))
    assert api_of(airflow).dag_files() == {"/dags/one.py", "/dags/two.py"}
