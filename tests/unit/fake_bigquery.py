"""A BigQuery client for ``Warehouse`` that fails as BigQuery does, from a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.api_core import exceptions as api
from google.cloud import bigquery

from nba_grading.warehouse.client import Warehouse

CONFLICT = api.BadRequest("Transaction is aborted due to concurrent update against table nba_predictions.write_fences_prediction_accuracy")
SYNTAX = api.BadRequest("Syntax error: Unexpected keyword FORM at [1:10]")


class FakeJob:
    """A job whose ``interruptions`` are raised by the first requests for its result; then it is done, or has failed with ``error``.

    As in Google's library, ``error_result`` is known only once the job was asked. ``calls`` is its client's list.
    """

    num_dml_affected_rows = 3

    def __init__(self, job_id: str, error: Exception | None = None) -> None:
        self.job_id = job_id
        self.interruptions: list[Exception] = []
        self.calls: list[tuple[str, float]] = []
        self.error_result: dict[str, str] | None = None
        self._error = error

    def result(self, *, timeout: float, **_kwargs: Any) -> list[dict[str, Any]]:
        self.calls.append((f"result {self.job_id}", timeout))
        if self.interruptions:
            raise self.interruptions.pop(0)
        self._refresh()
        if self._error:
            raise self._error
        return [{"n": 1}]

    def reload(self, *, timeout: float, **_kwargs: Any) -> None:
        self.calls.append((f"reload {self.job_id}", timeout))
        self._refresh()

    def _refresh(self) -> None:
        self.error_result = {"reason": "x"} if self._error else None


class FakeClient:
    """Answers submits from a script of behaviours; remembers which job ids arrived, and each call about a job with its timeout."""

    project = "nba-local"
    location = "US"

    def __init__(self, *answers: Callable[[FakeClient, str], FakeJob]) -> None:
        self.answers = list(answers)
        self.submitted: list[str] = []
        self.jobs: dict[str, FakeJob] = {}
        self.cancelled: list[str] = []
        self.calls: list[tuple[str, float]] = []
        self.configs: list[dict[str, Any]] = []

    @property
    def asked(self) -> list[str]:
        """What was called for which job, in order."""
        return [call for call, _ in self.calls]

    def query(self, text: str, *, job_id: str, job_config: bigquery.QueryJobConfig, timeout: float, **_kwargs: Any) -> FakeJob:
        self.submitted.append(job_id)
        self.configs.append(job_config.to_api_repr())
        self.calls.append((f"submit {job_id}", timeout))
        job = self.answers.pop(0)(self, job_id)
        job.calls = self.calls
        return job

    def get_job(self, job_id: str, *, timeout: float, **_kwargs: Any) -> FakeJob:
        self.calls.append((f"get {job_id}", timeout))
        if job_id not in self.jobs:
            raise api.NotFound(f"no job {job_id}")
        self.jobs[job_id].calls = self.calls
        return self.jobs[job_id]

    def cancel_job(self, job_id: str, **_kwargs: Any) -> None:
        self.cancelled.append(job_id)


def done(client: FakeClient, job_id: str) -> FakeJob:
    client.jobs[job_id] = FakeJob(job_id)
    return client.jobs[job_id]


def failing(error: Exception) -> Callable[[FakeClient, str], FakeJob]:
    def answer(client: FakeClient, job_id: str) -> FakeJob:
        client.jobs[job_id] = FakeJob(job_id, error)
        return client.jobs[job_id]

    return answer


def interrupted(*interruptions: Exception, error: Exception | None = None) -> Callable[[FakeClient, str], FakeJob]:
    """A job whose first requests for the result raise these."""

    def answer(client: FakeClient, job_id: str) -> FakeJob:
        job = client.jobs[job_id] = FakeJob(job_id, error)
        job.interruptions = list(interruptions)
        return job

    return answer


def unanswered(times: int) -> Callable[[FakeClient, str], FakeJob]:
    """A job whose first requests for the result fail."""
    return interrupted(*[api.ServiceUnavailable("the request failed, not the job")] * times)


def still_running(times: int) -> Callable[[FakeClient, str], FakeJob]:
    """A job that is not done at the first requests for its result."""
    return interrupted(*[TimeoutError()] * times)


def raising(error: Exception, *, arrived: bool) -> Callable[[FakeClient, str], FakeJob]:
    def answer(client: FakeClient, job_id: str) -> FakeJob:
        if arrived:
            client.jobs[job_id] = FakeJob(job_id)
        raise error

    return answer


def warehouse_of(client: FakeClient) -> Warehouse:
    return Warehouse(client, maximum_bytes_billed=10**9, retry_seconds=5)  # type: ignore[arg-type]
