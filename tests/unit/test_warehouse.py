"""The warehouse with a client that fails as BigQuery does: which statements are adopted, retried, or raised at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
import tenacity
from google.api_core import exceptions as api
from google.auth.exceptions import TransportError

from nba_grading.warehouse.errors import DeadlinePassed, StatementCancelled, StatementFailed, is_transient
from nba_grading.warehouse.params import TypedParam, query_parameter
from tests.unit.fake_bigquery import CONFLICT, SYNTAX, FakeClient, FakeJob, done, failing, raising, unanswered, warehouse_of


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda seconds: None)


def test_a_conflict_is_retried_with_a_new_job_id() -> None:
    client = FakeClient(failing(CONFLICT), failing(CONFLICT), done)
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.submitted == ["publish_001", "publish_002", "publish_003"]


def test_a_statement_that_is_wrong_fails_at_once() -> None:
    client = FakeClient(failing(SYNTAX), done)
    with pytest.raises(StatementFailed, match="Unexpected keyword"):
        warehouse_of(client).query("SELECT 1")
    assert len(client.submitted) == 1


def test_a_job_that_exists_already_is_adopted() -> None:
    client = FakeClient(raising(api.Conflict("Already Exists: Job publish_001"), arrived=True))
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.submitted == ["publish_001"]


def test_a_job_whose_submit_was_not_answered_is_adopted_and_not_run_twice() -> None:
    client = FakeClient(raising(requests.ConnectionError("reset"), arrived=True))
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.submitted == ["publish_001"]


def test_a_submit_that_never_arrived_is_sent_again_under_the_same_id() -> None:
    client = FakeClient(raising(requests.ConnectionError("reset"), arrived=False), done)
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.submitted == ["publish_001", "publish_001"]


def test_a_server_error_is_tried_again_until_the_time_is_up() -> None:
    client = FakeClient(*[raising(api.ServiceUnavailable("down"), arrived=False)] * 10_000)
    warehouse = warehouse_of(client)
    warehouse.retry_seconds = 0.05
    with pytest.raises(api.ServiceUnavailable):
        warehouse.query("SELECT 1")
    assert len(client.submitted) > 1


def test_a_failed_request_for_the_result_does_not_run_the_statement_again() -> None:
    client = FakeClient(unanswered(2))
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.submitted == ["publish_001"]


def test_a_stopped_job_is_reported_as_a_lost_claim_or_as_cancelled() -> None:
    stopped = api.BadRequest("Job execution was cancelled", errors=[{"reason": "stopped"}])
    with pytest.raises(StatementCancelled):
        warehouse_of(FakeClient(failing(stopped))).query("SELECT 1")

    warehouse = warehouse_of(FakeClient(failing(stopped)))
    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        if len(checks) == 2:
            raise RuntimeError("lease lost")

    warehouse.before_attempt = check
    with pytest.raises(RuntimeError, match="lease lost"):
        warehouse.query("SELECT 1")


def test_after_a_cancel_no_further_statement_is_submitted() -> None:
    client = FakeClient(done)
    warehouse = warehouse_of(client)
    warehouse.cancel_running()
    with pytest.raises(StatementCancelled):
        warehouse.query("SELECT 1")
    assert client.submitted == []


def test_a_statement_over_the_byte_limit_is_not_retried() -> None:
    client = FakeClient(failing(api.InternalServerError("over the cap", errors=[{"reason": "bytesBilledLimitExceeded"}])), done)
    with pytest.raises(StatementFailed):
        warehouse_of(client).query("SELECT 1")
    assert len(client.submitted) == 1


def test_the_claim_is_checked_before_every_attempt() -> None:
    client = FakeClient(failing(CONFLICT), done)
    warehouse = warehouse_of(client)
    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        if len(checks) == 2:
            raise RuntimeError("lease lost")

    warehouse.before_attempt = check
    with pytest.raises(RuntimeError, match="lease lost"):
        warehouse.query("SELECT 1")
    assert len(client.submitted) == 1


class DroppingClient(FakeClient):
    """Deletes tables, after it raised the errors that it was given."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)
        self.dropped: list[str] = []

    def delete_table(self, name: str, *, not_found_ok: bool, **_kwargs: Any) -> None:
        self.dropped.append(name)
        if self.errors:
            raise self.errors.pop(0)


def test_dropping_a_table_is_retried_after_a_transient_error_and_checks_the_claim_each_time() -> None:
    client = DroppingClient(api.ServiceUnavailable("a moment"), requests.ConnectionError())
    warehouse, checks = warehouse_of(client), []
    warehouse.before_attempt = lambda: checks.append(1)
    warehouse.drop_table("d.t")
    assert (client.dropped, len(checks)) == (["d.t"] * 3, 3)


