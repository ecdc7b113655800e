"""The measurements of `make bench`: three emulators in sequence, each compared with a DuckDB file that has the same rows.

Samples of the two backends alternate, so that other load slows both alike.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from commands.console import console
from commands.stack_config import StackConfig
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY, PREDICTION_PERFORMANCE_SUMMARY, Table
from proofs.backends import BUCKET, DUPLICATED, GRADED_DATE, SEASON_FIRST, SEASON_LAST, DuckdbBackend, EmulatorBackend, backend_process
from proofs.bench_figures import BenchFigures, Copy, Measurement, RowByRow, Sample
from proofs.emulator import bigquery_emulator
from proofs.memory import PeakMemory

STATEMENTS = 20


@dataclass(frozen=True)
class Sizes:
    """Sizes of the benchmark. ``predictions`` per graded date and other rows ``held`` by the table, both ascending.

    ``history`` is the share of the incident's rows, ``tables`` the staging tables of a batch, ``row_by_row`` those of ``predictions``
    that are graded the old way too, once.
    """

    predictions: tuple[int, ...]
    held: tuple[int, ...]
    history: float
    tables: int
    row_by_row: tuple[int, ...]
    repeats: int

    @property
    def steps(self) -> int:
        """How often ``advance`` is called: once per graded date and number of held rows, and once per other operation."""
        return len(self.predictions) * len(self.held) + 4


FULL = Sizes(predictions=(5_000, 50_000, 263_274), held=(0, 300_000, 3_000_000), history=1.0, tables=100, row_by_row=(50_000, 263_274), repeats=3)
QUICK = Sizes(predictions=(606,), held=(0, 2_000), history=0.002, tables=3, row_by_row=(606,), repeats=1)


class Bench:
    """Both backends with the same rows, and their measurements."""

    def __init__(self, ours: Any, floor: Any, config: StackConfig, emulator_pid: int, sizes: Sizes) -> None:
        self.ours = ours
        self.floor = floor
        self.sizes = sizes
        self.config = config
        self.emulator_pid = emulator_pid
        self.measurements: list[Measurement] = []
        self._files = config.buckets
        self._exports = 0

    def both(self, name: str, *arguments: Any) -> None:
        """Call a method of both backends."""
        for backend in (self.ours, self.floor):
            getattr(backend, name)(*arguments)

    def sample(self, name: str, *arguments: Any) -> tuple[Sample, Sample]:
        """Run one operation on both backends."""
        return getattr(self.ours, name)(*arguments), getattr(self.floor, name)(*arguments)

    def record(self, operation: str, rows: int, held: int, samples: list[tuple[Sample, Sample]], *compared: tuple[Table, date]) -> Measurement:
        """Keep the samples of an operation, and compare the dates it wrote."""
        ours, floor = zip(*samples, strict=True)
        found = [self.compare(table, day) for table, day in compared]
        measured = Measurement(operation, rows, held, ours, floor, sum(same for same, _ in found), sum(different for _, different in found))
        self.measurements.append(measured)
        console.print(f"{operation} of {rows:,} rows, beside {held:,}: {measured.ours:.2f} s, {measured.ratio:.2f}x", style="dim")
        return measured

    def compare(self, table: Table, day: date) -> tuple[int, int]:
        """Rows of a date on the floor, and how many differ between the backends."""
        self._exports += 1
        name = f"rows{self._exports}"
        self.ours.export(table, day, name)
        found: tuple[int, int] = self.floor.compare(table, day, self._files, name)
        for file in (self._files / BUCKET).glob(f"{name}-*"):
            file.unlink()
        return found


def measure(state: Path, sizes: Sizes, advance: Callable[[], None] = lambda: None) -> BenchFigures:
    """Measure everything. ``state`` holds the files of the emulators and DuckDB, and is removed."""
    memory = PeakMemory()
    shutil.rmtree(state, ignore_errors=True)
    try:
        with _bench(state / "repair", sizes, memory) as bench:
            _deduplicate(bench)
            advance()
        measurements = bench.measurements
        with _bench(state / "consolidation", sizes, memory) as bench:
            few_s = _consolidate(bench)
            advance()
        measurements = [*bench.measurements, *measurements]
        with _bench(state / "grading", sizes, memory) as bench:
            started = time.perf_counter()
            for _ in range(STATEMENTS):
                bench.ours.empty_statement()
            statement_s = (time.perf_counter() - started) / STATEMENTS
            copies, old = _grade(bench, memory, advance)
            _sum_up_season(bench)
            advance()
    finally:
        shutil.rmtree(state, ignore_errors=True)
    order = ("grade", "regrade", "dedup", "consolidate", "season")
    measurements = sorted([*bench.measurements, *measurements], key=lambda each: order.index(each.operation))
    return BenchFigures(measurements, copies, old, few_s, statement_s, memory.peaks_mib)


@contextmanager
def _bench(directory: Path, sizes: Sizes, memory: PeakMemory) -> Iterator[Bench]:
    with (
        bigquery_emulator(directory) as (config, emulator_pid),
        backend_process(EmulatorBackend, config.client_environment(), emulator_pid) as ours,
        backend_process(DuckdbBackend, directory / "floor.duckdb") as floor,
    ):
        bench = Bench(ours, floor, config, emulator_pid, sizes)
        bench.both("create_schema")
        with memory.watch({"ours": ours.pid(), "the emulator": emulator_pid, "DuckDB itself": floor.pid()}):
            yield bench
    shutil.rmtree(directory, ignore_errors=True)


def _deduplicate(bench: Bench) -> None:
    bench.both("make_history", bench.sizes.history)
    rows = bench.ours.count(PREDICTION_ACCURACY)
    samples = []
    for number in range(bench.sizes.repeats):
        if number:
            bench.both("restore_history")
        samples.append(bench.sample("deduplicate"))
    bench.record("dedup", rows, 0, samples, *((PREDICTION_ACCURACY, each.game_date) for each in DUPLICATED))


def _consolidate(bench: Bench) -> float:
    """Measure consolidation; returns the seconds for as many tables with one or two rows each."""
    few, many = GRADED_DATE, GRADED_DATE + timedelta(days=1)
    predictions, tables = bench.sizes.predictions[-1], bench.sizes.tables
    bench.ours.add_predictions(few, 2 * tables)
    bench.ours.keep_predictions()
    bench.ours.stage_batch(few, tables)
    few_s: float = bench.ours.consolidate(few).clock_s
    bench.ours.forget_predictions()
    bench.both("add_predictions", many, predictions)
    bench.both("keep_predictions")
    samples = []
    for _ in range(bench.sizes.repeats):
        bench.both("stage_batch", many, tables)
        samples.append(bench.sample("consolidate", many))
    bench.record("consolidate", predictions, 0, samples, (PLAYER_PROP_PREDICTIONS, many))
    return few_s


def _grade(bench: Bench, memory: PeakMemory, advance: Callable[[], None]) -> tuple[list[Copy], list[RowByRow]]:
    sizes = bench.sizes
    dates = [GRADED_DATE + timedelta(days=number) for number in range(len(sizes.predictions))]
    for game_date, predictions in zip(dates, sizes.predictions, strict=True):
        bench.both("add_predictions", game_date, predictions)
    copies: list[Copy] = []
    old: list[RowByRow] = []
    held_before = 0
    for held in sizes.held:
        if held > held_before:
            bench.both("hold_grades", held_before, held - held_before)
        held_before = held
        for game_date, predictions in zip(dates, sizes.predictions, strict=True):
            first, again = [], []
            for number in range(sizes.repeats):
                if number:
                    bench.both("clear", game_date)
                first.append(bench.sample("grade", game_date))
                if predictions == sizes.predictions[-1]:
                    again.append(bench.sample("grade", game_date))
            grade = bench.record("grade", predictions, held, first, (PREDICTION_ACCURACY, game_date))
            if again:
                bench.record("regrade", predictions, held, again, (PREDICTION_ACCURACY, game_date))
                copied = [bench.sample("copy_grades") for _ in range(sizes.repeats)]
                ours_s, floor_s = (statistics.median(each.clock_s for each in samples) for samples in zip(*copied, strict=True))
                copies.append(Copy(held, bench.ours.count(PREDICTION_ACCURACY), ours_s, floor_s))
            if predictions in sizes.row_by_row and held == sizes.held[0]:
                old.append(_grade_row_by_row(bench, memory, game_date, grade))
            bench.both("clear", game_date)
            advance()
    return copies, old


def _grade_row_by_row(bench: Bench, memory: PeakMemory, game_date: date, grade: Measurement) -> RowByRow:
    bench.ours.clear(game_date)
    with (
        backend_process(EmulatorBackend, bench.config.client_environment(), bench.emulator_pid) as process,
        memory.watch({"row by row": process.pid()}),
    ):
        seconds = process.grade_row_by_row(game_date)
    _, different = bench.compare(PREDICTION_ACCURACY, game_date)
    return RowByRow(grade.rows, seconds, grade.ours, different)


def _sum_up_season(bench: Bench) -> None:
    rows = bench.ours.count(PREDICTION_ACCURACY)
    samples = [bench.sample("aggregate_season") for _ in range(bench.sizes.repeats)]
    bench.record("season", rows, 0, samples, (PREDICTION_PERFORMANCE_SUMMARY, SEASON_LAST), (PREDICTION_ACCURACY, SEASON_FIRST))
