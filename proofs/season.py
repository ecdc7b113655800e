"""Measure backfills through a whole Airflow: a season of 92 dates, how the time grows with the dates, and where that of one date goes.

Usage: python -m proofs.season [--dates 10 40 92 160] [--predictions 530] [--no-check] [--out FILE.json]

A stack of its own, as `make demo` starts one, holds generated dates. Each backfill is timed from its trigger until every date is graded and
recorded, and from there until no aggregate is stale. Beside it, in the same Airflow, run DAGs of the same tasks without their work
(proofs/empty_dags): what Airflow itself costs. The floor is DuckDB grading all dates in one statement. Prints a table, each target met or
missed, and ends with ``season_backfill: dates=92 seconds=… aggregates=… seconds_a_date=… empty_dag=…x duckdb=…x one_date=…x``.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from google.cloud import bigquery
from rich.table import Table

from commands.aggregation import wait_for_aggregates
from commands.airflow_api import FINISHED, AirflowApi
from commands.backfill import start_backfill
from commands.clients import make_bigquery_client
from commands.console import CommandError, command, console, warehouse_of
from commands.schema import create_schema
from commands.stack import Stack
from commands.stack_config import ROOT, StackConfig, free_port_base
from nba_grading.guarded_write.publish import MOST_DATES
from nba_grading.pipelines.grade import complete_minutes
from nba_grading.settings import get_settings
from nba_grading.warehouse.sql import identifiers, load_sql
from nba_grading.warehouse.tables import PREDICTION_ACCURACY
from proofs.duckdb_floor import DuckdbWarehouse
from proofs.figures import Target, exit_code
from proofs.publishes import insert_synthetic_date

FIRST = date(2025, 10, 21)
SEASON_DATES = 92
SIZES = (10, 40, SEASON_DATES, 160)
PREDICTIONS = 530
RUN_SECONDS = 900
ONE_DATE_RUNS = 5
OTHER_DAGS = ("aggregate_performance", "deliver_alerts", "release_stuck_leases")
EMPTY_DAGS = ROOT / "proofs" / "empty_dags"


@dataclass(frozen=True)
class Measured:
    """One backfill: its dates, and seconds until they are graded and recorded, until no aggregate is stale after that, of the same tasks
    without work, and of DuckDB grading all dates in one statement."""

    dates: int
    graded_s: float
    aggregates_s: float
    empty_s: float
    duckdb_s: float

    @property
    def total_s(self) -> float:
        """Seconds from the trigger until everything is fresh."""
        return self.graded_s + self.aggregates_s


@dataclass(frozen=True)
class OneDate:
    """The run of one date: seconds from its trigger until it is recorded, of its tasks' processes and of its BigQuery jobs, and the same of an
    empty run. Medians."""

    ours_s: float
    tasks_s: float
    jobs_s: float
    jobs: int
    empty_s: float
    empty_tasks_s: float

    @property
    def parts(self) -> list[tuple[str, float, float]]:
        """Where the seconds go: what, of our run, of the empty one."""
        return [
            ("between the tasks: scheduler, queue, fork", self.ours_s - self.tasks_s, self.empty_s - self.empty_tasks_s),
            ("in the tasks' processes: parsing, clients, leases", self.tasks_s - self.jobs_s, self.empty_tasks_s),
            ("BigQuery jobs", self.jobs_s, 0.0),
        ]

    @property
    def ratio(self) -> float:
        """Seconds to those of an empty run and the jobs."""
        return self.ours_s / (self.empty_s + self.jobs_s)


@dataclass(frozen=True)
class SeasonFigures:
    """All measurements."""

    predictions: int
    backfills: list[Measured] = field(default_factory=list)
    one_date: OneDate | None = None

    @property
    def season(self) -> Measured:
        """The backfill of the season."""
        return next((each for each in self.backfills if each.dates == SEASON_DATES), self.backfills[-1])

    def targets(self) -> list[Target]:
        """The goals of docs/scale.md."""
        season, one, worst = self.season, self.one_date, max(each.aggregates_s for each in self.backfills)
        found = [
            Target(f"{season.dates} dates graded and aggregated in ≤ 90 s", f"{season.total_s:.1f} s", season.total_s <= 90),
            Target("aggregates ≤ 10 s behind the last grade, however many dates", f"{worst:.1f} s", worst <= 10),
        ]
        promise = "one date in ≤ 1.25x an empty run and its BigQuery jobs"
        return [*found, Target(promise, f"{one.ratio:.2f}x", round(one.ratio, 2) <= 1.25)] if one else found

    def line(self) -> str:
        """The closing line."""
        season, one = self.season, self.one_date
        return (
            f"season_backfill: dates={season.dates} seconds={season.graded_s:.1f} aggregates={season.aggregates_s:.1f} "
            f"seconds_a_date={season.total_s / season.dates:.2f} empty_dag={season.graded_s / season.empty_s:.2f}x "
            f"duckdb={season.graded_s / season.duckdb_s:.0f}x one_date={one.ratio if one else 0:.2f}x"
        )


class SeasonStack:
    """A stack with dates of generated predictions, and the timings of its runs."""

    def __init__(self, api: AirflowApi, client: bigquery.Client) -> None:
        self.api, self.client, self.warehouse = api, client, warehouse_of(client)

    def run(self, dag_id: str, conf: dict[str, object]) -> tuple[float, float]:
        """Seconds from the trigger of a run until it has ended, and of its tasks' processes. CommandError unless it succeeds."""
        started = time.monotonic()
        run_id = self.api.trigger(dag_id, conf)
        while (state := self.api.run(dag_id, run_id).state) not in FINISHED:
            if time.monotonic() - started > RUN_SECONDS:
                raise CommandError(f"{dag_id} {run_id} did not end within {RUN_SECONDS} s.")
            time.sleep(0.1)
        if state != "success":
            raise CommandError(f"{dag_id} {run_id} ended {state}: see its log.")
        return time.monotonic() - started, sum(self.api.task_seconds(dag_id, run_id).values())

    def backfill(self, dates: Sequence[date]) -> tuple[float, float]:
        """Seconds until the dates are graded again and recorded, and after that until no aggregate is stale."""
        started = time.monotonic()
        results = start_backfill(self.api, dates[0], dates[-1], regrade=True).wait(lambda outcomes, total: None)
        graded_s = time.monotonic() - started
        wrong = [str(each.game_date) for each in results if each.outcome != "graded"]
        if wrong:
            raise CommandError(f"Not graded: {', '.join(wrong)}")
        problems = wait_for_aggregates(self.api, self.warehouse, poll_s=0.2)
        if problems:
            raise CommandError("\n".join(problems))
        return graded_s, time.monotonic() - started - graded_s

    def one_date(self, day: date) -> OneDate:
        """The run of one date beside empty ones, one after another."""
        ours, empty, jobs_s, jobs = [], [], [], []
        for dag_id in OTHER_DAGS:  # whose jobs and tasks would be among those of the run
            self.api.set_paused(dag_id, True)
        for _ in range(ONE_DATE_RUNS):
            empty.append(self.run("empty_grade", {}))
            since = datetime.now(tz=UTC)
            ours.append(self.run("grade_predictions", {"game_date": str(day)}))
            found = [job for job in self.client.list_jobs(min_creation_time=since) if job.created >= since and job.ended]
            jobs.append(len(found))
            jobs_s.append(sum((job.ended - job.created).total_seconds() for job in found))
        (ours_s, tasks_s), (empty_s, empty_tasks_s) = (map(statistics.median, zip(*each, strict=True)) for each in (ours, empty))
        return OneDate(ours_s, tasks_s, statistics.median(jobs_s), round(statistics.median(jobs)), empty_s, empty_tasks_s)


