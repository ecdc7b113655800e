"""What the operators of a guarded write wire together: the lease, the warehouse, a dead holder's job, and the task's end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nba_grading.guarded_write.claim import ClaimedDates, writing_under
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import Published, Written
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.times import LeaseTimes
from nba_grading.warehouse.tables import PREDICTION_ACCURACY
from tests.unit.fake_store import FakeStore, ManualClock

DAY = date(2026, 1, 10)


class Warehouse:
    """Records the jobs that it is asked to cancel."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def cancel_running(self) -> None:
        self.cancelled.append("running")


# What the work does; the operator knows it by the name of a function.
DOING: dict[str, Callable[[Warehouse, Lease], None]] = {}


def work(warehouse: Any, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    with writing_under(warehouse, claimed):
        for claim in claimed.claims:
            DOING["now"](warehouse, cast("Lease", claim))
    published = tuple(Published(PREDICTION_ACCURACY, day, 7, 1, 0, {"graded": 1}, ()) for day in claimed.dates)
    return WriteReport(Written(published, {}, 5))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> FakeStore:
    return FakeStore(clock)


@pytest.fixture
def warehouse(monkeypatch: pytest.MonkeyPatch, store: FakeStore, clock: ManualClock) -> Warehouse:
    from nba_grading.airflow.operators import write as operators

    warehouse = Warehouse()
    monkeypatch.setattr(operators, "make_warehouse", lambda _context: warehouse)
    monkeypatch.setattr(operators, "make_leases", lambda: LeaseManager(store, LeaseTimes(lease_s=600), clock))
    return warehouse


@pytest.fixture
def context() -> Any:
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", try_number=1, log_url=None, xcom_push=lambda **_keywords: None)
    return {"ti": ti, "params": {"use_lease": "on"}, "dag_run": SimpleNamespace(run_type="manual")}


@pytest.fixture
def operator() -> Any:
    from nba_grading.airflow.operators.write import GuardedWriteOperator

    return GuardedWriteOperator(task_id="t", operation="grading", work=f"{__name__}:work", game_date=str(DAY))


def test_a_lease_that_is_lost_during_the_work_cancels_the_running_query(
    warehouse: Warehouse, context: Any, operator: Any, clock: ManualClock
) -> None:
    from nba_grading.leases.errors import LeaseLost

    def lose(_warehouse: Warehouse, claim: Lease) -> None:
        clock.advance(600)
        claim.check()

    DOING["now"] = lose
    with pytest.raises(LeaseLost):
        operator.execute(context)
    assert warehouse.cancelled == ["running"]


def test_the_query_of_a_dead_holder_is_cancelled_before_the_work_begins(
    warehouse: Warehouse, context: Any, operator: Any, store: FakeStore, clock: ManualClock
) -> None:
    from nba_grading.leases.store import LeaseKey

    store.create(LeaseKey("grading", DAY), {"holder_id": "dead", "lease_ms": 1000, "inflight_job": "nba_grading_publish_001"})
    clock.advance(100)
    DOING["now"] = lambda warehouse, _claim: warehouse.cancelled.append("work")
    operator.execute(context)
    assert warehouse.cancelled == ["nba_grading_publish_001", "work"]


def test_a_task_that_is_killed_cancels_its_query(warehouse: Warehouse, context: Any, operator: Any) -> None:
    operator.on_kill()  # before there is anything to cancel
    DOING["now"] = lambda _warehouse, _claim: operator.on_kill()
    operator.execute(context)
    assert warehouse.cancelled == ["running"]


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_the_lease_is_given_back_however_the_work_ends(
    warehouse: Warehouse, context: Any, operator: Any, store: FakeStore, error: type[Exception] | None
) -> None:
    def end(_warehouse: Warehouse, claim: Lease) -> None:
        assert [record.holder_id for record in store.list("grading")] == [claim.holder_id]
        if error:
            raise error

    DOING["now"] = end
    if error:
        with pytest.raises(error):
            operator.execute(context)
    else:
        assert [(facts["game_date"], facts["graded"]) for facts in operator.execute(context)] == [(str(DAY), 1)]
    assert store.list("grading") == []
    assert warehouse.cancelled == []
