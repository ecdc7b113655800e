"""Waiting for the aggregates: when it ends, and what it says then."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import pytest

from commands import aggregation
from commands.aggregation import wait_for_aggregates
from commands.airflow_api import DagRun
from commands.statements import COMMANDS_SQL
from nba_grading.warehouse.client import Warehouse

DATES = [date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1)]


def runs(*states: str) -> list[DagRun]:
    return [DagRun(run_id=f"run{number}", run_type="asset_triggered", state=state, logical_date=None) for number, state in enumerate(states)]


class Playing:
    """An Airflow and a BigQuery whose answers follow each other, the last one again and again."""

    def __init__(self, *steps: tuple[list[DagRun], list[date]]) -> None:
        self.steps = list(steps)

    def runs(self, dag_id: str) -> list[DagRun]:
        assert dag_id == "aggregate_performance"
        return self.steps[0][0]

    def query(self, text: str) -> list[dict[str, Any]]:
        assert text == COMMANDS_SQL.load("list_unaggregated_dates")
        missing = self.steps[0][1]
        if len(self.steps) > 1:
            self.steps.pop(0)
        return [{"game_date": day} for day in missing]


def wait(playing: Playing) -> list[str]:
    return wait_for_aggregates(playing, cast(Warehouse, playing), DATES, poll_s=0, stalled_s=0.05)


@pytest.fixture(autouse=True)
def probed(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The dates whose periods were looked at; none is stale."""
    probed: list[date] = []
    monkeypatch.setattr(aggregation, "find_stale_periods", lambda _warehouse, day: probed.append(day) or [])
    return probed


def test_it_ends_when_every_date_is_summed_up_and_no_run_goes_on(probed: list[date]) -> None:
    playing = Playing((runs(), DATES), (runs("queued", "running"), DATES), (runs("success", "running"), []), (runs("success", "success"), []))
    assert wait(playing) == []
    assert probed == [date(2026, 1, 30), date(2026, 2, 1)], "one date of each month covers all its periods"


def test_a_failed_run_is_told() -> None:
    assert wait(Playing((runs("success", "failed"), []))) == ["aggregate_performance: run run1 failed"]


def test_dates_whose_run_never_comes_end_the_wait_after_a_while() -> None:
    [problem] = wait(Playing((runs("success"), DATES[1:])))
    assert "nothing moved for" in problem
    assert "2 graded dates are not summed up: 2026-01-31, 2026-02-01" in problem


def test_a_run_that_does_not_end_is_named() -> None:
    [problem] = wait(Playing((runs("success", "running"), [])))
    assert "1 runs are not finished: run1" in problem


def test_periods_that_are_stale_after_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "find_stale_periods", lambda _warehouse, day: [date(2026, 9, 30)])
    [problem] = wait(Playing((runs("success"), [])))
    assert "periods that end on 2026-09-30 do not show the grades as they are" in problem
