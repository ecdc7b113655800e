"""Waiting for ``aggregate_performance``, whose runs are started by the grading's assets."""

from __future__ import annotations

import time
from typing import Protocol

from commands.airflow_api import FINISHED, DagRun
from commands.console import count_of
from nba_grading.pipelines.aggregate import find_stale
from nba_grading.warehouse.client import Warehouse

DAG_ID = "aggregate_performance"
POLL_SECONDS = 0.5
STALLED_SECONDS = 120.0


class ListsRuns(Protocol):
    """The part of AirflowApi that is needed here."""

    def runs(self, dag_id: str) -> list[DagRun]:
        """All runs of a DAG."""


def wait_for_aggregates(api: ListsRuns, warehouse: Warehouse, *, poll_s: float = POLL_SECONDS, stalled_s: float = STALLED_SECONDS) -> list[str]:
    """Wait until nothing is stale and no run is active, or nothing has changed for ``stalled_s``.

    Returns the problems, in sentences: what is stale, runs that failed or are still active.
    """
    seen: tuple[int, int] | None = None
    deadline = time.monotonic() + stalled_s
    while True:
        runs = api.runs(DAG_ID)
        active = [run.run_id for run in runs if run.state not in FINISHED]
        stale = [f"{table} {day}" for table, days in find_stale(warehouse).items() for day in days]
        if not active and not stale:
            break
        if seen != (len(runs) - len(active), len(stale)):
            seen, deadline = (len(runs) - len(active), len(stale)), time.monotonic() + stalled_s
        if time.monotonic() > deadline:
            break
        time.sleep(poll_s)
    problems = [f"{DAG_ID}: run {run.run_id} failed" for run in runs if run.state == "failed"]
    stalled = f"{DAG_ID}: nothing changed for {stalled_s:.0f} s, and"
    if stale:
        problems.append(f"{stalled} {count_of(len(stale), 'partition')} stale: {', '.join(stale)}")
    if active:
        problems.append(f"{stalled} {count_of(len(active), 'run')} not finished: {', '.join(active)}")
    return problems
