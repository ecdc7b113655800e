"""Conditions and the circuit breaker on the emulator, seen and raised by many at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from nba_grading.alerts.incidents import (
    claim_delivery,
    claim_probe,
    find_incident,
    list_incidents,
    mark_delivered,
    open_incident,
    prune_incidents,
    resolve_incidents,
)
from nba_grading.alerts.messages import BREAKER_OPENED
from nba_grading.alerts.model import Alert, Thread
from nba_grading.runs.breaker import BreakerOpen, failures_that_open, pass_breaker
from nba_grading.runs.record import record_run
from nba_grading.settings import Severity
from nba_grading.warehouse.client import Warehouse
from tests.alert_examples import all_alerts
from tests.conftest import BYTES

T = TypeVar("T")
MANY = 6


def at_the_same_time(warehouse: Warehouse, act: Callable[[Warehouse], T]) -> list[T]:
    """What each of MANY got, every one with a warehouse of its own, as workers have."""
    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(lambda _: act(Warehouse(warehouse.client, maximum_bytes_billed=BYTES, retry_seconds=30)), range(MANY)))


def alert(subject: str = "", detail: str = "503", severity: Severity = "ERROR") -> Alert:
    return replace(all_alerts()[0], kind="lease-store-down", subject=subject, detail=detail, severity=severity)


def opened(operation: str, detail: str = "no such column") -> Alert:
    return replace(alert(operation, detail), kind=BREAKER_OPENED)


def test_of_many_that_raise_a_condition_one_is_told_to_tell(warehouse: Warehouse) -> None:
    assert sorted(at_the_same_time(warehouse, lambda mine: open_incident(mine, alert()))) == [False] * (MANY - 1) + [True]
    assert [found.name for found in list_incidents(warehouse)] == ["lease-store-down"]


def test_of_many_that_clear_a_condition_one_clears_it_and_one_tells_it(warehouse: Warehouse) -> None:
    open_incident(warehouse, alert())
    incident = find_incident(warehouse, "lease-store-down")
    assert incident is not None
    mark_delivered(warehouse, incident, Thread("#grading", "1.0"))

    def clear_and_claim(mine: Warehouse) -> tuple[list[str], bool]:
        return resolve_incidents(mine, ["lease-store-down", "another"], "it answers"), claim_delivery(mine, "lease-store-down")

    results = at_the_same_time(warehouse, clear_and_claim)
    assert sorted(cleared for cleared, _ in results)[-2:] == [[], ["lease-store-down"]]
    assert sum(claimed for _, claimed in results) == 1
    over = find_incident(warehouse, "lease-store-down")
    assert over is not None
    assert (over.raised_at, over.recovery, over.thread) == (None, "it answers", Thread("#grading", "1.0"))
    assert list_incidents(warehouse) == []


def test_a_condition_that_was_cleared_can_be_raised_again(warehouse: Warehouse) -> None:
    for _ in range(2):
        assert open_incident(warehouse, alert())
        assert resolve_incidents(warehouse, ["lease-store-down"], "") == ["lease-store-down"]
    assert resolve_incidents(warehouse, ["lease-store-down"], "") == []


def test_a_long_detail_is_cut_and_a_name_is_matched_whole(warehouse: Warehouse) -> None:
    open_incident(warehouse, alert("grading_x", "y" * 5000))
    assert find_incident(warehouse, "lease-store-down/grading") is None
    found = find_incident(warehouse, "lease-store-down/grading_x")
    assert found is not None
    assert len(found.detail) == 1000
    assert found.age_s < 60


def test_what_was_told_and_is_long_over_is_forgotten_and_nothing_else(warehouse: Warehouse) -> None:
    for subject in ("raised", "untold", "over"):
        open_incident(warehouse, alert(subject))
    resolve_incidents(warehouse, ["lease-store-down/untold", "lease-store-down/over"], "done")
    over = find_incident(warehouse, "lease-store-down/over")
    assert over is not None
    mark_delivered(warehouse, over, Thread("#grading", "1.0"))
    assert prune_incidents(warehouse, after_days=1) == 0
    assert prune_incidents(warehouse, after_days=-1) == 1
    left = warehouse.query("SELECT name FROM nba_predictions.incidents ORDER BY name")
    assert [row["name"] for row in left] == ["lease-store-down/raised", "lease-store-down/untold"]


def test_of_many_runs_one_may_try(warehouse: Warehouse) -> None:
    open_incident(warehouse, opened("grading"))
    assert not claim_probe(warehouse, "breaker-opened/grading", "early", pause_s=60)
    warehouse.dml("UPDATE nba_predictions.incidents SET raised_at = TIMESTAMP_SUB(raised_at, INTERVAL 61 SECOND) WHERE TRUE")
    names = [f"run{n}" for n in range(MANY)]
    with ThreadPoolExecutor(MANY) as pool:
        passed = list(pool.map(lambda run: claim_probe(Warehouse(warehouse.client, BYTES), "breaker-opened/grading", run, pause_s=60), names))
    assert passed.count(True) == 1
    again = names[passed.index(True)]
    assert claim_probe(warehouse, "breaker-opened/grading", again, pause_s=60), "a task of the run that tries may be tried again"


def record(warehouse: Warehouse, number: int, outcome: str) -> None:
    row = {"grading_run_id": f"run{number}", "operation": "grading", "started_at": datetime.now(tz=UTC), "outcome": outcome}
    record_run(warehouse, row)


def test_the_breaker_opens_at_the_given_failure_in_a_row_and_closes_at_a_success(warehouse: Warehouse) -> None:
    def failed() -> int | None:
        return failures_that_open(warehouse, "grading", failures_to_open=3)

    for number, outcome in enumerate(["failed", "failed", "graded", "failed", "refused", "failed"]):
        record(warehouse, number, outcome)
        assert failed() is None
    pass_breaker(warehouse, "grading", "any", pause_s=300, override=False)
    record(warehouse, 6, "failed")
    assert failed() == 3
    open_incident(warehouse, opened("grading"))

    with pytest.raises(BreakerOpen, match=r"no such column.*override_breaker"):
        pass_breaker(warehouse, "grading", "any", pause_s=300, override=False)
    pass_breaker(warehouse, "grading", "any", pause_s=300, override=True)
    pass_breaker(warehouse, "consolidation", "any", pause_s=300, override=False)
    resolve_incidents(warehouse, ["breaker-opened/grading"], "a run succeeded")
    pass_breaker(warehouse, "grading", "any", pause_s=300, override=False)


def test_a_breaker_that_is_switched_off_never_opens(warehouse: Warehouse) -> None:
    for number in range(4):
        record(warehouse, number, "failed")
    assert failures_that_open(warehouse, "grading", failures_to_open=0) is None