def duckdb_seconds(dates: Sequence[date], predictions: int) -> float:
    """Seconds of DuckDB grading the same dates in one statement."""
    with tempfile.TemporaryDirectory() as directory:
        floor = DuckdbWarehouse(Path(directory) / "floor.duckdb")
        floor.create_schema()
        for day in dates:
            insert_synthetic_date(floor, day, predictions)
        before = floor.seconds
        columns = identifiers(PREDICTION_ACCURACY.columns)
        text = f"INSERT INTO {PREDICTION_ACCURACY.full_name} ({columns}) " + load_sql("grading/grade_predictions")
        floor.dml(text, {"game_dates": list(dates), "grading_run_id": "floor", **complete_minutes()})
        return floor.seconds - before


def measure_season(sizes: Sequence[int], predictions: int, *, one_date: bool = True) -> SeasonFigures:
    """Measure backfills of so many dates, on a stack of its own."""
    days = [FIRST + timedelta(days=number) for number in range(max(sizes))]
    bundles = [
        {"name": name, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": str(path)}}
        for name, path in (("dags-folder", ROOT / "dags"), ("empty-dags", EMPTY_DAGS))
    ]
    settings = {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles)}
    state = ROOT / ".local" / "season"
    shutil.rmtree(state, ignore_errors=True)
    config = StackConfig(state=state, base=free_port_base(), persistent=False, settings=settings)
    stack = Stack(config)
    os.environ.update(config.client_environment())
    get_settings.cache_clear()
    stack.up()
    try:
        client = make_bigquery_client(get_settings())
        create_schema(client)
        season = SeasonStack(AirflowApi(config.url("airflow")), client)
        for day in days:
            insert_synthetic_date(season.warehouse, day, predictions)
        season.backfill(days[:2])  # whatever is imported or made once
        backfills = []
        for size in sizes:
            empty_s, _ = season.run("empty_backfill", {"chunks": -(-size // MOST_DATES)})
            graded_s, aggregates_s = season.backfill(days[:size])
            backfills.append(Measured(size, graded_s, aggregates_s, empty_s, duckdb_seconds(days[:size], predictions)))
            console.print(f"{size} dates: graded in {graded_s:.1f} s, aggregates {aggregates_s:.1f} s after that, empty {empty_s:.1f} s", style="dim")
        return SeasonFigures(predictions, backfills, season.one_date(days[0]) if one_date else None)
    finally:
        stack.down()


def figures_table(figures: SeasonFigures) -> Table:
    """A row for each backfill."""
    table = Table("dates", "graded s", "aggregates s", "s a date", "empty DAG s", "to the empty DAG", "DuckDB s", title="backfills through Airflow")
    for each in figures.backfills:
        numbers = (f"{each.graded_s:.1f}", f"{each.aggregates_s:.1f}", f"{each.total_s / each.dates:.2f}", f"{each.empty_s:.1f}")
        table.add_row(str(each.dates), *numbers, f"{each.graded_s / each.empty_s:.2f}x", f"{each.duckdb_s:.2f}")
    return table


def one_date_table(one: OneDate) -> Table:
    """Where the seconds of one date's run go."""
    table = Table(
        "seconds", "ours", "an empty DAG of the same tasks", title=f"one date, from the trigger until it is recorded; {one.jobs} BigQuery jobs"
    )
    for what, ours_s, empty_s in [*one.parts, ("in all", one.ours_s, one.empty_s)]:
        table.add_row(what, f"{ours_s:.2f}", f"{empty_s:.2f}")
    return table


def print_season(figures: SeasonFigures) -> None:
    """Print the tables."""
    console.print(figures_table(figures))
    if figures.one_date:
        console.print(one_date_table(figures.one_date))


@command()
def main(
    dates: Annotated[list[int] | None, typer.Option(help="Dates of a backfill, several times for several.")] = None,
    predictions: Annotated[int, typer.Option(help="Predictions of each date.")] = PREDICTIONS,
    out: Annotated[Path, typer.Option(help="File for the JSON report.")] = ROOT / ".local" / "bench-season.json",
    no_check: Annotated[bool, typer.Option("--no-check", help="Exit code 0 although a target is missed: for a busy machine.")] = False,
) -> int:
    """Command line; exit code 1 when a target is missed, or with a sentence."""
    figures = measure_season(dates or SIZES, predictions)
    print_season(figures)
    results = figures.targets()
    for target in results:
        console.print(str(target), style="green" if target.met else "red", markup=False)
    out.write_text(json.dumps({**asdict(figures), "line": figures.line()}, indent=2) + "\n", encoding="utf-8")
    console.print(figures.line(), markup=False)
    return exit_code(results, no_check=no_check)


if __name__ == "__main__":
    sys.exit(main())
