"""Incidents and the circuit breaker on the emulator, with many concurrent callers."""

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
from nba_grading.runs.record import record_runs
from nba_grading.settings import Severity
from nba_grading.warehouse.client import Warehouse
from tests.alert_examples import all_alerts
from tests.conftest import BYTES

T = TypeVar("T")
MANY = 6


def at_the_same_time(warehouse: Warehouse, act: Callable[[Warehouse], T]) -> list[T]:
    """The results of MANY concurrent calls, each with a warehouse of its own, as workers have."""
    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(lambda _: act(Warehouse(warehouse.client, maximum_bytes_billed=BYTES, retry_seconds=30)), range(MANY)))


def alert(subject: str = "", detail: str = "503", severity: Severity = "ERROR") -> Alert:
    return replace(all_alerts()[0], kind="lease-store-down", subject=subject, detail=detail, severity=severity)


def breaker(operation: str, detail: str = "no such column") -> Alert:
    return replace(alert(operation, detail), kind=BREAKER_OPENED)


def test_one_of_many_concurrent_callers_opens_an_incident(warehouse: Warehouse) -> None:
    assert sorted(at_the_same_time(warehouse, lambda mine: open_incident(mine, alert()))) == [False] * (MANY - 1) + [True]
    assert [found.name for found in list_incidents(warehouse)] == ["lease-store-down"]


def test_an_incident_with_a_second_row_is_opened_once(warehouse: Warehouse) -> None:
    assert open_incident(warehouse, alert())
    # As the INSERT of a concurrent seed does that commits after the first UPDATE.
    warehouse.dml("INSERT INTO nba_predictions.incidents (name) VALUES ('lease-store-down')")
    assert not open_incident(warehouse, alert())
    assert [found.occurrences for found in list_incidents(warehouse)] == [1]
    assert resolve_incidents(warehouse, ["lease-store-down"], "it answers") == ["lease-store-down"]
    assert list_incidents(warehouse) == []
    assert [open_incident(warehouse, alert()) for _ in range(2)] == [True, False]


def test_each_of_several_incidents_is_resolved_by_one_of_many_callers(warehouse: Warehouse) -> None:
    names = [f"lease-store-down/{number}" for number in range(4)]
    for number in range(4):
        open_incident(warehouse, alert(str(number)))
    results = at_the_same_time(warehouse, lambda mine: resolve_incidents(mine, names, "it answers"))
    assert sorted(name for resolved in results for name in resolved) == names


def test_one_of_many_concurrent_callers_resolves_an_incident_and_one_claims_its_delivery(warehouse: Warehouse) -> None:
    open_incident(warehouse, alert())
    incident = find_incident(warehouse, "lease-store-down")
    assert incident is not None
    mark_delivered(warehouse, incident, Thread("#grading", "1.0"))

    def resolve_and_claim(mine: Warehouse) -> tuple[list[str], bool]:
        return resolve_incidents(mine, ["lease-store-down", "another"], "it answers"), claim_delivery(mine, "lease-store-down")

    results = at_the_same_time(warehouse, resolve_and_claim)
    assert sorted(resolved for resolved, _ in results)[-2:] == [[], ["lease-store-down"]]
    assert sum(claimed for _, claimed in results) == 1
    found = find_incident(warehouse, "lease-store-down")
    assert found is not None
    assert found.resolved_at is not None
    assert (found.resolution, found.thread) == ("it answers", Thread("#grading", "1.0"))
    assert list_incidents(warehouse) == []


def test_a_resolved_incident_can_be_opened_again(warehouse: Warehouse) -> None:
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


def test_only_incidents_that_are_delivered_and_were_resolved_long_ago_are_pruned(warehouse: Warehouse) -> None:
    for subject in ("open", "undelivered", "resolved"):
        open_incident(warehouse, alert(subject))
    resolve_incidents(warehouse, ["lease-store-down/undelivered", "lease-store-down/resolved"], "it answers")
    resolved = find_incident(warehouse, "lease-store-down/resolved")
    assert resolved is not None
    mark_delivered(warehouse, resolved, Thread("#grading", "1.0"))
    assert prune_incidents(warehouse, after_days=1) == 0
    assert prune_incidents(warehouse, after_days=-1) == 1
    left = warehouse.query("SELECT name FROM nba_predictions.incidents ORDER BY name")
    assert [row["name"] for row in left] == ["lease-store-down/open", "lease-store-down/undelivered"]


def test_one_of_many_runs_may_try_while_the_breaker_is_open(warehouse: Warehouse) -> None:
    open_incident(warehouse, breaker("grading"))
    assert not claim_probe(warehouse, "breaker-opened/grading", "early", pause_s=60)
    warehouse.dml("UPDATE nba_predictions.incidents SET opened_at = TIMESTAMP_SUB(opened_at, INTERVAL 61 SECOND) WHERE TRUE")
    names = [f"run{n}" for n in range(MANY)]
    with ThreadPoolExecutor(MANY) as pool:
        passed = list(pool.map(lambda run: claim_probe(Warehouse(warehouse.client, BYTES), "breaker-opened/grading", run, pause_s=60), names))
    assert passed.count(True) == 1
    again = names[passed.index(True)]
    assert claim_probe(warehouse, "breaker-opened/grading", again, pause_s=60), "a task of the run that tries may be retried"


def record(warehouse: Warehouse, number: int, outcome: str) -> None:
    row = {"grading_run_id": f"run{number}", "operation": "grading", "started_at": datetime.now(tz=UTC), "outcome": outcome}
    record_runs(warehouse, [row])


def test_the_breaker_opens_at_the_given_failure_in_a_row_and_closes_at_a_success(warehouse: Warehouse) -> None:
    def failed() -> int | None:
        return failures_that_open(warehouse, "grading", failures_to_open=3)

    for number, outcome in enumerate(["failed", "failed", "graded", "failed", "refused", "failed"]):
        record(warehouse, number, outcome)
        assert failed() is None
    pass_breaker(warehouse, "grading", "any", pause_s=300, override=False)
    record(warehouse, 6, "failed")
    assert failed() == 3
    open_incident(warehouse, breaker("grading"))

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
