"""The lease algorithm with a clock that the test moves, and calls that are lost one at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from nba_grading.events import subscribe, unsubscribe
from nba_grading.leases import manager as leases_module
from nba_grading.leases import store as lease_store_module
from nba_grading.leases.errors import LeaseHeld, LeaseLost, LeaseStoreUnavailable
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey, LeaseRecord
from nba_grading.leases.times import LeaseTimes
from nba_grading.leases.waiting import Waiter, WatchState, turn_delay_s
from tests.unit.fake_store import ANSWER_LOST, DROPPED, LANDS_LATE, FakeStore, Fault, ManualClock, slow

KEY = LeaseKey("grading", date(2026, 1, 10))
# The renewal thread sleeps in real seconds: at 200 it never wakes during a test, and the tests renew themselves.
TIMES = LeaseTimes(lease_s=600, grace_s=2, rpc_s=5)
VALID_S = 570
MILLISECOND = 0.001

Acquire = Callable[[], Lease]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_store_module, "PAUSES_SECONDS", (0.0,))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> FakeStore:
    return FakeStore(clock)


@pytest.fixture
def leases(store: FakeStore, clock: ManualClock) -> LeaseManager:
    return LeaseManager(store, TIMES, clock)


@pytest.fixture
def acquire(leases: LeaseManager, store: FakeStore) -> Iterator[Acquire]:
    """Acquires KEY; what was acquired stops renewing after the test."""
    acquired: list[Lease] = []

    def try_acquire() -> Lease:
        acquired.append(leases.try_acquire(KEY, {"run_id": "manual__1"}))
        return acquired[-1]

    yield try_acquire
    store.outage = None
    for lease in acquired:
        lease.release()


def stored(store: FakeStore) -> LeaseRecord:
    record = store.read(KEY)
    assert record is not None
    return record


def evict(store: FakeStore) -> None:
    store.delete(KEY, stored(store).version)


def put_claim(store: FakeStore, holder_id: str = "other", lease_s: float = 600, **fields: Any) -> None:
    store.create(KEY, {"holder_id": holder_id, "lease_ms": round(lease_s * 1000), **fields})


def calls_of(store: FakeStore, action: Callable[[], object]) -> list[str]:
    before = len(store.calls)
    action()
    return store.calls[before:]


# What it costs


def test_an_uncontended_acquire_is_one_call(store: FakeStore, acquire: Acquire) -> None:
    acquire()
    assert store.calls == ["create"]


def test_a_renewal_is_one_call(store: FakeStore, acquire: Acquire) -> None:
    assert calls_of(store, acquire().renew) == ["replace"]


def test_a_release_is_one_call(store: FakeStore, acquire: Acquire) -> None:
    assert calls_of(store, acquire().release) == ["delete"]


def test_a_takeover_is_four_calls(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    put_claim(store)
    clock.advance(603)
    assert calls_of(store, acquire) == ["create", "read", "delete", "create"]


def test_a_check_costs_no_call(store: FakeStore, acquire: Acquire) -> None:
    assert calls_of(store, acquire().check) == []


# Acquire


def test_a_create_whose_answer_was_lost_is_adopted(store: FakeStore, acquire: Acquire) -> None:
    store.inject("create", ANSWER_LOST)
    lease = acquire()
    assert store.calls == ["create", "read"]
    assert (lease.holder_id, lease.fencing_token) == (stored(store).holder_id, stored(store).fencing_token)
    lease.renew()


def test_an_adopted_lease_counts_its_validity_from_the_first_send(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    store.inject("create", Fault("never", meanwhile=lambda: clock.advance(5)), Fault("now", meanwhile=lambda: clock.advance(5)))
    store.inject("read", slow(lambda: clock.advance(1)), slow(lambda: clock.advance(1)))
    assert acquire().remaining_s == pytest.approx(VALID_S - 12)


def test_an_answered_create_counts_its_validity_from_before_the_send(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    store.inject("create", slow(lambda: clock.advance(4)))
    assert acquire().remaining_s == pytest.approx(VALID_S - 4)


def test_a_create_that_was_dropped_is_sent_again(store: FakeStore, acquire: Acquire) -> None:
    store.inject("create", DROPPED)
    lease = acquire()
    assert store.calls == ["create", "read", "create"]
    assert stored(store).holder_id == lease.holder_id


def test_a_create_that_lands_late_is_adopted(store: FakeStore, acquire: Acquire) -> None:
    store.inject("create", LANDS_LATE)
    lease = acquire()
    assert store.calls == ["create", "read", "create", "read"]
    assert (lease.holder_id, lease.fencing_token) == (stored(store).holder_id, stored(store).fencing_token)
    lease.renew()


def test_a_lost_answer_does_not_hide_who_holds_the_lease(store: FakeStore, acquire: Acquire) -> None:
    put_claim(store, holder_id="other")
    store.inject("create", ANSWER_LOST)
    with pytest.raises(LeaseHeld) as held:
        acquire()
    assert held.value.record.holder_id == "other"


def test_a_create_answered_after_its_own_validity_is_given_back(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    store.inject("create", slow(lambda: clock.advance(VALID_S)))
    lease = acquire()
    assert store.calls == ["create", "delete", "create"]
    assert lease.remaining_s == pytest.approx(VALID_S)


def test_a_silent_store_is_unavailable_after_four_calls(store: FakeStore, acquire: Acquire) -> None:
    store.outage = DROPPED
    with pytest.raises(LeaseStoreUnavailable, match="no answer to read"):
        acquire()
    assert store.calls == ["create", "read", "read", "read"]


def test_a_store_that_only_reads_is_unavailable_after_six_rounds(store: FakeStore, acquire: Acquire) -> None:
    store.inject("create", *[DROPPED] * 6)
    with pytest.raises(LeaseStoreUnavailable, match="6 attempts"):
        acquire()
    assert store.calls == ["create", "read"] * 6


def test_a_read_is_repeated_until_it_is_answered(store: FakeStore, acquire: Acquire) -> None:
    store.inject("create", ANSWER_LOST)
    store.inject("read", DROPPED, DROPPED)
    acquire()
    assert store.calls == ["create", "read", "read", "read"]


def test_a_held_lease_says_who_holds_it_and_for_how_long(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    put_claim(store, run_id="backfill__7", hostname="worker-3")
    clock.advance(90)
    with pytest.raises(LeaseHeld, match=r"held by other \(run_id backfill__7, hostname worker-3\) since .* UTC, 90 s ago, renewed 90 s ago"):
        acquire()


# Take over


def test_a_lease_is_taken_over_after_its_duration_and_the_grace_not_earlier(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    put_claim(store, holder_id="dead", inflight_job="publish_001")
    clock.advance(602)
    with pytest.raises(LeaseHeld):
        acquire()
    clock.advance(MILLISECOND)
    taken_over = acquire().taken_over
    assert taken_over is not None
    assert (taken_over.holder_id, taken_over.inflight_job) == ("dead", "publish_001")


def test_the_holders_own_lease_decides_when_it_expires(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    put_claim(store, lease_s=30)
    clock.advance(32.001)
    assert acquire().taken_over is not None


def test_a_document_without_lease_ms_counts_as_300_seconds(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    store.create(KEY, {"holder_id": "old_code"})
    clock.advance(302)
    with pytest.raises(LeaseHeld):
        acquire()
    clock.advance(MILLISECOND)
    assert acquire().taken_over is not None


def test_a_renewal_counts_from_its_own_moment(store: FakeStore, clock: ManualClock, leases: LeaseManager, acquire: Acquire) -> None:
    holder = acquire()
    clock.advance(500)
    holder.renew()
    clock.advance(500)
    with pytest.raises(LeaseHeld):
        leases.try_acquire(KEY, {})


def test_a_holder_that_renews_during_the_takeover_keeps_its_lease(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    put_claim(store, holder_id="slow")
    clock.advance(603)
    version = stored(store).version
    store.inject("read", slow(lambda: store.replace(KEY, version, {})))
    with pytest.raises(LeaseHeld) as held:
        acquire()
    assert held.value.record.holder_id == "slow"


def test_a_takeover_whose_answer_was_lost_still_names_whom_it_replaced(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    put_claim(store, holder_id="dead", inflight_job="publish_001")
    clock.advance(603)
    store.inject("delete", ANSWER_LOST)
    taken_over = acquire().taken_over
    assert taken_over is not None
    assert taken_over.inflight_job == "publish_001"


def test_tokens_grow_from_holder_to_holder(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    first = acquire()
    clock.advance(603)
    assert acquire().fencing_token > first.fencing_token


# Validity


def test_validity_ends_five_percent_before_the_lease(clock: ManualClock, acquire: Acquire) -> None:
    lease = acquire()
    clock.advance(VALID_S - MILLISECOND)
    lease.check()
    clock.advance(MILLISECOND)
    with pytest.raises(LeaseLost) as lost:
        lease.check()
    assert (lost.value.reason, lease.loss_reason) == ("expired", "expired")


def test_a_holder_stops_trusting_its_lease_before_anyone_may_take_it(clock: ManualClock, leases: LeaseManager, acquire: Acquire) -> None:
    lease = acquire()
    clock.advance(VALID_S)
    with pytest.raises(LeaseLost):
        lease.check()
    with pytest.raises(LeaseHeld):
        leases.try_acquire(KEY, {})


def test_a_renewal_extends_validity_from_before_its_send(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    lease = acquire()
    clock.advance(500)
    store.inject("replace", slow(lambda: clock.advance(3)))
    lease.renew()
    assert lease.remaining_s == pytest.approx(VALID_S - 3)


def test_an_expired_lease_stays_lost_even_if_a_renewal_succeeds_after_all(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    lease = acquire()

    def expire() -> None:
        clock.advance(VALID_S)
        with pytest.raises(LeaseLost):
            lease.check()

    store.inject("replace", slow(expire))
    with pytest.raises(LeaseLost, match="expired"):
        lease.renew()
    with pytest.raises(LeaseLost, match="expired"):
        lease.check()


def test_a_released_lease_is_no_right_to_write(acquire: Acquire) -> None:
    lease = acquire()
    lease.release()
    with pytest.raises(LeaseLost, match="released"):
        lease.check()
    with pytest.raises(LeaseLost, match="released"):
        lease.note_job("publish_001")


# Renew


def test_a_renewal_whose_answer_was_lost_is_adopted(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    lease = acquire()
    clock.advance(100)
    store.inject("replace", Fault("now", meanwhile=lambda: clock.advance(5)))
    assert calls_of(store, lease.renew) == ["replace", "replace", "read"]
    assert stored(store).renewals == 1
    assert lease.remaining_s == pytest.approx(VALID_S - 5)
    lease.renew()


def test_a_renewal_that_cannot_learn_whose_the_lease_is_asks_again(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    store.inject("replace", ANSWER_LOST)
    store.inject("read", DROPPED)
    assert calls_of(store, lease.renew) == ["replace", "replace", "read", "replace", "read"]


def test_a_renewal_that_lands_late_is_adopted(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    store.inject("replace", LANDS_LATE)
    lease.renew()
    lease.renew()
    assert stored(store).holder_id == lease.holder_id


def test_a_job_is_noted_although_the_answer_was_lost(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    store.inject("replace", ANSWER_LOST)
    assert calls_of(store, lambda: lease.note_job("publish_001")) == ["replace", "replace", "read"]
    assert stored(store).inflight_job == "publish_001"


def test_a_job_is_noted_although_an_earlier_renewal_had_lost_its_answer(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    store.replace(KEY, stored(store).version, {})
    lease.note_job("publish_001")
    assert stored(store).inflight_job == "publish_001"


def test_a_renewal_of_a_lease_taken_over_is_a_loss_reported_once(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    losses: list[str | None] = []
    lease.on_lost = lambda: losses.append(lease.loss_reason)
    evict(store)
    put_claim(store, holder_id="other")
    for _ in range(2):
        with pytest.raises(LeaseLost) as lost:
            lease.renew()
        assert lost.value.reason == "taken_over"
    assert losses == ["taken_over"]
    assert stored(store).holder_id == "other"


def test_a_renewal_of_a_deleted_lease_is_a_loss(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    evict(store)
    with pytest.raises(LeaseLost) as lost:
        lease.renew()
    assert (lost.value.reason, store.read(KEY)) == ("deleted", None)


def test_the_same_holder_id_on_a_newer_document_is_a_loss(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    evict(store)
    put_claim(store, holder_id=lease.holder_id)
    with pytest.raises(LeaseLost, match="taken_over"):
        lease.renew()


def test_a_loss_found_twice_at_the_same_time_is_reported_once_and_keeps_its_first_reason(
    store: FakeStore, clock: ManualClock, acquire: Acquire
) -> None:
    lease = acquire()
    losses: list[str | None] = []
    lease.on_lost = lambda: losses.append(lease.loss_reason)
    evict(store)

    def expire() -> None:
        clock.advance(VALID_S)
        with pytest.raises(LeaseLost):
            lease.check()

    store.inject("read", slow(expire))
    with pytest.raises(LeaseLost, match="expired"):
        lease.renew()
    assert losses == ["expired"]


def test_a_failing_on_lost_does_not_hide_the_loss(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()

    def fail() -> None:
        raise ZeroDivisionError

    lease.on_lost = fail
    evict(store)
    with pytest.raises(LeaseLost, match="deleted"):
        lease.renew()


def test_a_store_that_is_down_costs_the_lease_when_validity_ends_not_earlier(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    lease = acquire()
    started = clock.now
    asked_at: list[float] = []

    def time_passes() -> None:
        lease.check()
        asked_at.append(clock.now - started)
        clock.advance(100)

    store.outage = Fault("never", meanwhile=time_passes)
    with pytest.raises(LeaseLost) as lost:
        lease.renew()
    assert lost.value.reason == "expired"
    assert asked_at == [0, 100, 200, 300, 400, 500]


def test_a_store_that_comes_back_before_validity_ends_keeps_the_lease(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    lease = acquire()
    store.inject("replace", *[Fault("never", meanwhile=lambda: clock.advance(250))] * 2)
    lease.renew()
    lease.check()
    assert lease.remaining_s == pytest.approx(VALID_S)


def test_the_thread_renews_at_its_period(store: FakeStore, clock: ManualClock) -> None:
    renewed = threading.Event()
    store.inject("replace", slow(lambda: None), slow(renewed.set))
    with LeaseManager(store, LeaseTimes(lease_s=600, renew_every_s=0.01), clock).try_acquire(KEY, {}):
        assert renewed.wait(timeout=10)


def test_the_thread_survives_an_unexpected_error(store: FakeStore, clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    renewed = threading.Event()
    store.inject("replace", slow(lambda: 1 / 0), slow(renewed.set))
    with LeaseManager(store, LeaseTimes(lease_s=600, renew_every_s=0.01), clock).try_acquire(KEY, {}):
        assert renewed.wait(timeout=10)
    assert "ZeroDivisionError" in caplog.text


def test_the_thread_reports_a_loss(store: FakeStore, clock: ManualClock) -> None:
    losses = threading.Event()
    with LeaseManager(store, LeaseTimes(lease_s=600, renew_every_s=0.01), clock).try_acquire(KEY, {}) as lease:
        lease.on_lost = losses.set
        evict(store)
        assert losses.wait(timeout=10)
    assert lease.loss_reason == "deleted"


# Release


@pytest.mark.parametrize("fault", [ANSWER_LOST, DROPPED, LANDS_LATE], ids=["answer lost", "dropped", "lands late"])
def test_a_release_that_was_not_answered_is_confirmed(store: FakeStore, acquire: Acquire, fault: Fault) -> None:
    lease = acquire()
    store.inject("delete", fault)
    assert lease.release() is True
    assert store.read(KEY) is None


def test_a_release_whose_answer_was_lost_leaves_the_next_holder_alone(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    store.inject("delete", Fault("now", meanwhile=lambda: put_claim(store, holder_id="next")))
    assert lease.release() is True
    assert stored(store).holder_id == "next"


def test_a_release_after_a_renewal_whose_answer_was_lost_removes_the_document(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    store.replace(KEY, stored(store).version, {})
    assert lease.release() is True
    assert store.read(KEY) is None


def test_a_release_of_a_lease_taken_over_leaves_it_alone(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    evict(store)
    put_claim(store, holder_id="other")
    assert lease.release() is False
    assert stored(store).holder_id == "other"


def test_a_release_of_a_lost_lease_makes_no_call(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    lease = acquire()
    clock.advance(VALID_S)
    with pytest.raises(LeaseLost):
        lease.check()
    assert calls_of(store, lambda: lease.release() and pytest.fail("a lost lease cannot be released")) == []


def test_a_release_without_any_answer_gives_up_and_leaves_the_lease_to_expire(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    store.outage = DROPPED
    assert calls_of(store, lambda: lease.release() and pytest.fail("nothing confirmed it")) == ["delete"] * 3


def test_leaving_the_context_releases_the_lease_when_the_work_fails(store: FakeStore, leases: LeaseManager) -> None:
    with pytest.raises(ZeroDivisionError), leases.try_acquire(KEY, {}):
        raise ZeroDivisionError
    assert store.read(KEY) is None


def test_a_renewal_that_waited_for_the_release_takes_it_for_no_loss(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    losses: list[str] = []
    lease.on_lost = lambda: losses.append("lost")
    outcomes: list[str] = []

    def renew() -> None:
        try:
            lease.renew()
        except LeaseLost as lost:
            outcomes.append(lost.reason)

    thread = threading.Thread(target=renew)
    store.inject("delete", slow(thread.start))
    assert lease.release() is True
    thread.join(timeout=10)
    assert (outcomes, losses, lease.lost.is_set()) == (["released"], [], False)


class InFlight:
    """A fault under which a call has taken effect and is not answered before ``answer`` is set."""

    def __init__(self) -> None:
        self.sent, self.answer = threading.Event(), threading.Event()
        self.fault = slow(self._wait)

    def _wait(self) -> None:
        self.sent.set()
        assert self.answer.wait(10)


def test_a_release_waits_for_the_renewal_in_flight_and_then_needs_one_call(store: FakeStore, acquire: Acquire) -> None:
    lease, renewal = acquire(), InFlight()
    store.inject("replace", renewal.fault)
    with ThreadPoolExecutor(2) as pool:
        renewing = pool.submit(lease.renew)
        assert renewal.sent.wait(10)
        releasing = pool.submit(lease.release)
        time.sleep(0.1)
        renewal.answer.set()
        assert releasing.result(10) is True
        with suppress(LeaseLost):  # released, by the time the renewal looks again
            renewing.result(10)
    assert (store.calls[1:], lease.lost.is_set()) == (["replace", "delete"], False)


def test_two_renewals_at_the_same_time_are_one_after_the_other(store: FakeStore, acquire: Acquire) -> None:
    lease, renewal = acquire(), InFlight()
    store.inject("replace", renewal.fault)
    with ThreadPoolExecutor(2) as pool:
        renewing = pool.submit(lease.renew)
        assert renewal.sent.wait(10)
        noting = pool.submit(lease.note_job, "publish_001")
        time.sleep(0.1)
        renewal.answer.set()
        renewing.result(10)
        noting.result(10)
    assert store.calls[1:] == ["replace", "replace"]


def test_a_release_during_an_outage_ends_the_renewal_that_is_being_tried(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    store.outage = DROPPED
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(lease.renew)
        while store.calls.count("replace") < 2:
            time.sleep(0.01)
        began = time.monotonic()
        assert lease.release() is False
        assert time.monotonic() - began < 4  # not after the five seconds for which it waits for a renewal
        with pytest.raises(LeaseLost, match="released"):
            renewing.result(10)


def test_a_release_that_takes_too_long_leaves_the_lease_to_expire(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    lease = acquire()
    store.inject("delete", *[Fault("never", meanwhile=lambda: clock.advance(TIMES.rpc_s + 1))] * 3)
    assert calls_of(store, lease.release) == ["delete", "delete"]


def test_a_job_is_noted_by_the_next_renewal_where_the_store_is_down_now(store: FakeStore, acquire: Acquire) -> None:
    lease = acquire()
    store.outage = DROPPED
    assert calls_of(store, lambda: lease.note_job("publish_001")) == ["replace", "replace"]
    store.outage = None
    lease.renew()
    assert stored(store).inflight_job == "publish_001"


def test_a_job_is_not_begun_where_the_store_is_down_for_longer_than_the_lease_is_trusted(
    store: FakeStore, clock: ManualClock, acquire: Acquire
) -> None:
    lease = acquire()
    store.inject("replace", *[Fault("never", meanwhile=lambda: clock.advance(VALID_S))] * 2)
    with pytest.raises(LeaseLost, match="expired"):
        lease.note_job("publish_001")


def test_two_threads_that_find_the_same_loss_report_it_once(clock: ManualClock, acquire: Acquire) -> None:
    class SlowEvent(threading.Event):
        def is_set(self) -> bool:
            was = super().is_set()
            time.sleep(0.05)
            return was

    lease, losses = acquire(), []
    lease.on_lost = lambda: losses.append("lost")
    lease.lost = SlowEvent()
    clock.advance(VALID_S)

    def check() -> None:
        with pytest.raises(LeaseLost):
            lease.check()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(check) for _ in range(2)]:
            done.result(10)
    assert losses == ["lost"]


def test_a_takeover_remembers_the_dead_although_another_came_and_went_meanwhile(store: FakeStore, clock: ManualClock, acquire: Acquire) -> None:
    put_claim(store, "dead", lease_s=1)
    clock.advance(10)

    def come_and_die() -> None:
        put_claim(store, "fleeting", lease_s=1)
        clock.advance(10)

    store.inject("delete", slow(come_and_die))
    store.inject("read", slow(lambda: None), slow(lambda: evict(store)))
    lease = acquire()
    assert lease.taken_over is not None
    assert lease.taken_over.holder_id == "dead"


@pytest.mark.parametrize(
    "spoiled", [{"lease_ms": None}, {"lease_ms": "60 s"}, {"lease_ms": -1}, {"waited_ms": None}, {"renewals": None}, {"holder_id": None}]
)
def test_a_document_that_a_person_spoiled_is_read_all_the_same(store: FakeStore, clock: ManualClock, acquire: Acquire, spoiled: Any) -> None:
    store.create(KEY, {"holder_id": "other", "lease_ms": 300_000, "waited_ms": 0, **spoiled})
    with pytest.raises(LeaseHeld):
        acquire()
    assert len(store.list("grading")) == 1
    clock.advance(302.1)
    assert acquire().taken_over is not None


# Wait


class Watched(FakeStore):
    """A store whose watch reports ``reports`` at its start, and later what the test passes to ``on_change``."""

    reports: tuple[LeaseRecord | None, ...] = ()
    on_change: Callable[[LeaseRecord | None], None]

    @contextmanager
    def watch(self, key: LeaseKey, on_change: Callable[[LeaseRecord | None], None]) -> Iterator[None]:
        self.on_change = on_change
        for record in self.reports:
            on_change(record)
        yield


def watch_state_of(store: FakeStore, clock: ManualClock) -> WatchState:
    put_claim(store)
    return WatchState(stored(store), clock, threading.Event())


def test_a_waiter_is_unsure_until_its_watch_has_spoken(store: FakeStore, clock: ManualClock) -> None:
    state = watch_state_of(store, clock)
    assert state.is_unsure
    state.on_change(state.record)
    assert not state.is_unsure


@pytest.mark.parametrize("learns", ["watch", "read"])
def test_a_waiter_that_lost_a_race_is_unsure_until_it_has_learned_of_the_winner(store: FakeStore, clock: ManualClock, learns: str) -> None:
    state = watch_state_of(store, clock)
    state.on_change(None)
    assert state.take_turn()
    state.on_lost_race()
    assert (state.is_absent, state.is_unsure) == (False, True)
    (state.on_change if learns == "watch" else state.on_read)(stored(store))
    assert not state.is_unsure


def test_a_waiter_with_a_report_during_its_call_believes_the_watch(store: FakeStore, clock: ManualClock) -> None:
    state = watch_state_of(store, clock)
    state.on_change(None)
    state.take_turn()
    state.on_change(stored(store))
    state.on_change(None)  # the winner has come and gone before our own call was answered
    state.on_lost_race()
    assert (state.is_absent, state.is_unsure) == (True, False)


def test_a_lease_taken_by_another_while_a_waiter_lets_it_pass_is_left_alone(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "turn_delay_s", lambda *_: 0.2)
    store = Watched(clock)
    put_claim(store)
    store.reports = (None,)
    winner, waiter = stored(store), Waiter(clock.now, clock.now + 100)
    threading.Timer(0.05, lambda: store.on_change(winner)).start()
    threading.Timer(0.5, waiter.stop).start()
    assert LeaseManager(store, TIMES, clock).wait_until_free(winner, waiter) is False


def test_a_waiter_says_in_the_document_how_long_it_has_waited(clock: ManualClock) -> None:
    store = Watched(clock)
    put_claim(store)
    store.reports = (None,)
    store.inject("read", slow(lambda: (clock.advance(7), evict(store))))
    with LeaseManager(store, TIMES, clock).acquire(KEY, {}, max_wait_s=100):
        assert stored(store).waited_s == 7


def test_a_waiter_that_gives_up_after_a_lost_race_names_who_won_it(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    store = Watched(clock)
    put_claim(store, "old")
    store.reports = (None,)

    def lose() -> None:
        evict(store)
        put_claim(store, "new")
        clock.advance(100)

    store.inject("create", slow(lambda: None), slow(lose))
    with pytest.raises(LeaseHeld, match="held by new"):
        LeaseManager(store, TIMES, clock).acquire(KEY, {}, max_wait_s=50)
    assert "lease_timed_out operation=grading game_date=2026-01-10 holder=new" in caplog.text


def test_a_silent_watch_is_covered_by_reads(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "FALLBACK_READ_SECONDS", 0.01)
    store = Watched(clock)
    put_claim(store)
    seen = stored(store)
    store.inject("read", slow(lambda: None), slow(lambda: store.delete(KEY, seen.version)))
    assert LeaseManager(store, TIMES, clock).wait_until_free(seen, Waiter(clock.now, clock.now + 100)) is True
    assert store.calls[-4:] == ["read", "read", "delete", "read"]


def test_a_waiter_wakes_when_the_holder_has_expired(clock: ManualClock) -> None:
    store = Watched(clock)
    put_claim(store)
    clock.advance(602)
    seen = stored(store)
    clock.advance(1)
    assert LeaseManager(store, TIMES, clock).wait_until_free(seen, Waiter(clock.now, clock.now + 100)) is True


def test_a_waiter_whose_watch_shows_the_lease_taken_again_makes_no_call(clock: ManualClock) -> None:
    store = Watched(clock)
    put_claim(store)
    seen = stored(store)
    store.reports = (None, seen)
    waiter = Waiter(clock.now, clock.now + 0.1)
    store.inject("read", slow(waiter.stop))
    free = LeaseManager(store, TIMES, clock).wait_until_free(seen, waiter)
    assert (free, store.calls[2:]) == (False, ["read"])  # the read is the one at the deadline


def test_a_waiter_that_is_stopped_stops(store: FakeStore, leases: LeaseManager, clock: ManualClock) -> None:
    put_claim(store)
    waiter = Waiter(clock.now, clock.now + 100)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(leases.wait_until_free, stored(store), waiter)
        time.sleep(0.1)
        assert not waiting.done()
        stopped_at = time.monotonic()
        waiter.stop()
        assert waiting.result(timeout=5) is False
    assert time.monotonic() - stopped_at < 5  # not after the read that comes every 10 s


def test_a_lone_waiter_takes_its_turn_almost_at_once() -> None:
    assert max(turn_delay_s(waited_s, 0) for waited_s in range(200)) <= 0.02


def test_who_waited_longer_than_the_last_holder_goes_before_who_came_just_now() -> None:
    assert max(turn_delay_s(30 + n, 30) for n in range(200)) <= min(turn_delay_s(0, 30) for _ in range(200))


def test_waiters_of_one_age_are_spread() -> None:
    delays = sorted(turn_delay_s(30, 30) for _ in range(400))
    assert delays[0] < 0.03
    assert 0.22 < delays[-1] <= 0.25


def test_a_lease_says_how_long_its_holder_had_waited(store: FakeStore, leases: LeaseManager) -> None:
    with leases.try_acquire(KEY, {}, waited_s=12.5):
        assert stored(store).waited_s == 12.5


def test_a_lost_race_costs_one_call_and_the_same_watch_reports_when_the_winner_goes(clock: ManualClock) -> None:
    store = Watched(clock)
    put_claim(store)
    store.reports = (None,)  # the holder goes, and the waiter tries
    winner = stored(store)

    def let_go() -> None:
        store.on_change(winner)
        store.delete(KEY, winner.version)
        store.on_change(None)

    store.inject("create", slow(lambda: None), slow(lambda: threading.Timer(0.05, let_go).start()))
    calls = calls_of(store, lambda: LeaseManager(store, TIMES, clock).acquire(KEY, {}, max_wait_s=100).release())
    assert calls == ["create", "read", "create", "delete", "create", "delete"]  # of which the first delete is the winner's


def test_a_lost_race_of_which_the_watch_never_reports_is_read_soon(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "UNSURE_READ_SECONDS", 0.01)
    store = Watched(clock)
    put_claim(store)
    store.reports = (None,)
    winner = stored(store)
    store.inject("create", slow(lambda: None), slow(lambda: store.delete(KEY, winner.version)))
    calls = calls_of(store, lambda: LeaseManager(store, TIMES, clock).acquire(KEY, {}, max_wait_s=100).release())
    assert calls == ["create", "read", "create", "delete", "read", "create", "delete"]


def test_a_waiter_whose_create_may_have_landed_reads_whose_the_document_is(clock: ManualClock) -> None:
    store = Watched(clock)
    put_claim(store)
    store.reports = (None,)
    other = stored(store)
    store.inject("create", slow(lambda: None), ANSWER_LOST)
    store.inject("read", slow(lambda: store.delete(KEY, other.version)))
    with LeaseManager(store, TIMES, clock).acquire(KEY, {}, max_wait_s=100) as lease:
        assert lease.holder_id == stored(store).holder_id


def test_a_renewal_reported_by_the_watch_puts_the_expiry_off_without_a_read(clock: ManualClock) -> None:
    store = Watched(clock)
    put_claim(store)
    clock.advance(601.9)
    seen = stored(store)
    store.replace(KEY, seen.version, {})
    store.reports = (stored(store),)
    waiter = Waiter(clock.now, clock.now + 1000)
    threading.Timer(0.3, waiter.stop).start()
    before = len(store.calls)
    assert LeaseManager(store, TIMES, clock).wait_until_free(seen, waiter) is False
    assert store.calls[before:] == []


def test_a_watch_that_reports_what_is_known_already_does_not_put_the_expiry_off(clock: ManualClock) -> None:
    store = Watched(clock)
    put_claim(store)
    clock.advance(601.9)
    seen = stored(store)
    store.reports = (replace(seen, age_s=0.0),)
    threading.Timer(0.03, lambda: clock.advance(1)).start()
    began = time.monotonic()
    assert LeaseManager(store, TIMES, clock).wait_until_free(seen, Waiter(clock.now, clock.now + 1000)) is True
    assert time.monotonic() - began < 5  # not at the read that comes every 10 s


def test_a_wait_of_no_time_looks_once(store: FakeStore, leases: LeaseManager) -> None:
    put_claim(store)
    with pytest.raises(LeaseHeld):
        calls_of(store, lambda: leases.acquire(KEY, {}, max_wait_s=0))
    assert store.calls[1:] == ["create", "read"]


def test_a_watch_that_cannot_be_opened_is_an_unavailable_store(store: FakeStore, leases: LeaseManager) -> None:
    put_claim(store)
    store.inject("watch", DROPPED)
    with pytest.raises(LeaseStoreUnavailable, match="watch"):
        leases.acquire(KEY, {})


def test_a_store_that_falls_silent_during_the_wait_is_unavailable(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "FALLBACK_READ_SECONDS", 0.01)
    store = Watched(clock)
    put_claim(store)
    seen = stored(store)
    store.outage = DROPPED
    with pytest.raises(LeaseStoreUnavailable):
        LeaseManager(store, TIMES, clock).wait_until_free(seen, Waiter(clock.now, clock.now + 100))


def test_inspect_returns_who_holds_the_lease(store: FakeStore, leases: LeaseManager) -> None:
    assert leases.inspect(KEY) is None
    put_claim(store, holder_id="other")
    record = leases.inspect(KEY)
    assert record is not None
    assert record.holder_id == "other"


# Durations and keys


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"lease_s": 60, "renew_every_s": 60}, "renewing every 60 s cannot keep a lease of 60 s"),
        ({"lease_s": 60, "renew_every_s": 57}, "renewing every 57 s .* trusted for 57 s"),
        ({"lease_s": 60, "renew_every_s": 0}, "renewing every 0 s"),
        ({"lease_s": 0, "rpc_s": 0}, "renewing every 0 s"),
        ({"lease_s": 14.9, "rpc_s": 5}, "shorter than three calls"),
        ({"max_wait_s": -1}, "cannot be negative"),
        ({"grace_s": -1}, "cannot be negative"),
    ],
)
def test_durations_that_cannot_work_are_refused(times: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LeaseTimes(**times)


def test_a_lease_is_renewed_at_a_third_of_its_duration_by_default() -> None:
    assert LeaseTimes(lease_s=60).renewal_s == 20
    assert LeaseTimes(lease_s=60, renew_every_s=56).renewal_s == 56


def test_an_operation_that_is_not_guarded_has_no_key() -> None:
    with pytest.raises(ValueError, match=r"'\.\./x' is not a guarded operation"):
        LeaseKey("../x", date(2026, 1, 10))


def test_the_names_of_the_document_are_those_of_the_old_lock() -> None:
    assert (KEY.collection, KEY.document_id) == ("grading_locks", "grading_2026-01-10")


def test_a_document_id_is_parsed_to_its_key_and_any_other_id_to_none() -> None:
    assert LeaseKey.parse("grading", KEY.document_id) == KEY
    for other in ("grading_2026-1-10", "grading_2026-02-30", "grading_", "consolidation_2026-01-10", "2026-01-10"):
        assert LeaseKey.parse("grading", other) is None


# Events


def test_each_step_of_a_lease_is_an_event_with_what_a_person_on_call_asks(store: FakeStore, clock: ManualClock, leases: LeaseManager) -> None:
    events_seen: list[tuple[str, Mapping[str, Any]]] = []

    def observe(event: str, facts: Mapping[str, Any]) -> None:
        events_seen.append((event, facts))

    subscribe(observe)
    try:
        first = leases.try_acquire(KEY, {})
        with pytest.raises(LeaseHeld):
            leases.try_acquire(KEY, {})
        clock.advance(2)
        first.renew()
        with pytest.raises(LeaseHeld):
            leases.acquire(KEY, {}, max_wait_s=0)
        clock.advance(603)
        second = leases.try_acquire(KEY, {}, waited_s=600.5)
        with pytest.raises(LeaseLost):
            first.renew()
        clock.advance(3)
        second.release()
    finally:
        unsubscribe(observe)
    events = [event for event, _ in events_seen]
    assert events == [
        *("lease_acquired", "lease_contended", "lease_renewed", "lease_contended", "lease_timed_out"),
        *("lease_taken_over", "lease_acquired", "lease_waited", "lease_lost", "lease_released"),
    ]
    for event, facts in events_seen:
        assert (facts["operation"], facts["game_date"]) == ("grading", KEY.game_date), event
        assert {"holder", "fencing_token", "ms"} <= set(facts), event
    facts_of = dict(events_seen)
    assert facts_of["lease_released"]["ms"] == 3000
    assert facts_of["lease_waited"]["ms"] == 600_500
    assert facts_of["lease_lost"]["reason"] == "expired"


def test_an_observer_that_fails_costs_nothing_but_a_log_line(leases: LeaseManager, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_event: str, _facts: Mapping[str, Any]) -> None:
        raise ZeroDivisionError

    subscribe(fail)
    try:
        leases.try_acquire(KEY, {}).release()
    finally:
        unsubscribe(fail)
    assert any(record.levelno == logging.ERROR and "observer" in record.getMessage() for record in caplog.records)
