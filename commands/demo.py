"""Grade everything in a directory on a stack of its own: the whole project in one command.

Usage: python -m commands.demo [--data DIRECTORY] [--out DIRECTORY] [--keep]

Starts the stack, loads the directory (a generated sample by default), backfills every date through Airflow and, at the same time,
triggers one of them twice over the API: the race of the incident. Waits until every date is aggregated. Then prints a
table by date and one by system, stops everything, and ends with one line ``demo: dates=… gradable=… graded=… voided=… pending=…
duplicates=… seconds=…``. Exit code 0 only if graded + voided + pending = gradable, no key is duplicated, every run succeeded and is
recorded, and the aggregates match the grades.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from google.cloud import bigquery
from rich.table import Table

from commands.aggregation import wait_for_aggregates
from commands.airflow_api import FINISHED, AirflowApi, AirflowApiError
from commands.backfill import DAG_ID as BACKFILL_DAG
from commands.backfill import DateResult, latest_date, results_table, run_with_progress
from commands.clients import make_bigquery_client
from commands.console import CommandError, command, console, count_of, warehouse_of
from commands.data_files import read_inputs
from commands.load import SAMPLE_DIRECTORY, load_directory
from commands.sample import write_sample
from commands.schema import create_schema
from commands.stack import Stack
from commands.stack_config import StackConfig, demo_config
from commands.statements import COMMANDS_SQL
from nba_grading.pipelines.grade import complete_minutes
from nba_grading.settings import get_settings
from nba_grading.warehouse.sql import identifier

# Table → its partition column.
EXPORTED = {
    "prediction_accuracy": "game_date",
    "system_daily_performance": "game_date",
    "player_daily_performance": "game_date",
    "prediction_performance_summary": "period_end_date",
    "settled_bets": "game_date",
    "system_market_performance": "period_end_date",
    "grading_runs": "started_at",
}
DAILY_DAG = "grade_predictions"
RACERS = 2
RACE_SECONDS = 300
BUCKET = "demo"


@dataclass(frozen=True)
class Totals:
    """The demo's counts over all dates with predictions."""

    dates: int
    gradable: int
    graded: int
    voided: int
    pending: int
    duplicates: int

    @property
    def balanced(self) -> bool:
        """Whether every gradable prediction is accounted for, once."""
        return self.graded + self.voided + self.pending == self.gradable and self.duplicates == 0

    def line(self, seconds: float) -> str:
        """The closing line."""
        return (
            f"demo: dates={self.dates} gradable={self.gradable} graded={self.graded} voided={self.voided} pending={self.pending} "
            f"duplicates={self.duplicates} seconds={seconds:.0f}"
        )


