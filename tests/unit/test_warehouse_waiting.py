"""What the warehouse asks of BigQuery, and for how long: conflicts, requests that fail, jobs that run long, limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import tenacity
from google.api_core import exceptions as api
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from nba_grading.warehouse import client as client_module
from nba_grading.warehouse.client import CALL_SECONDS, Warehouse
from nba_grading.warehouse.errors import RowsStillStreaming, StatementFailed
from tests.unit.fake_bigquery import (
    CONFLICT,
    FakeClient,
    FakeJob,
    done,
    failing,
    interrupted,
    raising,
    still_running,
    unanswered,
    warehouse_of,
)

QUEUE_FULL = api.BadRequest("Resources exceeded: Too many DML statements outstanding against table nba_predictions.incidents, limit is 20")
QUEUED_TOO_LONG = api.BadRequest("DML statement has been queued for too long", errors=[{"reason": "invalidQuery"}])
STREAMING = api.BadRequest("UPDATE or DELETE statement over table d.t would affect rows in the streaming buffer, which is not supported")


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda seconds: None)


class Clock:
    """Moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(client_module.time, "monotonic", clock)
    return clock


# A conflict drops its job at once


def test_the_job_of_a_conflict_is_not_asked_again() -> None:
    client = FakeClient(failing(CONFLICT), done)
    warehouse_of(client).query("SELECT 1", job_name="publish")
    assert client.asked == ["submit publish_001", "result publish_001", "submit publish_002", "result publish_002"]
    assert client.cancelled == []


def test_a_conflict_that_the_submit_raises_is_followed_by_a_new_job_and_no_request_for_the_dead_one() -> None:
    client = FakeClient(raising(CONFLICT, arrived=True), done)
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.asked == ["submit publish_001", "submit publish_002", "result publish_002"]
    assert client.cancelled == []


def test_a_conflict_is_recorded_with_its_next_job_before_that_is_submitted() -> None:
    noted: list[str] = []
    client = FakeClient(failing(CONFLICT), done)
    warehouse_of(client).query("SELECT 1", job_name="publish", before_submit=noted.append)
    assert noted == ["publish_001", "publish_002"]


@pytest.mark.parametrize("error", [QUEUE_FULL, QUEUED_TOO_LONG], ids=["queue full", "queued for too long"])
def test_a_statement_that_the_queue_refused_is_tried_again_as_a_new_job(error: Exception) -> None:
    client = FakeClient(failing(error), done)
    assert warehouse_of(client).dml("UPDATE t SET a = 1 WHERE TRUE", job_name="record") == 3
    assert client.submitted == ["record_001", "record_002"]


# A request that failed is not a job that failed


def test_after_a_failed_request_the_job_is_asked_once_whether_it_failed() -> None:
    client = FakeClient(unanswered(1))
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.asked == ["submit publish_001", "result publish_001", "reload publish_001", "result publish_001"]


def test_after_a_failed_request_a_job_that_has_failed_meanwhile_is_followed_by_another() -> None:
    broken = api.BadRequest("broken", errors=[{"reason": "backendError"}])
    client = FakeClient(interrupted(api.ServiceUnavailable("the request failed"), error=broken), done)
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.asked == ["submit publish_001", "result publish_001", "reload publish_001", "submit publish_002", "result publish_002"]


@pytest.mark.parametrize("silence", [api.ServiceUnavailable("down"), requests.ConnectionError("reset"), api.NotFound("no such job")])
def test_a_job_that_does_not_say_whether_it_failed_is_not_run_twice(silence: Exception) -> None:
    class SilentJob(FakeJob):
        def reload(self, **_kwargs: Any) -> None:
            raise silence

    def silent(client: FakeClient, job_id: str) -> FakeJob:
        job = client.jobs[job_id] = SilentJob(job_id)
        job.interruptions = [api.ServiceUnavailable("the request failed")]
        return job

    client = FakeClient(silent)
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.submitted == ["publish_001"]


def test_a_lost_connection_while_waiting_asks_the_same_job_again() -> None:
    client = FakeClient(interrupted(requests.ConnectionError("reset"), requests.Timeout("no answer")))
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.asked == ["submit publish_001", *["result publish_001"] * 3]


