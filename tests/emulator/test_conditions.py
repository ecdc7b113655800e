"""Conditions and the circuit breaker on the emulator, seen and raised by many at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from nba_grading.breaker import BreakerOpen, count_failure, count_success, pass_breaker
from nba_grading.conditions import claim_probe, clear_condition, find_condition, list_conditions, raise_condition
from nba_grading.runs import record_run
from nba_grading.warehouse import Warehouse
from tests.conftest import BYTES

T = TypeVar("T")
MANY = 6


def at_the_same_time(warehouse: Warehouse, act: Callable[[Warehouse], T]) -> list[T]:
    """What each of MANY got, every one with a warehouse of its own, as workers have."""
    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(lambda _: act(Warehouse(warehouse.client, maximum_bytes_billed=BYTES, retry_seconds=30)), range(MANY)))


def test_of_many_that_raise_a_condition_one_is_told_to_tell(warehouse: Warehouse) -> None:
    assert sorted(at_the_same_time(warehouse, lambda mine: raise_condition(mine, "lease_store", "503"))) == [False] * (MANY - 1) + [True]
    assert [found.name for found in list_conditions(warehouse, "")] == ["lease_store"]


def test_of_many_that_clear_a_condition_one_is_told_to_tell(warehouse: Warehouse) -> None:
    raise_condition(warehouse, "lease_store", "503")
    cleared = [found for found in at_the_same_time(warehouse, lambda mine: clear_condition(mine, "lease_store")) if found]
    assert [found.detail for found in cleared] == ["503"]
    assert find_condition(warehouse, "lease_store") is None


def test_a_condition_that_was_cleared_can_be_raised_again(warehouse: Warehouse) -> None:
    for _ in range(2):
        assert raise_condition(warehouse, "lease_store", "503")
        assert clear_condition(warehouse, "lease_store")
    assert clear_condition(warehouse, "lease_store") is None


def test_a_long_detail_is_cut_and_a_name_is_matched_whole(warehouse: Warehouse) -> None:
    raise_condition(warehouse, "breaker/grading_x", "y" * 5000)
    assert find_condition(warehouse, "breaker/grading") is None
    found = find_condition(warehouse, "breaker/grading_x")
    assert found is not None
    assert len(found.detail) == 1000
    assert found.age_s < 60


def test_of_many_runs_one_may_try(warehouse: Warehouse) -> None:
    raise_condition(warehouse, "breaker/grading", "")
    assert not claim_probe(warehouse, "breaker/grading", "early", pause_s=60)
    warehouse.execute("UPDATE nba_predictions.conditions SET raised_at = TIMESTAMP_SUB(raised_at, INTERVAL 61 SECOND) WHERE TRUE")
    names = [f"run{n}" for n in range(MANY)]
    with ThreadPoolExecutor(MANY) as pool:
        passed = list(pool.map(lambda run: claim_probe(Warehouse(warehouse.client, BYTES), "breaker/grading", run, pause_s=60), names))
    assert passed.count(True) == 1
    again = names[passed.index(True)]
    assert claim_probe(warehouse, "breaker/grading", again, pause_s=60), "a task of the run that tries may be tried again"


def record(warehouse: Warehouse, number: int, outcome: str) -> None:
    row = {"grading_run_id": f"run{number}", "operation": "grading", "started_at": datetime.now(tz=UTC), "outcome": outcome}
    record_run(warehouse, row)


def test_the_breaker_opens_at_the_given_failure_in_a_row_and_closes_at_a_success(warehouse: Warehouse) -> None:
    def failed() -> int | None:
        return count_failure(warehouse, "grading", failures_to_open=3, detail="no such column")

    for number, outcome in enumerate(["failed", "failed", "graded", "failed", "refused", "failed"]):
        record(warehouse, number, outcome)
        assert failed() is None
    pass_breaker(warehouse, "grading", "any", pause_s=300, override=False)
    record(warehouse, 6, "failed")
    assert failed() == 3
    record(warehouse, 7, "failed")
    assert failed() is None, "it is open already"

    with pytest.raises(BreakerOpen, match=r"no such column.*override_breaker"):
        pass_breaker(warehouse, "grading", "any", pause_s=300, override=False)
    pass_breaker(warehouse, "grading", "any", pause_s=300, override=True)
    pass_breaker(warehouse, "consolidation", "any", pause_s=300, override=False)
    assert count_success(warehouse, "grading") is not None
    assert count_success(warehouse, "grading") is None
    pass_breaker(warehouse, "grading", "any", pause_s=300, override=False)


def test_a_breaker_that_is_switched_off_never_opens(warehouse: Warehouse) -> None:
    for number in range(4):
        record(warehouse, number, "failed")
    assert count_failure(warehouse, "grading", failures_to_open=0, detail="") is None
