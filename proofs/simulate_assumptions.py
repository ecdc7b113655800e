"""What the simulation of `make simulate` takes for granted: one value a line, with its source.

D: BigQuery's documentation. C: this project's code or settings. M: measured, on the local stack or by `make bench-lease`.
A: assumed until it is measured on a real project, by the query in docs/scale.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

MILLION = 1_000_000
TIB = 2**40


@dataclass(frozen=True)
class Assumptions:
    """A scenario, the seconds of its parts, and the rules. Seconds are those of a job that waits for nothing else."""

    # The scenario.
    dates: int = 900
    rows_per_date: int = 10_000
    writers: int = 16  # slots of the Airflow pool; before, as many runs at once
    chunk_dates: int = 32  # C: the bound of one write
    publish_lease: bool = True  # off: the lease store is down, or every publish lease is lost
    aggregates: bool = True  # whether the aggregates follow the grades
    seed: int = 1

    # Seconds of jobs. The per-million values are for the rows that a job writes or reads.
    small_job_seconds: float = 2.0  # A: a count or a look-up, from the request to its rows
    dml_seconds: float = 3.0  # A: one MERGE or UPDATE of a few rows
    staging_seconds: float = 10.0  # A
    staging_seconds_per_million: float = 1.0  # A
    audit_seconds: float = 3.0  # A
    audit_seconds_per_million: float = 0.2  # A
    aggregate_seconds: float = 4.0  # A: the staging of a day's or a period's aggregates
    aggregate_seconds_per_million: float = 0.1  # A: for each million of grades or slices read
    publish_seconds_before: float = 15.0  # A: ten statements in a script
    publish_seconds: float = 7.0  # A: six statements
    publish_seconds_per_million: float = 1.0  # A
    conflict_seconds: float = 3.0  # A: until a transaction that meets another one has failed: BEGIN and the UPDATE of the fence
    jitter: float = 0.2  # A: a job takes its seconds, more or less by up to this share

    # Airflow.
    task_overhead_seconds: float = 2.0  # M: 1.5 to 2.5 s on the local stack, from one task's end to the next one's first line
    task_starts_at_once: int = 64  # A: tasks that can be started at the same time; the cores, on one machine
    task_retries: int = 3  # C: GRADING_RETRIES
    retry_delay_seconds: float = 30.0  # C: GRADING_RETRY_SECONDS; doubles, and Airflow adds up to as much again
    max_retry_delay_seconds: float = 600.0  # C

    # The client's retries of one statement.
    conflict_retry_seconds: float = 300.0  # C: GRADING_CONFLICT_SECONDS, from the first failure on
    backoff_seconds: float = 0.5  # C: full jitter, doubled with each failure
    max_backoff_seconds: float = 30.0  # C
    failures_per_conflict_before: int = 2  # M: the failed job is asked for once more before a new one is submitted
    lease_handoff_seconds: float = 0.1  # M: acquire 25 ms, handoff 20 ms, release 24 ms

    # BigQuery.
    slots: int = 2000  # D: on demand, usually
    slot_seconds_per_million: float = 30.0  # A: processor time of a job for each million rows
    running_dml: int = 2  # D: mutating DML statements that run at once on a table
    queued_dml: int = 20  # D: those that wait; the next one is refused
    running_cancelled_share: float = 0.0  # D: not documented which of two transactions is cancelled. 0: always the later, 1: always the earlier
    minimum_bytes: int = 10 * 2**20  # D: billed for each table a statement references
    dollars_per_tib: float = 6.25  # D: on demand, region US

    # Sizes.
    prediction_bytes: int = 200  # A: all columns of a prediction, logical
    grade_bytes: int = 300  # A: all columns of a grade
    key_bytes: int = 60  # A: the columns of the business key
    measure_bytes: int = 100  # A: the columns of a grade that the aggregates read
    slices_per_date: int = 10_000  # A: rows by system, player and tier, at most
    period_writes_before: float = 2.0  # A: partitions of the summary for each date; 3 when a date comes alone, fewer when others share them
    rolling_dates: int = 30  # C: the longest rolling period, in dates
    month_dates: int = 30  # A: dates with games in a month
    season_dates: int = 180  # A: and in a season

    def __post_init__(self) -> None:
        positive = ("dates", "writers", "chunk_dates", "slots", "running_dml", "task_starts_at_once")
        for name in positive:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for each in fields(self):
            value = getattr(self, each.name)
            if value < 0:
                raise ValueError(f"{each.name} is {value}; it must not be negative")
        if not self.jitter < 1:
            raise ValueError(f"jitter is {self.jitter}; it is a share of a job's seconds, below 1")

    @property
    def rows_per_chunk(self) -> int:
        """Rows that one full write of grades publishes."""
        return self.rows_per_date * min(self.chunk_dates, self.dates)


# One emulator, which runs one statement at a time, and two cores; a local run is one sample, so nothing is random.
LOCAL = Assumptions(slots=1, slot_seconds_per_million=0, jitter=0, task_starts_at_once=2, lease_handoff_seconds=0.02)


@dataclass(frozen=True)
class LocalMeasurement:
    """Measured local values in place of the assumed ones, and the seconds that the backfill took, if it was timed."""

    assumptions: Assumptions
    backfill_seconds: float | None


def read_measurements(path: Path) -> LocalMeasurement:
    """Read a JSON object of Assumptions' names and values, and optionally ``backfill_seconds``. Raises ValueError for anything else."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not a JSON object of names and numbers")
    seconds = found.pop("backfill_seconds", None)
    if seconds is not None:
        _check("backfill_seconds", seconds, 0.0)
        if seconds <= 0:
            raise ValueError(f"backfill_seconds is {seconds}; it must be above 0")
    return LocalMeasurement(with_values(LOCAL, found), seconds)


def with_values(assumptions: Assumptions, values: Mapping[str, Any]) -> Assumptions:
    """The assumptions with some values replaced by name. Raises ValueError for an unknown name or an impossible value."""
    known = {each.name: getattr(assumptions, each.name) for each in fields(assumptions)}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{name} is no assumption; known are {', '.join(sorted(known))}")
        _check(name, value, known[name])
    return replace(assumptions, **values)


def _check(name: str, value: Any, default: float) -> None:
    is_number = isinstance(value, int) or (isinstance(value, float) and isinstance(default, float))
    if not is_number or isinstance(value, bool) != isinstance(default, bool):
        wanted = "true or false" if isinstance(default, bool) else "a whole number" if isinstance(default, int) else "a number"
        raise ValueError(f"{name} is {value!r}; it must be {wanted}")