def test_a_table_that_may_not_be_dropped_fails_at_once() -> None:
    client = DroppingClient(api.Forbidden("Access Denied"))
    with pytest.raises(StatementFailed, match="Access Denied"):
        warehouse_of(client).drop_table("d.t")
    assert client.dropped == ["d.t"]


# Jobs that may still run are cancelled


class HeldJob(FakeJob):
    """Runs until the given action has happened."""

    def __init__(self, job_id: str, meanwhile: Callable[[], None]) -> None:
        super().__init__(job_id)
        self.meanwhile = meanwhile

    def result(self, *, timeout: float, **_kwargs: Any) -> list[dict[str, Any]]:
        self.meanwhile()
        return super().result(timeout=timeout)


def held(meanwhile: Callable[[], None]) -> Callable[[FakeClient, str], FakeJob]:
    def answer(client: FakeClient, job_id: str) -> FakeJob:
        client.jobs[job_id] = HeldJob(job_id, meanwhile)
        return client.jobs[job_id]

    return answer


def test_cancelling_cancels_the_running_job_only() -> None:
    client = FakeClient(held(lambda: warehouse.cancel_running()))
    warehouse = warehouse_of(client)
    warehouse.query("SELECT 1", job_name="publish")
    assert client.cancelled == ["publish_001"]
    warehouse.cancel_running()
    assert client.cancelled == ["publish_001"]


def test_a_statement_that_ends_does_not_affect_those_of_other_threads() -> None:
    client = FakeClient(held(lambda: warehouse.query("SELECT 2", job_name="quick")), done)
    warehouse = warehouse_of(client)
    warehouse.query("SELECT 1", job_name="slow")
    assert (client.submitted, client.cancelled) == (["slow_001", "quick_001"], [])

    client.answers = [held(lambda: warehouse.query("SELECT 2", job_name="quick")), held(lambda: warehouse.cancel_running())]
    warehouse.query("SELECT 1", job_name="slow")
    assert sorted(client.cancelled) == ["quick_001", "slow_001"]


def test_a_job_that_was_cancelled_before_it_existed_is_cancelled_after_its_submit() -> None:
    def submit(client: FakeClient, job_id: str) -> FakeJob:
        warehouse.cancel_running()
        client.cancelled.clear()  # BigQuery did not have the job yet
        return done(client, job_id)

    client = FakeClient(submit)
    warehouse = warehouse_of(client)
    warehouse.query("SELECT 1", job_name="publish")
    assert client.cancelled == ["publish_001"]


def test_a_job_is_cancelled_when_the_lease_is_lost_between_two_requests_for_its_result() -> None:
    client = FakeClient(unanswered(9))
    warehouse = warehouse_of(client)
    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        if len(checks) == 3:
            raise RuntimeError("lease lost")

    warehouse.before_attempt = check
    with pytest.raises(RuntimeError, match="lease lost"):
        warehouse.query("SELECT 1", job_name="publish")
    assert client.cancelled == ["publish_001"]


class TaskTimeout(BaseException):
    """Like Airflow's task timeout, which is not a subclass of Exception."""


def test_a_job_is_cancelled_when_its_task_runs_out_of_time() -> None:
    def time_out() -> None:
        raise TaskTimeout

    client = FakeClient(held(time_out))
    with pytest.raises(TaskTimeout):
        warehouse_of(client).query("SELECT 1", job_name="publish")
    assert client.cancelled == ["publish_001"]


def test_a_job_is_cancelled_when_its_result_cannot_be_read() -> None:
    client = FakeClient(unanswered(10_000))
    warehouse = warehouse_of(client)
    warehouse.retry_seconds = 0.05
    with pytest.raises(api.ServiceUnavailable):
        warehouse.query("SELECT 1", job_name="publish")
    assert client.cancelled == ["publish_001"]


def test_a_statement_that_ended_or_never_began_is_not_cancelled() -> None:
    for answer in (failing(SYNTAX), raising(SYNTAX, arrived=False)):
        client = FakeClient(answer)
        with pytest.raises(StatementFailed):
            warehouse_of(client).query("SELECT 1")
        assert client.cancelled == []
    client = FakeClient(failing(CONFLICT), done)
    warehouse_of(client).query("SELECT 1")
    assert client.cancelled == []


