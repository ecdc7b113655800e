"""The two backends of `make bench`, which run the same operations on the same synthetic rows: the emulator through REST, and DuckDB itself.

Each runs in a process of its own, started by ``backend_process``, so that its memory can be measured. Both create their rows with SQL;
preparation is not timed. ``export`` writes rows as Parquet, which ``compare`` reads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

import psutil

from commands.clients import make_bigquery_client
from commands.console import warehouse_of
from commands.schema import create_schema
from commands.statements import COMMANDS_SQL
from nba_grading.guarded_write.claim import ClaimedDates, UnleasedClaim
from nba_grading.guarded_write.publish import MOST_DATES
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.aggregate import refresh
from nba_grading.pipelines.consolidate import consolidate_date
from nba_grading.pipelines.grade import grade_dates
from nba_grading.pipelines.repair import plan_repair, remove_duplicates
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import identifier, identifiers, literal, render_sql
from nba_grading.warehouse.tables import DATASET, PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY, PREDICTION_PERFORMANCE_SUMMARY, Table
from proofs import PROOFS_SQL
from proofs.bench_figures import Sample
from proofs.contention import CONTEXT
from proofs.duckdb_floor import DuckdbWarehouse, translate
from proofs.publishes import insert_synthetic_date
from proofs.row_by_row import grade_row_by_row
from proofs.seed_incident import HISTORY
from proofs.writer import insert_unguarded

# The season of the synthetic grades: 10,000 per date, so 3 million grades are 300 dates of the season.
SEASON_FIRST, SEASON_LAST = date(2024, 10, 1), date(2025, 9, 30)
GRADED_DATE = date(2026, 1, 10)
BATCH = "bench"
DUPLICATED = [each for each in HISTORY if each.rows]
BUCKET = "bench"
# Times and ids of a write, which differ from run to run.
NOT_COMPARED = {"graded_at", "computed_at", "grading_run_id", "fencing_token"}
# One backend computes averages as floating-point numbers, the other as decimals.
AVERAGES = {"mae", "bias", "hit_rate", "over_hit_rate", "under_hit_rate"}
REQUEST = WriteRequest("bench", allow_shrink=True, params={"batch_id": BATCH})


class Backend:
    """The operations of both backends; each returns a Sample."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def pid(self) -> int:
        """The backend's process id."""
        return os.getpid()

    def grade(self, game_date: date) -> Sample:
        """Grade a date by the guarded write."""
        return self._timed(lambda: grade_dates(self.warehouse, _claimed("grading", game_date), REQUEST).raise_refused())

    def deduplicate(self) -> Sample:
        """Find duplicates and remove them, all dates in one write."""

        def repair() -> None:
            plan = plan_repair(self.warehouse, PREDICTION_ACCURACY, DUPLICATED[0].game_date, DUPLICATED[-1].game_date)
            remove_duplicates(self.warehouse, _claimed("grading", *(each.game_date for each in plan)), REQUEST).raise_refused()

        return self._timed(repair)

    def consolidate(self, game_date: date) -> Sample:
        """Merge the batch of the date, and drop its tables."""
        claimed = _claimed("consolidation", game_date)
        return self._timed(lambda: consolidate_date(self.warehouse, claimed, REQUEST).raise_refused())

    def aggregate_season(self) -> Sample:
        """Aggregate the days of players of a season, set after set, and from them the season and its last month, which share a partition."""
        days = [SEASON_FIRST + timedelta(days=number) for number in range((SEASON_LAST - SEASON_FIRST).days + 1)]
        request = WriteRequest("bench", params={"versions": dict.fromkeys(days, 1)})
        sets = [("player_performance", days[first : first + MOST_DATES]) for first in range(0, len(days), MOST_DATES)]

        def aggregate() -> None:
            for operation, some in [*sets, ("performance_summary", [SEASON_LAST])]:
                refresh(self.warehouse, _claimed(operation, *some), request).raise_refused()

        return self._timed(aggregate)

    def copy_grades(self) -> Sample:
        """Copy the whole of prediction_accuracy, as the emulator does before a transaction changes it."""
        try:
            return self._timed(lambda: self._keep(PREDICTION_ACCURACY))
        finally:
            self._forget(PREDICTION_ACCURACY)

    def add_predictions(self, game_date: date, predictions: int) -> None:
        """Create synthetic predictions and box scores for a date."""
        insert_synthetic_date(self.warehouse, game_date, predictions)

    def hold_grades(self, held: int, more: int) -> None:
        """Add ``more`` synthetic grades to a table that holds ``held``."""
        self.warehouse.dml(PROOFS_SQL.load("insert_synthetic_grades"), {"first_date": SEASON_FIRST, "first": held, "last": held + more - 1})

    def clear(self, game_date: date) -> None:
        """Delete a date's grades."""
        self.warehouse.dml(PROOFS_SQL.load("delete_date"), {"game_date": game_date})

    def make_history(self, scale: float) -> int:
        """Create the grades of the incident with their duplicates; returns their number. ``restore_history`` uses a copy."""
        for each in DUPLICATED:
            keys, rows = round(each.keys * scale), round(each.rows * scale)
            insert_synthetic_date(self.warehouse, each.game_date, keys)
            insert_unguarded(self.warehouse, each.game_date, "the first writer")
            self.warehouse.dml(PROOFS_SQL.load("insert_duplicate_grades"), {"game_date": each.game_date, "surplus": rows - keys})
        self._keep(PREDICTION_ACCURACY)
        return self.count(PREDICTION_ACCURACY)

    def restore_history(self) -> None:
        """Restore the table as ``make_history`` left it."""
        self._bring_back(PREDICTION_ACCURACY)

    def keep_predictions(self) -> None:
        """Keep a copy of the predictions for ``stage_batch``."""
        self._keep(PLAYER_PROP_PREDICTIONS)

    def forget_predictions(self) -> None:
        """Remove all predictions and their copy."""
        self.warehouse.dml(PROOFS_SQL.render("empty_table", table=PLAYER_PROP_PREDICTIONS.full_name))
        self._forget(PLAYER_PROP_PREDICTIONS)

    def empty_statement(self) -> None:
        """A statement that does nothing."""
        self.warehouse.query("SELECT 1 AS one")

    def stage_batch(self, game_date: date, tables: int) -> None:
        """Create staging tables with a newer version of every prediction of a date, of which the main table holds every second one."""
        self._bring_back(PLAYER_PROP_PREDICTIONS)
        for worker in range(tables):
            staging = identifier(f"{DATASET}._staging_batch_{BATCH}_w{worker:03d}")
            parts = {"game_date": literal(game_date), "worker": literal(worker), "workers": literal(tables)}
            self.warehouse.query(PROOFS_SQL.render("create_batch_staging", staging=staging, **parts))
        self.warehouse.dml(PROOFS_SQL.load("delete_every_second_prediction"), {"game_date": game_date})

    def count(self, table: Table) -> int:
        """Rows of a table."""
        [row] = self.warehouse.query(render_sql("repair/count_rows", target=table.full_name))
        return int(row["stored_rows"])

    def _keep(self, table: Table) -> None:
        self.warehouse.query(PROOFS_SQL.render("copy_table", copy=_copy_of(table), table=table.full_name))

    def _bring_back(self, table: Table) -> None:
        self.warehouse.dml(PROOFS_SQL.render("empty_table", table=table.full_name))
        self.warehouse.dml(PROOFS_SQL.render("append_table", copy=_copy_of(table), table=table.full_name))

    def _forget(self, table: Table) -> None:
        self.warehouse.drop_table(_copy_of(table))

    def _timed(self, work: Callable[[], Any]) -> Sample:
        raise NotImplementedError


