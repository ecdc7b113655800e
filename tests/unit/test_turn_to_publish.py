"""The lease for the publish: held around the publish alone, and never a reason not to publish."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any, cast

import pytest

from nba_grading.guarded_write import claim as claim_module
from nba_grading.guarded_write.claim import ClaimedDates, UnleasedClaim, claim_dates
from nba_grading.guarded_write.publish import write_dates
from nba_grading.guarded_write.write import AuditFailed, Write
from nba_grading.leases import store as lease_store_module
from nba_grading.leases.errors import LeaseHeld
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.times import LeaseTimes
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.tables import PREDICTION_ACCURACY
from tests.unit.fake_store import DROPPED, FakeStore

DATES = [date(2026, 1, 10), date(2026, 1, 11)]
TURN = LeaseKey("grading")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_store_module, "PAUSES_SECONDS", (0.0,))


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(time.monotonic)


@pytest.fixture
def leases(store: FakeStore) -> LeaseManager:
    return LeaseManager(store, LeaseTimes(max_wait_s=0.05), time.monotonic)


@pytest.fixture
def claimed(leases: LeaseManager) -> ClaimedDates:
    return claim(leases)


def claim(leases: LeaseManager, dates: list[date] = DATES) -> ClaimedDates:
    claimed, _ = claim_dates(lambda: leases, "grading", dates, {"run_id": "manual__1"}, "degrade")
    assert claimed is not None
    return claimed


def turnless(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records if record.getMessage().startswith("publish_without_turn")]


def test_the_turn_is_held_during_the_publish_and_gone_after_it(store: FakeStore, claimed: ClaimedDates, caplog: pytest.LogCaptureFixture) -> None:
    with claimed:
        assert store.read(TURN) is None
        with claimed.turn_to_publish():
            record = store.read(TURN)
            assert record is not None
            assert record.owner == {"run_id": "manual__1"}
        assert store.read(TURN) is None
        assert len(store.list("grading")) == 2, "the dates are still held"
    assert turnless(caplog) == []


def test_the_turn_is_released_when_the_publish_fails(store: FakeStore, claimed: ClaimedDates) -> None:
    with claimed, pytest.raises(ZeroDivisionError), claimed.turn_to_publish():
        raise ZeroDivisionError
    assert store.list("grading") == []


def test_an_error_of_the_publish_is_not_taken_for_one_of_the_turn(claimed: ClaimedDates, store: FakeStore) -> None:
    held = store.read(LeaseKey("grading", DATES[0]))
    assert held is not None
    with claimed, pytest.raises(LeaseHeld, match="grading_2026-01-10"), claimed.turn_to_publish():
        raise LeaseHeld(held)


def test_a_turn_that_another_holds_for_too_long_is_not_waited_for_any_longer(
    store: FakeStore, leases: LeaseManager, claimed: ClaimedDates, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "TURN_SECONDS", 0.1)
    with leases.try_acquire(TURN, {"run_id": "another"}) as another, claimed:
        begun = time.monotonic()
        with claimed.turn_to_publish():
            assert 0.05 <= time.monotonic() - begun < 5
        record = store.read(TURN)
        assert record is not None
        assert record.holder_id == another.holder_id
    assert turnless(caplog) == [logging.WARNING]


def test_the_publish_goes_on_without_a_turn_when_the_store_is_down(store: FakeStore, claimed: ClaimedDates, caplog: pytest.LogCaptureFixture) -> None:
    with claimed:
        store.outage, published = DROPPED, []
        with claimed.turn_to_publish():
            published.append(1)
        store.outage = None
    assert published == [1]
    assert turnless(caplog) == [logging.WARNING]
    assert store.list("grading") == []


def test_a_turn_that_was_taken_over_meanwhile_is_nobodys_error(store: FakeStore, leases: LeaseManager, claimed: ClaimedDates) -> None:
    with claimed:
        with claimed.turn_to_publish():
            record = store.read(TURN)
            assert record is not None
            store.delete(TURN, record.version)
            successor = leases.try_acquire(TURN, {})
            claimed.check()
        record = store.read(TURN)
        assert record is not None
        assert record.holder_id == successor.holder_id, "the release is of the own turn alone"
        successor.release()


def test_dates_without_leases_take_no_turn(store: FakeStore, leases: LeaseManager, caplog: pytest.LogCaptureFixture) -> None:
    """Neither where all of them have none, nor where the store answered about one and then no more."""
    unleased = UnleasedClaim(LeaseKey("grading", DATES[0]), "the store is down")
    mixed = ClaimedDates((unleased, *claim(leases, DATES[1:]).claims), leases)
    for claimed in (ClaimedDates((unleased,)), ClaimedDates((unleased,), leases), mixed):
        store.calls.clear()
        with claimed.turn_to_publish():
            assert store.calls == []
        assert store.calls == []
    assert turnless(caplog) == []


def test_a_waiting_publish_has_its_turn_when_the_one_before_ends(store: FakeStore) -> None:
    leases = LeaseManager(store, LeaseTimes(max_wait_s=20), time.monotonic)
    first, second = (claim(leases, [day]) for day in DATES)
    order: list[str] = []
    begun = threading.Event()

    def publish() -> None:
        begun.set()
        with second.turn_to_publish():
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with first.turn_to_publish():
            waiting = pool.submit(publish)
            begun.wait(timeout=5)
            time.sleep(0.05)
            order.append("first")
        waiting.result(timeout=10)
    assert order == ["first", "second"]


def test_publishes_of_two_operations_have_turns_of_their_own(leases: LeaseManager, claimed: ClaimedDates, caplog: pytest.LogCaptureFixture) -> None:
    other, _ = claim_dates(lambda: leases, "daily_performance", DATES, {}, "degrade")
    assert other is not None
    with claimed, other, claimed.turn_to_publish(), other.turn_to_publish():
        pass
    assert turnless(caplog) == []


# Around the publish alone


class RecordingWarehouse:
    """Answers the statements of a guarded write whose every date passes, and remembers who had the turn at each."""

    def __init__(self, store: FakeStore, fail_at: str = "") -> None:
        self.before_attempt: Callable[[], None] = lambda: None
        self.had_turn: list[tuple[str, bool]] = []
        self._store, self._fail_at = store, fail_at

    def query(self, text: str, params: Any = None, job_name: str = "", before_submit: Callable[[str], None] = lambda _: None) -> list[Row]:
        self.before_attempt()
        step = job_name.split("_")[2] if job_name else "audit"
        before_submit(f"{job_name}_001")
        self.had_turn.append((step, self._store.read(TURN) is not None))
        if step == self._fail_at:
            raise ZeroDivisionError
        if step == "audit":
            counts = {"fencing_token": 1, "staged_rows": 3, "staged_keys": 3, "null_keys": 0, "stored_rows": 0, "stored_keys": 0, "foreign_rows": 0}
            return [{"claimed_date": day, **counts} for day in params["game_dates"]]
        return [{"game_date": day, "fencing_token": 9, "is_published": True} for day in DATES]

    def drop_table(self, _name: str) -> None:
        self.had_turn.append(("drop", self._store.read(TURN) is not None))

    def cancel(self, _job_id: str) -> None:
        raise AssertionError("nothing was taken over")

    cancel_running = cancel


WRITE = Write(PREDICTION_ACCURACY, "SELECT 1", {}, "run", max_shrink=0.1)


def test_a_write_has_the_turn_while_it_publishes_and_at_no_other_step(store: FakeStore, claimed: ClaimedDates) -> None:
    warehouse = RecordingWarehouse(store)
    with claimed:
        written = write_dates(cast(Warehouse, warehouse), claimed, WRITE)
    assert [each.game_date for each in written.published] == DATES
    assert warehouse.had_turn == [("stage", False), ("audit", False), ("publish", True), ("drop", False)]


def test_a_write_whose_publish_fails_leaves_no_turn(store: FakeStore, claimed: ClaimedDates) -> None:
    warehouse = RecordingWarehouse(store, fail_at="publish")
    with pytest.raises(ZeroDivisionError), claimed:
        write_dates(cast(Warehouse, warehouse), claimed, WRITE)
    assert warehouse.had_turn[-2:] == [("publish", True), ("drop", False)]
    assert store.list("grading") == []


def test_a_write_whose_every_date_is_refused_takes_no_turn(store: FakeStore, claimed: ClaimedDates) -> None:
    warehouse = RecordingWarehouse(store)
    strict = Write(PREDICTION_ACCURACY, "SELECT 1", {}, "run", max_shrink=0.1, check=_refuse)
    with claimed:
        written = write_dates(cast(Warehouse, warehouse), claimed, strict)
    assert (written.published, list(written.refused)) == ((), DATES)
    assert [step for step, _ in warehouse.had_turn] == ["stage", "audit", "drop"]


def _refuse(game_date: date, _counts: Row) -> None:
    raise AuditFailed(f"{game_date} is refused")