def test_a_refused_request_for_a_job_that_still_runs_cancels_it() -> None:
    client = FakeClient(interrupted(api.Forbidden("Access Denied", errors=[{"reason": "accessDenied"}])))
    with pytest.raises(StatementFailed, match="Access Denied"):
        warehouse_of(client).query("SELECT 1", job_name="publish")
    assert client.cancelled == ["publish_001"]


# A job that runs long


def test_a_job_that_still_runs_is_polled_and_not_submitted_again() -> None:
    client = FakeClient(still_running(5))
    assert warehouse_of(client).query("SELECT 1", job_name="stage") == [{"n": 1}]
    assert client.asked == ["submit stage_001", *["result stage_001"] * 6]
    assert client.cancelled == []


def test_between_two_polls_the_claim_is_checked_and_its_loss_cancels_the_job() -> None:
    client = FakeClient(still_running(10_000))
    warehouse, checks = warehouse_of(client), []

    def check() -> None:
        checks.append(1)
        if len(checks) == 4:
            raise RuntimeError("lease lost")

    warehouse.before_attempt = check
    with pytest.raises(RuntimeError, match="lease lost"):
        warehouse.query("SELECT 1", job_name="stage")
    assert client.asked == ["submit stage_001", *["result stage_001"] * 3]
    assert client.cancelled == ["stage_001"]


def polled(clock: Clock, seconds: float) -> Callable[[FakeClient, str], FakeJob]:
    """A job that never ends, each request for which takes its timeout, at most ``seconds``."""

    class Polled(FakeJob):
        def result(self, *, timeout: float, **_kwargs: Any) -> list[dict[str, Any]]:
            self.calls.append((f"result {self.job_id}", timeout))
            clock.now += min(timeout, seconds)
            raise TimeoutError

    def answer(client: FakeClient, job_id: str) -> FakeJob:
        client.jobs[job_id] = Polled(job_id)
        return client.jobs[job_id]

    return answer


def test_a_job_is_given_up_and_cancelled_after_the_limit_of_one_statement(clock: Clock) -> None:
    client = FakeClient(polled(clock, CALL_SECONDS))
    warehouse, begun = warehouse_of(client), clock.now
    warehouse.statement_seconds = 3600
    with pytest.raises(TimeoutError):
        warehouse.query("SELECT 1", job_name="stage")
    assert clock.now - begun == 3600
    assert client.asked.count("result stage_001") == 60
    assert (client.submitted, client.cancelled) == (["stage_001"], ["stage_001"])


def test_a_job_is_given_up_at_the_deadline_of_the_warehouse(clock: Clock) -> None:
    client = FakeClient(polled(clock, CALL_SECONDS))
    warehouse, begun = warehouse_of(client), clock.now
    warehouse.deadline = begun + 100
    with pytest.raises(TimeoutError):
        warehouse.query("SELECT 1", job_name="page")
    assert clock.now - begun == 100
    assert client.cancelled == ["page_001"]


def test_no_call_waits_longer_than_a_minute() -> None:
    lost = raising(requests.ConnectionError("reset"), arrived=True)
    client = FakeClient(lost, unanswered(2), failing(CONFLICT), still_running(2))
    warehouse = warehouse_of(client)
    warehouse.statement_seconds = 3600
    warehouse.query("SELECT 1", job_name="one")
    warehouse.query("SELECT 2", job_name="two")
    warehouse.query("SELECT 3", job_name="three")
    assert {call.split()[0] for call, _ in client.calls} == {"submit", "get", "result", "reload"}
    assert {timeout for _, timeout in client.calls} == {CALL_SECONDS}
    assert CALL_SECONDS <= 120


# What BigQuery refuses for now, and its limits