def run_demo(stack: Stack, data: Path | None, out: Path | None) -> tuple[Totals, list[str]]:
    """Load, backfill and race on a stack that runs; returns the totals and the problems, in sentences."""
    client = make_bigquery_client(get_settings())
    create_schema(client)
    with timed("loading"):
        loaded = load_directory(client, data or _sample())
    console.print(loaded.line)
    dates = [day for day in loaded.dates if day <= latest_date()]
    if len(dates) < len(loaded.dates):
        console.print(f"{count_of(len(loaded.dates) - len(dates), 'date')} after {latest_date()} left out, as they are not over yet")
    if not dates:
        raise CommandError(f"{data}: there are no predictions of a date that can be graded.")
    api = AirflowApi(stack.config.url("airflow"))
    with timed("backfill and race"):
        racer = Racer(api, dates[len(dates) // 2])
        results = run_with_progress(api, dates[0], dates[-1], regrade=False)
        problems = racer.finish()
    console.print(results_table(results, "runs by date"))
    problems += [f"{result.game_date}: {result.outcome}" for result in results if result.failed]
    with timed("aggregates, after the grading"):
        problems += wait_for_aggregates(api, warehouse_of(client))
    totals = _summaries(client)
    problems += _unrecorded(client, results, racer)
    if out:
        with timed("export"):
            _export(client, stack.config, out)
    return totals, problems


class Racer:
    """Triggers one date twice over the API while the backfill grades it as well."""

    def __init__(self, api: AirflowApi, game_date: date) -> None:
        self.game_date = game_date
        self.run_ids: list[str] = []
        self._problems: list[str] = []
        self._api = api
        self._thread = threading.Thread(target=self._trigger, daemon=True)
        self._thread.start()

    def _trigger(self) -> None:
        try:
            for _ in range(RACERS):
                self.run_ids.append(self._api.trigger(DAILY_DAG, {"game_date": str(self.game_date)}))
        except AirflowApiError as error:
            self._problems.append(f"race: {error}")

    def finish(self) -> list[str]:
        """Wait for the triggered runs; returns a sentence for each that did not succeed."""
        self._thread.join(timeout=60)
        deadline = time.monotonic() + RACE_SECONDS
        states: dict[str, str] = {}
        while len(states) < len(self.run_ids) and time.monotonic() < deadline:
            found = {run_id: self._api.run(DAILY_DAG, run_id).state for run_id in self.run_ids}
            states = {run_id: state for run_id, state in found.items() if state in FINISHED}
            time.sleep(0.5)
        console.print(f"race on {self.game_date}: {len(self.run_ids)} runs against the backfill, {list(states.values())}")
        wrong = [f"race: run {run_id} ended {states.get(run_id, 'not at all')}" for run_id in self.run_ids if states.get(run_id) != "success"]
        return [*self._problems, *wrong]


def _sample() -> Path:
    write_sample(SAMPLE_DIRECTORY)
    return SAMPLE_DIRECTORY


def _summaries(client: bigquery.Client) -> Totals:
    warehouse = warehouse_of(client)
    rows = warehouse.query(COMMANDS_SQL.load("summarize_dates"), complete_minutes())
    _print_table("grades by date", rows)
    _print_table("grades by system", warehouse.query(COMMANDS_SQL.load("summarize_systems")))
    sums = {name: sum(int(row[name]) for row in rows) for name in ("gradable", "graded", "voided", "pending", "duplicates")}
    return Totals(dates=len(rows), **sums)


def _print_table(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(*(rows[0] if rows else ["nothing"]), title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return str(value) if isinstance(value, (str, date)) else "" if value is None else f"{float(value):.4f}"


def _unrecorded(client: bigquery.Client, results: Sequence[DateResult], racer: Racer) -> list[str]:
    recorded = warehouse_of(client).query(COMMANDS_SQL.load("list_recorded_runs"))
    runs = Counter(row["run_id"] for row in recorded)
    dates = Counter(row["game_date"] for row in recorded if row["dag_id"] == BACKFILL_DAG)
    missing = [f"run {run_id}" for run_id in racer.run_ids if runs[run_id] != 1]
    missing += [f"the backfill of {result.game_date}" for result in results if dates[result.game_date] != 1]
    return [f"grading_runs has not exactly one row of {each}" for each in missing]


def _export(client: bigquery.Client, config: StackConfig, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for table, column in EXPORTED.items():
        folder = config.buckets / BUCKET / table
        folder.mkdir(parents=True, exist_ok=True)
        uri = f"gs://{BUCKET}/{table}/part-*.parquet"
        warehouse_of(client).query(
            COMMANDS_SQL.render("export_table", table=identifier(f"nba_predictions.{table}"), partition_column=column, uri=uri)
        )
        pq.write_table(pa.concat_tables(pq.read_table(part) for part in sorted(folder.glob("*.parquet"))), out / f"{table}.parquet")
    console.print(f"exported {', '.join(EXPORTED)} to {out}")


class PeakMemory:
    """The most memory (PSS, so that shared pages count once) that this process and the stack under it used, in MiB."""

    def __init__(self, stack: Stack) -> None:
        self.mib = 0.0
        self._stack = stack
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stopped.wait(2):
            roots = [psutil.Process(pid) for pid in [os.getpid(), *self._stack.pids()] if psutil.pid_exists(pid)]
            processes = {process.pid: process for root in roots for process in [root, *_children(root)]}
            self.mib = max(self.mib, sum(_memory(process) for process in processes.values()) / 2**20)


def _memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(full, "pss", full.rss))


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Print how long a step took."""
    started = time.monotonic()
    yield
    console.print(f"{step}: {time.monotonic() - started:.1f} s", style="dim")


@command()
def main(
    data: Annotated[
        Path | None, typer.Option(help="Directory with player_prop_predictions and player_game_summary; a generated sample if left out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help=f"Directory to export {', '.join(EXPORTED)} to, each as .parquet.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running, to look at it in the browser.")] = False,
) -> int:
    """Command line; exit code 0 only if everything is graded, once, and nothing went wrong."""
    started = time.monotonic()
    config = demo_config()
    stack = Stack(config, say=lambda line: console.print(line, style="dim"))
    if stack.is_running():
        raise CommandError("A demo is running already: `make down` stops it.")
    if data:
        read_inputs(data)
    if out:
        out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(config.state, ignore_errors=True)
    os.environ.update(config.client_environment())
    with timed("starting the stack"):
        stack.up()
    try:
        with PeakMemory(stack) as memory:
            totals, problems = run_demo(stack, data, out)
        console.print(f"peak memory of the stack: {memory.mib:.0f} MiB", style="dim")
        if keep:
            console.print(stack.addresses, style="bold")
    finally:
        if not keep:
            stack.down()
    for problem in problems:
        console.print(problem, style="red", markup=False)
    console.print(totals.line(time.monotonic() - started), markup=False)
    return 0 if totals.balanced and not problems else 1


if __name__ == "__main__":
    sys.exit(main())
