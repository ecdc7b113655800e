"""What both designs share: Airflow's tasks and pool, the steps of a write, and what is counted. Times are seconds."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from typing import Any

import simpy

from proofs.simulate_assumptions import MILLION, Assumptions
from proofs.simulate_bigquery import BigQuery, Job, RetriesExhausted, Steps, run_with_retries

GRADES, DAYS, PERIODS, RUNS = "prediction_accuracy", "system_daily_performance", "prediction_performance_summary", "grading_runs"


class Backfill:
    """A backfill on a simulated project. ``run`` is the whole of it."""

    failures_per_conflict = 1

    def __init__(self, assumptions: Assumptions) -> None:
        self.assumptions = assumptions
        self.random = random.Random(assumptions.seed)
        self.env = simpy.Environment()
        self.bigquery = BigQuery(self.env, assumptions, self.random)
        self.graded_at = 0.0
        self.failed_dates = 0
        self.failed_aggregates = 0
        self.worst_wait_seconds = 0.0
        self._pool = simpy.Resource(self.env, assumptions.writers)
        self._starts = simpy.Resource(self.env, assumptions.task_starts_at_once)

    def run(self) -> Steps:
        """The whole backfill."""
        raise NotImplementedError

    def task(self, body: Callable[[], Steps], *, pooled: bool = False) -> Generator[simpy.Event, Any, bool]:
        """Run one Airflow task with its retries; a generator that returns whether it succeeded. A pool slot is taken before the start."""
        assumptions = self.assumptions
        for attempt in range(assumptions.task_retries + 1):
            slot = self._pool.request() if pooled else None
            if slot:
                yield slot
            with self._starts.request() as start:
                yield start
                yield self.env.timeout(assumptions.task_overhead_seconds)
            try:
                yield from body()
                return True
            except RetriesExhausted:
                pass
            finally:
                if slot:
                    self._pool.release(slot)
            if attempt < assumptions.task_retries:
                delay = assumptions.retry_delay_seconds * 2**attempt * self.random.uniform(1, 2)
                yield self.env.timeout(min(delay, assumptions.max_retry_delay_seconds))
        return False

    def queries(self, number: int, tables: int = 1, bytes_read: float = 0) -> Steps:
        """So many small queries, one after the other."""
        for _ in range(number):
            yield from self.bigquery.query(Job(self.assumptions.small_job_seconds, tables, bytes_read))

    def record(self) -> Steps:
        """One statement that adds rows to the table of runs; retried like any other."""
        job = Job(self.assumptions.dml_seconds, tables=1)
        yield from run_with_retries(self.env, self.assumptions, self.random, lambda: self.bigquery.dml(RUNS, job))

    def stage(self, rows: float, *, of_grades: bool) -> Steps:
        """Write a staging table: of ``rows`` predictions, or of the aggregates of ``rows`` grades or slices."""
        assumed = self.assumptions
        if of_grades:
            seconds = assumed.staging_seconds + assumed.staging_seconds_per_million * rows / MILLION
            yield from self.bigquery.query(Job(seconds, 3, rows * assumed.prediction_bytes, rows))
        else:
            seconds = assumed.aggregate_seconds + assumed.aggregate_seconds_per_million * rows / MILLION
            yield from self.bigquery.query(Job(seconds, 2, rows * assumed.measure_bytes, rows))

    def audit(self, rows: float) -> Steps:
        """Audit so many staged rows."""
        seconds = self.assumptions.audit_seconds + self.assumptions.audit_seconds_per_million * rows / MILLION
        yield from self.bigquery.query(Job(seconds, 2, 2 * rows * self.assumptions.key_bytes, rows))

    def publish(self, tables: Sequence[str], job: Job, lease: simpy.Resource | None = None) -> Steps:
        """Publish: the transaction, with the client's retries, under a publish lease if there is one. Notes the wait for its turn."""
        wanted_at = started_at = self.env.now

        def attempt() -> Steps:
            nonlocal started_at
            started_at = self.env.now
            yield from self.bigquery.transaction(tables, job)

        def submit() -> Steps:
            yield from run_with_retries(self.env, self.assumptions, self.random, attempt, self.failures_per_conflict)

        if lease is None:
            yield from submit()
        else:
            with lease.request() as turn:
                yield turn
                yield self.env.timeout(self.assumptions.lease_handoff_seconds)
                yield from submit()
        self.worst_wait_seconds = max(self.worst_wait_seconds, started_at - wanted_at)

    def script(self, seconds: float, rows: float, statements: int, tables: int) -> Job:
        """The job of a publish of so many rows: it reads the staged rows and those that it replaces."""
        slope = self.assumptions.publish_seconds_per_million * rows / MILLION
        return Job(seconds + slope, tables, 2 * rows * self.assumptions.grade_bytes, rows, statements)
