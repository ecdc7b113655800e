"""Statements to BigQuery: typed parameters, labels, a limit of billed bytes, job ids that survive their client, and retries.

Each attempt has its own job id, ``<name>_<attempt>``. When the response to a submit is lost, or the id exists already, the job with
that id is adopted, so that a lost response never runs a statement twice. Transient errors and transaction conflicts are retried with
backoff and jitter; all other errors are raised at once. When a statement is given up, its job is cancelled unless it has ended.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import tenacity
from google.api_core import exceptions as api
from google.cloud import bigquery

from nba_grading.events import get_logger
from nba_grading.warehouse.errors import (
    LOST_CONNECTION,
    DeadlinePassed,
    StatementCancelled,
    final_error,
    is_conflict,
    is_transient,
    reasons_of,
)
from nba_grading.warehouse.params import Params, query_parameter
from nba_grading.warehouse.sql import load_sql

log = get_logger(__name__)

Row = dict[str, Any]
BeforeSubmit = Callable[[str], None]

STATEMENT_SECONDS = 3600.0
# The client's own retries are off, as they hide how often a statement ran. Its type annotations do not allow None, the code does.
NO_RETRY: Any = None
# One call to BigQuery: a connection that died is noticed after this.
CALL_SECONDS = 60.0
CANCEL_SECONDS = 5.0
CALLS_AT_ONCE = 8
PAGE_SIZE = 1000
# The names of types in the API's schemas that GoogleSQL does not have.
STANDARD_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}


def _nothing(_job_id: str) -> None:
    pass


@dataclass
class Warehouse:
    """A BigQuery client for statements. One instance per task, or for all threads of a server; any thread may call ``cancel_running``.

    ``before_attempt`` runs before every submit, to check the lease for example, and raises to stop the statement. ``deadline`` is the
    moment of ``time.monotonic()`` by which all statements together have ended, but for the second in which the last one is cancelled.
    """

    client: bigquery.Client
    maximum_bytes_billed: int
    labels: Mapping[str, str] = field(default_factory=dict)
    retry_seconds: float = 300
    statement_seconds: float = STATEMENT_SECONDS
    deadline: float = float("inf")
    before_attempt: Callable[[], None] = lambda: None
    _running: set[str] = field(default_factory=set)
    _cancelled: bool = False
    # Reentrant: the signal handler of a killed task cancels jobs, and may interrupt the thread that holds the lock.
    _lock: Any = field(default_factory=threading.RLock)

    def query_file(self, name: str, params: Params | None = None) -> list[Row]:
        """Rows of the SELECT in ``include/sql/<name>.sql``."""
        return self.query(load_sql(name), params)

    def query(self, text: str, params: Params | None = None, job_name: str | None = None, before_submit: BeforeSubmit = _nothing) -> list[Row]:
        """Rows of a statement or script (the last SELECT of a script); raises StatementFailed or a transient error.

        ``job_name`` makes the job ids deterministic: letters, digits, dashes and underscores. ``before_submit`` gets the id of
        each job before it is submitted; a retry after a conflict is another job.
        """
        return [dict(row.items()) for row in self._run(text, params, job_name, before_submit)[1]]

    def dml(self, text: str, params: Params | None = None, job_name: str | None = None, before_submit: BeforeSubmit = _nothing) -> int:
        """Rows changed by one DML statement (0 for DDL); the rest as ``query``."""
        return int(self._run(text, params, job_name, before_submit)[0].num_dml_affected_rows or 0)

    def drop_table(self, name: str) -> None:
        """Delete ``dataset.table`` by one call, without a job; a missing table is no error. Raises StatementFailed or a transient error."""
        try:
            for attempt in self._attempts(f"drop of {name}"):
                with attempt:
                    self._check()
                    self.client.delete_table(name, not_found_ok=True, retry=NO_RETRY, timeout=self._at_most(CALL_SECONDS))
        except api.GoogleAPICallError as error:
            if is_transient(error):
                raise
            raise final_error(error) from error

    def list_tables(self, dataset: str, prefix: str) -> list[str]:
        """The names of the tables of a dataset that begin with ``prefix``, in order, without a job."""
        self._check()
        found = self.client.list_tables(dataset, page_size=PAGE_SIZE, timeout=self._at_most(CALL_SECONDS))
        return sorted(table.table_id for table in found if table.table_id.startswith(prefix))

    def read_columns(self, names: Sequence[str]) -> list[dict[str, str]]:
        """Column → type of each ``dataset.table``, several calls at once and without a job; empty for a table that is gone."""

        def columns_of(name: str) -> dict[str, str]:
            try:
                schema = self.client.get_table(name, timeout=self._at_most(CALL_SECONDS)).schema
            except api.NotFound:
                return {}
            return {field.name: STANDARD_TYPES.get(field.field_type, field.field_type) for field in schema}

        self._check()
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            return list(pool.map(columns_of, names))

    def cancel_running(self) -> None:
        """Cancel all running jobs and submit no more; errors are logged, not raised."""
        with self._lock:
            self._cancelled = True
            running = sorted(self._running)
        for job_id in running:
            self.cancel(job_id)

    def cancel(self, job_id: str) -> None:
        """Ask BigQuery to cancel a job; one that is missing or has ended is no error. Never raises."""
        try:
            self.client.cancel_job(job_id, location=self.client.location, retry=NO_RETRY, timeout=self._at_most(CANCEL_SECONDS))
            log.warning("job_cancelled", job_id=job_id)
        except Exception as error:  # the caller raises the error that made it cancel
            log.warning("job_not_cancelled", job_id=job_id, error=error)

    def _run(
        self, text: str, params: Params | None, job_name: str | None, before_submit: BeforeSubmit = _nothing
    ) -> tuple[bigquery.QueryJob, Sequence[Any]]:
        name = job_name or f"nba_grading_{uuid.uuid4().hex}"
        config = bigquery.QueryJobConfig(
            query_parameters=[query_parameter(key, value) for key, value in (params or {}).items()],
            labels=dict(self.labels),
            maximum_bytes_billed=self.maximum_bytes_billed,
            # The cap above is of a query; the statements of a script have this one.
            script_options=bigquery.ScriptOptions(statement_byte_budget=self.maximum_bytes_billed),
        )
        failed_attempts, job_id = 0, ""
        job: bigquery.QueryJob | None = None
        try:
            for attempt in self._attempts(name):
                with attempt:
                    self._check()
                    try:
                        if job is None:
                            job_id = f"{name}_{failed_attempts + 1:03d}"
                            before_submit(job_id)
                            job = self._submit_or_adopt(text, config, job_id)
                        rows = self._wait_for_rows(job)
                    except api.GoogleAPICallError as error:
                        # A request failed, or the job did: only a failed job is followed by another one, at once.
                        if is_conflict(error) or (job is not None and self._has_failed(job)):
                            failed_attempts, job = failed_attempts + 1, None
                            self._note_ended(job_id)
                        raise
                    self._note_ended(job_id)
                    return job, rows
        except api.GoogleAPICallError as error:
            if is_transient(error):
                raise
            if "stopped" in reasons_of(error):
                self._check()
                raise StatementCancelled(f"a statement was stopped: {error.message or error}") from error
            raise final_error(error) from error
        finally:
            # Still running after a lost lease, a task timeout, or too many failed requests for the result.
            if self._note_ended(job_id):
                self.cancel(job_id)
        raise AssertionError("unreachable: tenacity returns or raises")

    def _attempts(self, name: str) -> tenacity.Retrying:
        return tenacity.Retrying(
            # The time that the first attempt ran before it failed does not count, up to the limit of one statement.
            stop=tenacity.stop_any(
                _StopAfterFailingFor(self.retry_seconds),
                tenacity.stop_after_delay(max(self.retry_seconds, self.statement_seconds)),
                tenacity.stop_before_delay(self.deadline - time.monotonic()),
            ),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=30),
            retry=tenacity.retry_if_exception(is_transient),
            before_sleep=lambda state: _log_retry(name, state),
            reraise=True,
        )

    def _check(self) -> None:
        self.before_attempt()
        if self._cancelled:
            raise StatementCancelled("the task is stopping")
        if time.monotonic() >= self.deadline:
            raise DeadlinePassed("no time is left for this statement")

    def _at_most(self, seconds: float) -> float:
        """``seconds``, or what is left until the deadline, but at least 1: for a call that is under way or cleans up."""
        return min(seconds, max(self.deadline - time.monotonic(), 1.0))

    def _wait_for_rows(self, job: bigquery.QueryJob) -> list[Any]:
        """The rows of a job, asked for by calls of at most CALL_SECONDS; the claim is checked between two."""
        give_up_at = min(time.monotonic() + self.statement_seconds, self.deadline)
        while True:
            try:
                return list(job.result(retry=NO_RETRY, timeout=self._at_most(min(CALL_SECONDS, self.statement_seconds))))
            except TimeoutError:  # still running
                if time.monotonic() >= give_up_at:
                    raise
                self._check()

    def _has_failed(self, job: bigquery.QueryJob) -> bool:
        if not job.error_result:
            try:
                job.reload(retry=NO_RETRY, timeout=self._at_most(CALL_SECONDS))
            except (api.GoogleAPICallError, *LOST_CONNECTION):
                return False
        return bool(job.error_result)

    def _submit_or_adopt(self, text: str, config: bigquery.QueryJobConfig, job_id: str) -> bigquery.QueryJob:
        with self._lock:
            self._running.add(job_id)
        try:
            job = self._submit(text, config, job_id)
        except api.GoogleAPICallError as error:
            if not is_transient(error):
                self._note_ended(job_id)  # refused: the job does not exist
            raise
        if self._cancelled:  # cancelled before the job existed
            self.cancel(job_id)
        return job

    def _submit(self, text: str, config: bigquery.QueryJobConfig, job_id: str) -> bigquery.QueryJob:
        try:
            timeout_s = self._at_most(min(CALL_SECONDS, self.statement_seconds))
            return self.client.query(text, job_config=config, job_id=job_id, retry=NO_RETRY, job_retry=None, timeout=timeout_s)
        except api.Conflict:
            return self._adopt(job_id)
        except LOST_CONNECTION:
            try:
                return self._adopt(job_id)
            except api.NotFound:
                log.info("job_never_arrived", job_id=job_id)
            raise

    def _adopt(self, job_id: str) -> bigquery.QueryJob:
        job: Any = self.client.get_job(job_id, retry=NO_RETRY, timeout=self._at_most(CALL_SECONDS))
        log.info("job_adopted", job_id=job_id)
        return job  # type: ignore[no-any-return]

    def _note_ended(self, job_id: str) -> bool:
        """Note that a job has ended; returns whether it was noted as running."""
        with self._lock:
            was_running = job_id in self._running
            self._running.discard(job_id)
            return was_running


class _StopAfterFailingFor(tenacity.stop.stop_base):
    """Stops retries that have failed for this many seconds, counted from the first failure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        now = state.outcome_timestamp or 0.0
        self._since = now if self._since is None else self._since
        return now - self._since >= self._seconds


def _log_retry(name: str, state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("statement_retried", job=name, attempt=state.attempt_number, error=error)
