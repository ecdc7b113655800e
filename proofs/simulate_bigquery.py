"""BigQuery's documented rules for queries, DML and transactions, as SimPy processes. Times are seconds.

- Transactions: "If a transaction mutates (update or deletes) rows in a table, then other transactions or DML statements that mutate rows in the
  same table cannot run concurrently. Conflicting transactions are cancelled." The table counts, not the partition.
  https://cloud.google.com/bigquery/docs/transactions
- DML outside a transaction: of the UPDATE, DELETE and MERGE statements on a table two run and 20 wait; a further one is refused. They wait for a
  transaction that mutates the table. INSERT, load and SELECT run beside all of them.
  https://cloud.google.com/bigquery/docs/data-manipulation-language
- Slots: a job takes as many as its processor time needs to end within its seconds, and waits while they are taken. BigQuery would share them
  among all jobs instead; that matters only where slots run out.
- Bytes: those read, at least 10 MB for each table of each statement. https://cloud.google.com/bigquery/pricing

Not modelled: quotas of a day, DML that is queued for six hours, the rerun of DML statements that conflict with each other.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

from proofs.simulate_assumptions import MILLION, Assumptions

Steps = Generator[simpy.Event, Any, None]


class TransientError(Exception):
    """The same statement may succeed after a short time."""


class Conflict(TransientError):
    """Another transaction or DML statement mutated the same table at the same time; this transaction was cancelled."""


class QueueFull(TransientError):
    """Too many DML statements outstanding against a table."""


class RetriesExhausted(Exception):
    """A statement has failed for too long; the task fails."""


@dataclass(frozen=True)
class Job:
    """A job: its seconds alone on BigQuery, its table references and bytes, the rows it works on, and a script's child statements.

    ``tables`` counts a table once for each statement that references it.
    """

    seconds: float
    tables: int = 1
    bytes_read: float = 0
    rows: float = 0
    children: int = 0


@dataclass
class Usage:
    """What has been used: jobs submitted (cancelled and refused ones too), child statements, bytes billed, and what failed."""

    jobs: int = 0
    children: int = 0
    bytes_billed: float = 0
    transactions: int = 0
    aborts: int = 0
    refusals: int = 0


@dataclass
class _TableState:
    transaction: simpy.Event | None = None  # succeeds when the running transaction is cancelled
    running: int = 0
    waiting: deque[simpy.Event] = field(default_factory=deque)


class BigQuery:
    """A project with its slots and tables."""

    def __init__(self, env: simpy.Environment, assumptions: Assumptions, rng: random.Random) -> None:
        self.usage = Usage()
        self._env, self._assumptions, self._random = env, assumptions, rng
        self._slots = simpy.Container(env, capacity=assumptions.slots, init=assumptions.slots)
        self._tables: dict[str, _TableState] = {}

    def query(self, job: Job) -> Steps:
        """Run a SELECT, INSERT, load or CREATE TABLE AS SELECT: it waits for slots alone."""
        self._bill(job)
        demand, seconds = self._shape(job)
        yield self._slots.get(demand)
        yield self._env.timeout(seconds)
        yield self._slots.put(demand)

    def dml(self, table: str, job: Job) -> Steps:
        """Run an UPDATE, DELETE or MERGE outside a transaction, when it is its turn. Raises QueueFull, after the job was counted."""
        state = self._state(table)
        if state.transaction is None and state.running < self._assumptions.running_dml and not state.waiting:
            state.running += 1
        elif len(state.waiting) < self._assumptions.queued_dml:
            turn = self._env.event()
            state.waiting.append(turn)
            yield turn
        else:
            self.usage.jobs += 1
            self.usage.refusals += 1
            raise QueueFull(table)
        yield from self.query(job)
        state.running -= 1
        self._wake(state)

    def transaction(self, tables: Sequence[str], job: Job) -> Steps:
        """Run a script whose transaction mutates all these tables from its first statement on. Raises Conflict when it is cancelled."""
        demand, seconds = self._shape(job)
        yield self._slots.get(demand)
        states = [self._state(table) for table in tables]
        if self._is_cancelled_at_once(states):
            self._bill(Job(0, tables=1, children=1))
            yield self._env.timeout(self._assumptions.conflict_seconds)
            committed = False
        else:
            self._bill(job)
            own = self._env.event()
            for state in states:
                state.transaction = own
            yield own | self._env.timeout(seconds)
            committed = not own.triggered
            for state in states:
                if state.transaction is own:
                    state.transaction = None
                self._wake(state)
        yield self._slots.put(demand)
        if not committed:
            self.usage.aborts += 1
            raise Conflict(", ".join(tables))
        self.usage.transactions += 1

    def _is_cancelled_at_once(self, states: Sequence[_TableState]) -> bool:
        """Whether this transaction is the one to be cancelled, of those that mutate these tables; otherwise the others are."""
        others = {state.transaction for state in states if state.transaction is not None}
        if any(state.running for state in states):
            return True
        if not others:
            return False
        if self._random.random() >= self._assumptions.running_cancelled_share:
            return True
        for other in others:
            other.succeed()
        return False

    def _wake(self, state: _TableState) -> None:
        while state.waiting and state.transaction is None and state.running < self._assumptions.running_dml:
            state.running += 1
            state.waiting.popleft().succeed()

    def _state(self, table: str) -> _TableState:
        return self._tables.setdefault(table, _TableState())

    def _bill(self, job: Job) -> None:
        self.usage.jobs += 1
        self.usage.children += job.children
        self.usage.bytes_billed += max(job.bytes_read, job.tables * self._assumptions.minimum_bytes)

    def _shape(self, job: Job) -> tuple[int, float]:
        """Slots and seconds of a job: the processor time is its seconds on one slot, and more for its rows."""
        assumptions = self._assumptions
        seconds = job.seconds * self._random.uniform(1 - assumptions.jitter, 1 + assumptions.jitter)
        if seconds <= 0:
            return 1, 0.0
        slot_seconds = seconds + job.rows / MILLION * assumptions.slot_seconds_per_million
        demand = min(assumptions.slots, math.ceil(slot_seconds / seconds))
        return demand, max(seconds, slot_seconds / demand)


def run_with_retries(
    env: simpy.Environment, assumptions: Assumptions, rng: random.Random, attempt: Callable[[], Steps], failures_per_conflict: int = 1
) -> Steps:
    """Run a statement as ``nba_grading.warehouse.client`` does: full jitter, doubled with each failure, until it has failed for too long.

    ``failures_per_conflict`` counts the requests for a job that has failed already. Raises RetriesExhausted.
    """
    failures, first_failure = 0, 0.0
    while True:
        try:
            yield from attempt()
            return
        except TransientError as error:
            for _ in range(failures_per_conflict):
                failures += 1
                if failures == 1:
                    first_failure = env.now
                if env.now - first_failure >= assumptions.conflict_retry_seconds:
                    raise RetriesExhausted(str(error)) from error
                widest = min(assumptions.backoff_seconds * 2.0 ** min(failures - 1, 20), assumptions.max_backoff_seconds)
                yield env.timeout(rng.uniform(0, widest))
