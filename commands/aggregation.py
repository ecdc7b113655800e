"""Waiting for ``aggregate_performance``, whose runs follow the grading by themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import date
from typing import Protocol

from commands.airflow_api import FINISHED, DagRun
from commands.statements import COMMANDS_SQL
from nba_grading.pipelines.aggregate import find_stale_periods
from nba_grading.warehouse.client import Warehouse

DAG_ID = "aggregate_performance"
POLL_SECONDS = 1.0
STALLED_SECONDS = 120.0


class ListsRuns(Protocol):
    """AirflowApi, as far as it is needed here."""

    def runs(self, dag_id: str) -> list[DagRun]:
        """All runs of a DAG."""


def wait_for_aggregates(
    api: ListsRuns, warehouse: Warehouse, dates: Iterable[date], *, poll_s: float = POLL_SECONDS, stalled_s: float = STALLED_SECONDS
) -> list[str]:
    """Wait until every graded date is summed up and no run goes on, or nothing has moved for ``stalled_s``.

    Returns what is wrong then, in sentences: dates and periods of ``dates`` that are not up to date, runs that failed or go on.
    """
    seen: tuple[int, int] | None = None
    deadline = time.monotonic() + stalled_s
    while True:
        runs = api.runs(DAG_ID)
        going_on = [run.run_id for run in runs if run.state not in FINISHED]
        missing = [str(row["game_date"]) for row in warehouse.query(COMMANDS_SQL.load("list_unaggregated_dates"))]
        if not going_on and not missing:
            break
        if seen != (len(runs) - len(going_on), len(missing)):
            seen, deadline = (len(runs) - len(going_on), len(missing)), time.monotonic() + stalled_s
        if time.monotonic() > deadline:
            break
        time.sleep(poll_s)
    problems = [f"{DAG_ID}: run {run.run_id} failed" for run in runs if run.state == "failed"]
    if missing:
        problems.append(f"{DAG_ID}: nothing moved for {stalled_s:.0f} s, and {len(missing)} graded dates are not summed up: {', '.join(missing)}")
    if going_on:
        problems.append(f"{DAG_ID}: nothing moved for {stalled_s:.0f} s, and {len(going_on)} runs are not finished: {', '.join(going_on)}")
    stale = sorted({day for probe in _first_of_each_month(dates) for day in find_stale_periods(warehouse, probe)})
    if stale:
        problems.append(f"{DAG_ID}: periods that end on {', '.join(map(str, stale))} do not show the grades as they are")
    return problems


def _first_of_each_month(dates: Iterable[date]) -> list[date]:
    """Enough to look at: the periods that contain such a date include the month's end and the 30 days that end on each of its days."""
    first: dict[tuple[int, int], date] = {}
    for day in sorted(dates):
        first.setdefault((day.year, day.month), day)
    return list(first.values())
