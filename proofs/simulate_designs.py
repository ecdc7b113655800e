"""The two designs on the simulated BigQuery: one date a write behind one fence table, and sets of dates behind a fence table per target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import simpy

from proofs.simulate_assumptions import TIB, Assumptions
from proofs.simulate_backfill import DAYS, GRADES, PERIODS, Backfill
from proofs.simulate_bigquery import RetriesExhausted, Steps

Design = Literal["before", "today"]
Part = TypeVar("Part")
Period = tuple[str, int]


@dataclass(frozen=True)
class Result:
    """A simulated backfill. Hours run from its start: until the last date is graded, and until no aggregate is stale.

    ``worst_wait_seconds`` is the longest time from when a write was ready to publish to the start of the transaction that committed.
    """

    design: Design
    dates: int
    rows_per_date: int
    writers: int
    grading_hours: float
    hours: float
    publishes: int
    aborts: int
    aborts_per_publish: float
    failed_dates: int
    failed_aggregates: int
    refused_dml: int
    worst_wait_seconds: float
    jobs: int
    children: int
    bytes_billed: float
    dollars: float


def simulate(design: Design, assumptions: Assumptions) -> Result:
    """Simulate the backfill of a scenario; equal assumptions give equal results."""
    backfill = Before(assumptions) if design == "before" else Today(assumptions)
    backfill.env.run(backfill.env.process(backfill.run()))
    usage = backfill.bigquery.usage
    return Result(
        design=design,
        dates=assumptions.dates,
        rows_per_date=assumptions.rows_per_date,
        writers=assumptions.writers,
        grading_hours=backfill.graded_at / 3600,
        hours=backfill.env.now / 3600,
        publishes=usage.transactions,
        aborts=usage.aborts,
        aborts_per_publish=usage.aborts / max(usage.transactions, 1),
        failed_dates=backfill.failed_dates,
        failed_aggregates=backfill.failed_aggregates,
        refused_dml=usage.refusals,
        worst_wait_seconds=backfill.worst_wait_seconds,
        jobs=usage.jobs,
        children=usage.children,
        bytes_billed=usage.bytes_billed,
        dollars=usage.bytes_billed / TIB * assumptions.dollars_per_tib,
    )


class Before(Backfill):
    """One date a write: a run of four tasks each, then a run of the aggregates for each graded date, one at a time.

    Every publish updates ``write_fences``, so it conflicts with every other one, of whatever table.
    """

    SHARED_FENCES = "write_fences"

    def __init__(self, assumptions: Assumptions) -> None:
        super().__init__(assumptions)
        self.failures_per_conflict = assumptions.failures_per_conflict_before
        self._dates = iter(range(assumptions.dates))
        self._events: simpy.Store = simpy.Store(self.env)

    def run(self) -> Steps:
        """As many runs at once as there are writers, and the aggregates beside them."""
        aggregates = self.env.process(self._aggregate_each())
        yield self.env.all_of([self.env.process(self._grade_dates()) for _ in range(self.assumptions.writers)])
        self.graded_at = self.env.now
        yield self._events.put(False)
        yield aggregates

    def _grade_dates(self) -> Steps:
        for _ in self._dates:
            yield from self.task(lambda: self.queries(2, tables=2))
            graded = yield from self.task(lambda: self._write(GRADES, self.assumptions.rows_per_date), pooled=True)
            if graded:
                yield from self.task(lambda: self.queries(4))
                yield self._events.put(True)
            else:
                self.failed_dates += 1
            yield from self.task(self._record_run)

    def _write(self, target: str, rows: float) -> Steps:
        """Fence row, staging table, its rows, the audit (grades have two), the publish. ``rows`` are the predictions or grades that are read."""
        grades = target == GRADES
        yield from self.queries(2)
        yield from self.stage(rows, of_grades=grades)
        staged = rows if grades else min(rows, self.assumptions.slices_per_date)
        for _ in range(2 if grades else 1):
            yield from self.audit(staged)
        yield from self.publish([self.SHARED_FENCES, target], self.script(self.assumptions.publish_seconds_before, staged, statements=10, tables=8))

    def _record_run(self) -> Steps:
        yield from self.queries(1)
        yield from self.record()

    def _aggregate_each(self) -> Steps:
        while (yield self._events.get()):
            if self.assumptions.aggregates:
                yield from self._aggregate_date()

    def _aggregate_date(self) -> Steps:
        yield from self.task(lambda: self.queries(2))
        done = yield from self.task(lambda: self._write(DAYS, self.assumptions.rows_per_date), pooled=True)
        if done:
            done = yield from self.task(self._write_periods, pooled=True)
        self.failed_aggregates += not done
        yield from self.task(self._record_run)

    def _write_periods(self) -> Steps:
        assumed = self.assumptions
        yield from self.queries(1)
        writes = int(assumed.period_writes_before) + (self.random.random() < assumed.period_writes_before % 1)
        for _ in range(writes):
            yield from self._write(PERIODS, assumed.rolling_dates * assumed.rows_per_date)


class Today(Backfill):
    """Sets of dates: a plan, a task for each chunk of dates, and a reconciler that refreshes whatever aggregate is stale.

    A publish updates the fences of its own table alone. The publish lease of that table, if it works, makes publishes take turns.
    The reconciler takes no slot of the pool, where it would wait behind the chunks.
    """

    def __init__(self, assumptions: Assumptions) -> None:
        super().__init__(assumptions)
        self._leases = {table: simpy.Resource(self.env) for table in (GRADES, DAYS, PERIODS)}
        self._graded: set[int] = set()
        self._stale_days: set[int] = set()
        self._stale_periods: set[Period] = set()
        self._event = self.env.event()
        self._grading = True

    def run(self) -> Steps:
        """Plan, then all chunks over the pool, and the reconciler beside them until nothing is stale."""
        reconciler = self.env.process(self._reconcile())
        yield from self.task(lambda: self.queries(1))
        chunks = batches(range(self.assumptions.dates), self.assumptions.chunk_dates)
        yield self.env.all_of([self.env.process(self._grade_chunk(chunk)) for chunk in chunks])
        self.graded_at = self.env.now
        self._grading = False
        self._wake()
        yield reconciler

    def _grade_chunk(self, dates: Sequence[int]) -> Steps:
        graded = yield from self.task(lambda: self._write_grades(dates), pooled=True)
        if graded:
            self._wake()
        else:
            self.failed_dates += len(dates)

    def _write_grades(self, dates: Sequence[int]) -> Steps:
        rows = len(dates) * self.assumptions.rows_per_date
        yield from self.queries(1, tables=3)
        yield from self.stage(rows, of_grades=True)
        yield from self._audit_and_publish(GRADES, rows)
        self._graded.update(dates)
        self._stale_days.update(dates)
        yield from self.queries(1, bytes_read=rows * self.assumptions.key_bytes)
        yield from self.record()
        yield from self.queries(1)

    def _audit_and_publish(self, target: str, rows: float) -> Steps:
        yield from self.audit(rows)
        job = self.script(self.assumptions.publish_seconds, rows, statements=6, tables=7)
        lease = self._leases[target] if self.assumptions.publish_lease else None
        yield from self.publish([f"write_fences_{target}", target], job, lease)

    def _wake(self) -> None:
        if not self._event.triggered:
            self._event.succeed()

    def _reconcile(self) -> Steps:
        """One run at a time; events that come while it works are one next run. The lists of what is stale are read anew in each."""
        while self._grading or self._event.triggered:
            yield self._event
            self._event = self.env.event()
            if self.assumptions.aggregates and (self._stale_days or self._stale_periods):
                done = True
                for body in (self._refresh_days, self._refresh_periods, self.record):
                    done = (yield from self.task(body)) and done
                self.failed_aggregates += not done

    def _refresh_days(self) -> Steps:
        assumed = self.assumptions
        yield from self.queries(1, tables=2)
        for days in batches(sorted(self._stale_days), assumed.chunk_dates):
            yield from self._refresh(DAYS, self._stale_days, days, len(days) * assumed.rows_per_date)
            self._stale_periods.update(period for day in days for period in self._periods_with(day))

    def _refresh_periods(self) -> Steps:
        yield from self.queries(1, tables=2)
        for periods in batches(sorted(self._stale_periods), self.assumptions.chunk_dates):
            yield from self._refresh(PERIODS, self._stale_periods, periods, self._dates_read(periods) * self._slices)

    def _refresh(self, target: str, stale: set[Part], parts: Sequence[Part], rows_read: int) -> Steps:
        """Write these partitions. What changes once they are staged makes them stale again, and so does a write that fails."""
        yield from self.stage(rows_read, of_grades=False)
        stale.difference_update(parts)
        try:
            yield from self._audit_and_publish(target, len(parts) * self._slices)
        except RetriesExhausted:
            stale.update(parts)
            raise

    @property
    def _slices(self) -> int:
        return min(self.assumptions.rows_per_date, self.assumptions.slices_per_date)

    def _periods_with(self, day: int) -> Iterator[Period]:
        """The rolling periods that end on a graded date and contain the day, its month and its season."""
        assumed = self.assumptions
        yield from (("rolling", end) for end in range(day, day + assumed.rolling_dates) if end in self._graded)
        yield "month", day // assumed.month_dates
        yield "season", day // assumed.season_dates

    def _dates_read(self, periods: Sequence[Period]) -> int:
        """Dates whose daily rows a write of these periods reads, each once."""
        assumed = self.assumptions
        lengths = {"month": assumed.month_dates, "season": assumed.season_dates}
        dates: set[int] = set()
        for kind, number in periods:
            if kind == "rolling":
                dates.update(range(number - assumed.rolling_dates + 1, number + 1))
            else:
                dates.update(range(number * lengths[kind], (number + 1) * lengths[kind]))
        return len(dates & self._graded)


def batches(parts: Sequence[Part], size: int) -> list[Sequence[Part]]:
    """The parts in order, so many at a time."""
    return [parts[start : start + size] for start in range(0, len(parts), size)]