def test_a_cancel_that_fails_does_not_hide_why_it_was_needed() -> None:
    class Unreachable(FakeClient):
        def cancel_job(self, job_id: str, **_kwargs: Any) -> None:
            raise TransportError("no token")

    def time_out() -> None:
        raise TaskTimeout

    client = Unreachable(held(time_out), done)
    warehouse = warehouse_of(client)
    with pytest.raises(TaskTimeout):
        warehouse.query("SELECT 1")
    warehouse.query("SELECT 1")
    assert len(client.submitted) == 2


def test_a_statement_that_failed_for_longer_than_the_retry_time_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(tenacity.time, "monotonic", lambda: now[0])

    def hang(client: FakeClient, job_id: str) -> FakeJob:
        now[0] += 10
        raise api.ServiceUnavailable("no answer")

    client = FakeClient(hang, hang)
    warehouse = warehouse_of(client)
    warehouse.retry_seconds = warehouse.statement_seconds = 10
    with pytest.raises(api.ServiceUnavailable):
        warehouse.query("SELECT 1")
    assert len(client.submitted) == 1


def test_the_time_before_the_first_failure_does_not_count_as_retry_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(tenacity.time, "monotonic", lambda: now[0])

    def late_conflict(client: FakeClient, job_id: str) -> FakeJob:
        now[0] += 600
        return failing(CONFLICT)(client, job_id)

    client = FakeClient(late_conflict, done)
    assert warehouse_of(client).query("SELECT 1", job_name="publish") == [{"n": 1}]
    assert client.submitted == ["publish_001", "publish_002"]


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (CONFLICT, True),
        (SYNTAX, False),
        (api.BadRequest("Could not serialize access to table t due to concurrent update"), True),
        (api.BadRequest("Resources exceeded: Too many DML statements outstanding against table d.t, limit is 20"), True),
        (api.Forbidden("Too many DML statements outstanding against table d.t", errors=[{"reason": "quotaExceeded"}]), True),
        (api.BadRequest("DML statement has been queued for too long", errors=[{"reason": "invalidQuery"}]), True),
        (api.BadRequest("UPDATE or DELETE statement over table d.t would affect rows in the streaming buffer, which is not supported"), False),
        (TimeoutError("the statement runs too long"), False),
        (api.NotFound("table"), False),
        (api.Forbidden("no", errors=[{"reason": "rateLimitExceeded"}]), True),
        (api.Forbidden("no", errors=[{"reason": "accessDenied"}]), False),
        (api.BadRequest("stopped", errors=[{"reason": "backendError"}]), True),
        (api.ServiceUnavailable("x"), True),
        (requests.Timeout("x"), True),
        (ValueError("x"), False),
    ],
)
def test_errors_are_transient_or_final(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (True, "BOOL"),
        (7, "INT64"),
        (date(2026, 1, 10), "DATE"),
        (datetime(2026, 1, 10, tzinfo=UTC), "TIMESTAMP"),
        (Decimal("25.5"), "NUMERIC"),
        ("x", "STRING"),
        (TypedParam("STRING", None), "STRING"),
    ],
)
def test_parameters_are_typed(value: Any, type_: str) -> None:
    assert query_parameter("p", value).type_ == type_


@pytest.mark.parametrize(
    ("values", "type_", "sent"),
    [
        ([date(2026, 1, 10), date(2026, 1, 11)], "DATE", ["2026-01-10", "2026-01-11"]),
        (["a", "b"], "STRING", ["a", "b"]),
        ([], "STRING", []),
    ],
)
def test_a_list_is_an_array_of_dates_or_of_strings(values: Any, type_: str, sent: list[str]) -> None:
    described = query_parameter("p", values).to_api_repr()
    assert described["parameterType"] == {"type": "ARRAY", "arrayType": {"type": type_}}
    assert described["parameterValue"] == {"arrayValues": [{"value": value} for value in sent]}


def test_a_bare_null_has_no_type_and_is_refused() -> None:
    with pytest.raises(TypeError, match="needs Typed"):
        query_parameter("p", None)


def test_after_its_deadline_a_warehouse_submits_nothing_more() -> None:
    client = FakeClient(done)
    warehouse = warehouse_of(client)
    warehouse.deadline = time.monotonic() + 60
    warehouse.query("SELECT 1")
    warehouse.deadline = time.monotonic()
    with pytest.raises(DeadlinePassed):
        warehouse.query("SELECT 2")
    assert len(client.jobs) == 1


def test_retries_end_before_the_deadline() -> None:
    client = FakeClient(*[failing(CONFLICT)] * 20)
    begun = time.monotonic()
    warehouse = warehouse_of(client)
    warehouse.deadline = begun + 0.5
    with pytest.raises((DeadlinePassed, api.GoogleAPICallError)):
        warehouse.query("SELECT 1")
    assert time.monotonic() - begun < 1
