"""Waiting for the aggregates: when it ends, and what it says then."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import pytest

from commands import aggregation
from commands.aggregation import wait_for_aggregates
from commands.airflow_api import DagRun
from nba_grading.pipelines.aggregate import AGGREGATES
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import load_sql, render_sql

Stale = list[tuple[str, date]]
DAYS: Stale = [("system_daily_performance", date(2026, 1, 30)), ("system_daily_performance", date(2026, 1, 31))]
PERIOD: Stale = [("prediction_performance_summary", date(2026, 9, 30))]


def runs(*states: str) -> list[DagRun]:
    return [DagRun(run_id=f"run{number}", run_type="asset_triggered", state=state, logical_date=None) for number, state in enumerate(states)]


class Playing:
    """An Airflow and a BigQuery whose answers follow each other, the last one again and again."""

    def __init__(self, *steps: tuple[list[DagRun], Stale]) -> None:
        self.steps = list(steps)

    def runs(self, dag_id: str) -> list[DagRun]:
        assert dag_id == "aggregate_performance"
        return self.steps[0][0]

    def query(self, text: str) -> list[dict[str, Any]]:
        assert text == render_sql("aggregates/find_stale", periods=load_sql("aggregates/periods_fragment"))
        stale = self.steps[0][1]
        if len(self.steps) > 1:
            self.steps.pop(0)
        return [{"target": table, "partition_date": day, "version": 7} for table, day in stale]


class Clock:
    """Moves by as much as is slept."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(aggregation, "time", clock)
    return clock


def wait(playing: Playing) -> list[str]:
    return wait_for_aggregates(playing, cast(Warehouse, playing), poll_s=1, stalled_s=10)


def test_it_ends_when_nothing_is_stale_and_no_run_is_active(clock: Clock) -> None:
    steps = (runs(), DAYS + PERIOD), (runs("queued"), DAYS + PERIOD), (runs("running"), PERIOD), (runs("running"), []), (runs("success"), [])
    assert wait(Playing(*steps)) == []
    assert clock.now == 4, "the runs and what is stale are asked for at every poll"


def test_nothing_to_wait_for_is_no_wait(clock: Clock) -> None:
    assert wait(Playing((runs(), []))) == []
    assert clock.now == 0


def test_the_wait_lasts_as_long_as_partitions_become_fresh(clock: Clock) -> None:
    days = [(AGGREGATES[0].name, date(2026, 1, number)) for number in range(1, 31)]
    slowly = [(runs("running"), days[number // 8 :]) for number in range(8 * len(days))]
    assert wait(Playing(*slowly, (runs("success"), []))) == []
    assert clock.now > 10 * 20, "much longer than nothing may change"


def test_a_failed_run_is_reported() -> None:
    assert wait(Playing((runs("success", "failed"), []))) == ["aggregate_performance: run run1 failed"]


def test_partitions_whose_run_never_comes_end_the_wait_after_a_while(clock: Clock) -> None:
    [problem] = wait(Playing((runs("success"), [*DAYS, *PERIOD])))
    assert problem == (
        "aggregate_performance: nothing changed for 10 s, and 3 partitions stale: "
        "system_daily_performance 2026-01-30, system_daily_performance 2026-01-31, prediction_performance_summary 2026-09-30"
    )
    assert 10 < clock.now <= 12


def test_a_run_that_does_not_end_is_named() -> None:
    [problem] = wait(Playing((runs("success", "running"), [])))
    assert "1 run not finished: run1" in problem