class EmulatorBackend(Backend):
    """The project's functions through REST, on an emulator with tables on disk. Times are those of the whole call."""

    def __init__(self, environment: Mapping[str, str], emulator_pid: int) -> None:
        self._emulator = psutil.Process(emulator_pid)
        os.environ.update(environment)
        get_settings.cache_clear()
        super().__init__(warehouse_of(make_bigquery_client(get_settings())))

    def create_schema(self) -> None:
        """The project's tables."""
        create_schema(self.warehouse.client)

    def grade_row_by_row(self, game_date: date) -> Mapping[str, float]:
        """Grade a date as the old system did; returns the seconds of each part."""
        return grade_row_by_row(self.warehouse, game_date)

    def _timed(self, work: Callable[[], Any]) -> Sample:
        started, cpu_before = time.perf_counter(), self._cpu_seconds()
        work()
        return Sample(time.perf_counter() - started, self._cpu_seconds() - cpu_before)

    def _cpu_seconds(self) -> float:
        emulator = self._emulator.cpu_times()
        return time.process_time() + emulator.user + emulator.system

    def export(self, table: Table, day: date, name: str) -> None:
        """Write the compared columns of a date's rows to a Parquet file ``name`` in the emulator's bucket."""
        uri = f"gs://{BUCKET}/{name}-*.parquet"
        text = COMMANDS_SQL.render("export_table", table=f"({_rows_of(table, day)})", partition_column=table.date_column, uri=uri)
        self.warehouse.query(text)