@pytest.mark.parametrize("answer", [failing(STREAMING), raising(STREAMING, arrived=False)], ids=["by the job", "by the submit"])
def test_rows_in_the_streaming_buffer_are_a_refusal_for_now(answer: Callable[[FakeClient, str], FakeJob]) -> None:
    client = FakeClient(answer, done)
    with pytest.raises(RowsStillStreaming, match="streaming buffer") as refused:
        warehouse_of(client).query("DELETE FROM t WHERE TRUE")
    assert not isinstance(refused.value, StatementFailed)
    assert len(client.submitted) == 1, "seconds do not help"


def test_every_statement_has_the_limit_of_billed_bytes_also_within_a_script() -> None:
    client = FakeClient(done)
    warehouse_of(client).query("BEGIN TRANSACTION; COMMIT TRANSACTION;")
    [config] = client.configs
    assert config["query"]["maximumBytesBilled"] == str(10**9)
    assert config["query"]["scriptOptions"]["statementByteBudget"] == str(10**9)


# With Google's own client


class FakeSession:
    """BigQuery's REST interface for jobs. ``answers`` are what each job is asked to be: an error, or None for rows."""

    def __init__(self, *answers: dict[str, str] | None) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []
        self.timeouts: list[float] = []
        self.is_mtls = False
        self._jobs: dict[str, dict[str, str] | None] = {}
        self.polls_before_done = 0

    def request(self, *, url: str, method: str, data: str | None = None, timeout: float, **_kwargs: Any) -> requests.Response:
        path = urlsplit(url).path.partition("/projects/nba-local/")[2]
        self.timeouts.append(timeout)
        if method == "POST" and path == "jobs":
            job_id = json.loads(data or "")["jobReference"]["jobId"]
            self._jobs[job_id] = self.answers.pop(0)
            self.requests.append(f"submit {job_id}")
            return self._job(job_id)
        verb, _, job_id = path.partition("/")
        self.requests.append(f"{'rows' if verb == 'queries' else 'job'} {job_id}")
        if self.polls_before_done:
            self.polls_before_done -= 1
            raise requests.ReadTimeout("no answer")
        return self._rows(job_id) if verb == "queries" else self._job(job_id, done=True)

    def _job(self, job_id: str, *, done: bool = False) -> requests.Response:
        error = self._jobs[job_id]
        status: dict[str, Any] = {"state": "DONE" if done else "RUNNING"}
        if done and error:
            status |= {"errorResult": error, "errors": [error]}
        reference = {"projectId": "nba-local", "jobId": job_id, "location": "US"}
        return _response({"jobReference": reference, "status": status, "configuration": {"query": {"query": "SELECT 1"}}, "statistics": {}})

    def _rows(self, job_id: str) -> requests.Response:
        reference = {"projectId": "nba-local", "jobId": job_id, "location": "US"}
        schema = {"fields": [{"name": "n", "type": "INTEGER", "mode": "NULLABLE"}]}
        return _response({"jobReference": reference, "jobComplete": True, "schema": schema, "totalRows": "1", "rows": [{"f": [{"v": "1"}]}]})


def _response(content: dict[str, Any]) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content = 200, json.dumps(content).encode()
    response.headers["Content-Type"] = "application/json"
    return response


def google_warehouse(session: FakeSession) -> Warehouse:
    client = bigquery.Client(project="nba-local", location="US", credentials=AnonymousCredentials(), _http=session)  # type: ignore[arg-type,no-untyped-call]
    return Warehouse(client, maximum_bytes_billed=10**9, retry_seconds=5)


def test_a_conflict_costs_googles_client_two_requests() -> None:
    session = FakeSession({"reason": "invalidQuery", "message": str(CONFLICT.message)}, None)
    assert google_warehouse(session).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert [request for request in session.requests if request.endswith("_001")] == ["submit publish_001", "job publish_001"]
    assert session.requests[2] == "submit publish_002"


def test_a_connection_that_died_while_googles_client_waited_is_left_for_another_within_two_minutes() -> None:
    """Google's client gives the request that waits for the rows two minutes at least."""
    session = FakeSession(None)
    session.polls_before_done = 3
    assert google_warehouse(session).query("SELECT 1", job_name="stage") == [{"n": 1}]
    assert [request for request in session.requests if "submit" in request] == ["submit stage_001"]
    assert max(session.timeouts) <= 120