class DuckdbBackend(Backend):
    """The floor: the same functions on DuckDB itself. Times are those inside DuckDB, including a checkpoint after each operation."""

    warehouse: DuckdbWarehouse

    def __init__(self, path: Path) -> None:
        super().__init__(DuckdbWarehouse(path))

    def create_schema(self) -> None:
        """The project's tables."""
        self.warehouse.create_schema()

    def compare(self, table: Table, day: date, files: Path, name: str) -> tuple[int, int]:
        """Rows of a date here, and how many differ from those that ``EmulatorBackend.export`` wrote to ``files``, in both directions."""
        columns = ", ".join(f"ROUND({column}, 6) AS {column}" if column in AVERAGES else column for column in _compared(table))
        connection = self.warehouse.connection
        [(text, _)] = translate(_rows_of(table, day))
        here = connection.sql(text).project(columns)
        there = connection.read_parquet(f"{files / BUCKET}/{name}-*.parquet").project(columns)
        return len(here), len(here.except_(there)) + len(there.except_(here))

    def _timed(self, work: Callable[[], Any]) -> Sample:
        self.warehouse.checkpoint()
        seconds, cpu_seconds = self.warehouse.seconds, self.warehouse.cpu_seconds
        work()
        self.warehouse.checkpoint()
        return Sample(self.warehouse.seconds - seconds, self.warehouse.cpu_seconds - cpu_seconds)


def preload() -> None:
    """Import the libraries of the backends once, so that each process forks in a few ms. Call it before the first process."""
    CONTEXT.set_forkserver_preload([__name__])


class _Processes(BaseManager):
    """Starts a backend in a process of its own and forwards calls."""


_Processes.register("EmulatorBackend", EmulatorBackend)
_Processes.register("DuckdbBackend", DuckdbBackend)


@contextmanager
def backend_process(kind: type[Backend], *arguments: Any) -> Iterator[Any]:
    """A backend in a process of its own, which ends with the context. Arguments and results are pickled."""
    with _Processes(ctx=CONTEXT) as processes:
        yield getattr(processes, kind.__name__)(*arguments)


def _claimed(operation: str, *days: date) -> ClaimedDates:
    return ClaimedDates(tuple(UnleasedClaim(LeaseKey(operation, day), "a benchmark") for day in days))


def _copy_of(table: Table) -> str:
    return identifier(f"{DATASET}._bench_{table.name}")


def _rows_of(table: Table, day: date) -> str:
    columns = identifiers(tuple(_compared(table)))
    return PROOFS_SQL.render("select_rows_of_date", columns=columns, table=table.full_name, date_column=table.date_column, game_date=literal(day))


def _compared(table: Table) -> list[str]:
    also_not = {"grades_version"} if table == PREDICTION_PERFORMANCE_SUMMARY else set()
    return [column for column in table.columns if column not in NOT_COMPARED | also_not]
