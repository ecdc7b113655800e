"""The contract of every lease store, and the lease algorithm on it: the same tests on the fake, on SQLite and on Firestore's emulator."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import pytest

from nba_grading.leases.errors import LeaseHeld, LeaseLost
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import OPERATIONS, AlreadyExists, LeaseKey, LeaseRecord, LeaseStore, VersionConflict
from nba_grading.leases.times import LeaseTimes, boottime

OWNER: Mapping[str, Any] = {
    "dag_id": "grade_predictions",
    "run_id": "scheduled__2026-01-10T16:00:00+00:00",
    "task_id": "grade",
    "try_number": 2,
    "hostname": "worker-1",
    "log_url": "http://localhost:8080/log",
}
QUICK = LeaseTimes(lease_s=0.9, renew_every_s=0.15, grace_s=0.1, rpc_s=0.1, max_wait_s=10)
LONG = LeaseTimes(lease_s=60, max_wait_s=20)


def any_key(operation: str = "grading") -> LeaseKey:
    """A key that no other test uses: the emulator's documents outlive a test."""
    return LeaseKey(operation, date(1900, 1, 1) + timedelta(days=random.randrange(70_000)))


def claim_of(holder_id: str, lease_s: float = 60, **fields: Any) -> dict[str, Any]:
    """The fields of a claim whose holder never renews it."""
    return {**OWNER, "holder_id": holder_id, "lease_ms": round(lease_s * 1000), "inflight_job": None, **fields}


class LeaseStoreContract(ABC):
    """The six verbs."""

    @pytest.fixture
    @abstractmethod
    def store(self) -> LeaseStore:
        """The store under test."""

    @pytest.fixture
    def key(self) -> LeaseKey:
        return any_key()

    def test_a_created_document_is_read_as_it_was_written(self, store: LeaseStore, key: LeaseKey) -> None:
        written = store.create(key, claim_of("a", lease_s=45))
        record = _stored(store, key)
        assert (record.fencing_token, record.version) == (written.fencing_token, written.version)
        assert (record.key, record.holder_id, record.lease_s, record.renewals, record.inflight_job) == (key, "a", 45, 0, None)

    def test_the_owner_is_read_as_it_was_written(self, store: LeaseStore, key: LeaseKey) -> None:
        store.create(key, claim_of("a", log_url=None))
        assert _stored(store, key).owner == {name: value for name, value in OWNER.items() if name != "log_url"}

    def test_an_absent_document_is_none(self, store: LeaseStore, key: LeaseKey) -> None:
        assert store.read(key) is None

    def test_creating_twice_is_refused_and_leaves_the_first(self, store: LeaseStore, key: LeaseKey) -> None:
        store.create(key, claim_of("a"))
        with pytest.raises(AlreadyExists):
            store.create(key, claim_of("b"))
        assert _stored(store, key).holder_id == "a"

    def test_of_creates_at_the_same_time_exactly_one_succeeds(self, store: LeaseStore, key: LeaseKey) -> None:
        barrier = threading.Barrier(6)

        def create(holder_id: str) -> str | None:
            barrier.wait(timeout=10)
            try:
                store.create(key, claim_of(holder_id))
            except AlreadyExists:
                return None
            return holder_id

        with ThreadPoolExecutor(6) as pool:
            created = [holder_id for holder_id in pool.map(create, "abcdef") if holder_id]
        assert created == [_stored(store, key).holder_id]

    def test_tokens_grow_with_every_creation_across_deletions(self, store: LeaseStore, key: LeaseKey) -> None:
        tokens = []
        for _ in range(50):
            written = store.create(key, claim_of("a"))
            tokens.append(written.fencing_token)
            store.delete(key, written.version)
        assert all(earlier < later for earlier, later in pairwise(tokens))

    def test_every_replace_moves_the_version_even_when_nothing_changes(self, store: LeaseStore, key: LeaseKey) -> None:
        written = store.create(key, claim_of("a"))
        versions = [written.version]
        for _ in range(10):
            versions.append(store.replace(key, versions[-1], {}).version)
        record = _stored(store, key)
        assert all(earlier < later for earlier, later in pairwise(versions))
        assert (record.version, record.renewals, record.fencing_token) == (versions[-1], 10, written.fencing_token)

    def test_a_replace_with_a_stale_version_is_refused_and_changes_nothing(self, store: LeaseStore, key: LeaseKey) -> None:
        stale = store.create(key, claim_of("a")).version
        current = store.replace(key, stale, {}).version
        with pytest.raises(VersionConflict):
            store.replace(key, stale, {"holder_id": "b"})
        record = _stored(store, key)
        assert (record.holder_id, record.version, record.renewals) == ("a", current, 1)

    def test_a_delete_with_a_stale_version_is_refused_and_leaves_the_document(self, store: LeaseStore, key: LeaseKey) -> None:
        stale = store.create(key, claim_of("a")).version
        current = store.replace(key, stale, {}).version
        with pytest.raises(VersionConflict):
            store.delete(key, stale)
        assert _stored(store, key).version == current

    def test_a_version_never_fits_the_next_document_of_the_key(self, store: LeaseStore, key: LeaseKey) -> None:
        gone = store.replace(key, store.create(key, claim_of("a")).version, {}).version
        store.delete(key, gone)
        store.create(key, claim_of("b"))
        with pytest.raises(VersionConflict):
            store.replace(key, gone, {"holder_id": "a"})
        with pytest.raises(VersionConflict):
            store.delete(key, gone)
        assert _stored(store, key).holder_id == "b"

    def test_a_delete_with_the_current_version_removes_the_document(self, store: LeaseStore, key: LeaseKey) -> None:
        store.delete(key, store.create(key, claim_of("a")).version)
        assert store.read(key) is None

    def test_an_absent_document_is_neither_replaced_nor_deleted(self, store: LeaseStore, key: LeaseKey) -> None:
        version = store.create(key, claim_of("a")).version
        store.delete(key, version)
        with pytest.raises(VersionConflict):
            store.replace(key, version, {"inflight_job": "job"})
        with pytest.raises(VersionConflict):
            store.delete(key, version)
        assert store.read(key) is None

    def test_ages_grow_and_a_renewal_resets_only_the_age_of_the_last_write(self, store: LeaseStore, key: LeaseKey) -> None:
        version = store.create(key, claim_of("a")).version
        time.sleep(0.3)
        before = _stored(store, key)
        store.replace(key, version, {})
        after = _stored(store, key)
        assert before.age_s == pytest.approx(before.held_s)
        assert before.age_s >= 0.25
        assert after.held_s >= before.held_s
        assert after.age_s <= after.held_s - 0.25

    def test_the_job_in_flight_is_read_as_written_and_kept_by_renewals(self, store: LeaseStore, key: LeaseKey) -> None:
        version = store.create(key, claim_of("a")).version
        version = store.replace(key, version, {"inflight_job": "publish_20260110_001"}).version
        store.replace(key, version, {})
        assert _stored(store, key).inflight_job == "publish_20260110_001"

    def test_a_watch_reports_at_once_whether_the_document_exists(self, store: LeaseStore, key: LeaseKey) -> None:
        reports: SimpleQueue[LeaseRecord | None] = SimpleQueue()
        with store.watch(key, reports.put):
            assert reports.get(timeout=10) is None
        store.create(key, claim_of("a"))
        with store.watch(key, reports.put):
            assert reports.get(timeout=10) is not None

    def test_a_watch_reports_creation_and_deletion(self, store: LeaseStore, key: LeaseKey) -> None:
        reports: SimpleQueue[LeaseRecord | None] = SimpleQueue()
        with store.watch(key, reports.put):
            assert reports.get(timeout=10) is None
            version = store.create(key, claim_of("a")).version
            assert reports.get(timeout=10) is not None
            store.delete(key, version)
            assert reports.get(timeout=10) is None

    def test_a_watch_reports_the_same_record_as_a_read(self, store: LeaseStore, key: LeaseKey) -> None:
        reports: SimpleQueue[LeaseRecord | None] = SimpleQueue()
        version = store.create(key, claim_of("a", waited_ms=1500)).version
        with store.watch(key, reports.put):
            reports.get(timeout=10)
            store.replace(key, version, {"inflight_job": "publish_001"})
            record, read = reports.get(timeout=10), _stored(store, key)
        assert record is not None
        assert (record.version, record.fencing_token, record.holder_id, record.lease_s) == (read.version, read.fencing_token, "a", 60)
        assert (record.inflight_job, record.waited_s, record.renewals) == ("publish_001", 1.5, 1)
        assert 0 <= record.age_s < 5

    def test_a_watch_reports_nothing_after_its_end(self, store: LeaseStore, key: LeaseKey) -> None:
        reports: SimpleQueue[LeaseRecord | None] = SimpleQueue()
        with store.watch(key, reports.put):
            reports.get(timeout=10)
        store.create(key, claim_of("a"))
        with store.watch(key, lambda record: None):
            time.sleep(0.1)
        assert reports.empty()

    def test_a_list_has_the_leases_of_its_operation_alone(self, store: LeaseStore, key: LeaseKey) -> None:
        sibling, stranger = any_key(), any_key("consolidation")
        for each, holder_id in ((key, "a"), (sibling, "b"), (stranger, "c")):
            store.create(each, claim_of(holder_id))
        listed = {record.key: record.holder_id for record in store.list("grading")}
        assert (listed[key], listed[sibling]) == ("a", "b")
        assert {each.operation for each in listed} == {"grading"}

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_every_operation_has_leases_of_its_own(self, store: LeaseStore, key: LeaseKey, operation: str) -> None:
        own = LeaseKey(operation, key.game_date)
        store.create(own, claim_of(operation))
        assert _stored(store, own).holder_id == operation

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_the_turn_to_publish_of_an_operation_is_a_lease_beside_those_of_its_dates(self, store: LeaseStore, key: LeaseKey, operation: str) -> None:
        turn, dated = LeaseKey(operation), LeaseKey(operation, key.game_date)
        _clear(store, turn)
        store.create(turn, claim_of("publisher"))
        store.create(dated, claim_of("writer"))
        with pytest.raises(AlreadyExists):
            store.create(turn, claim_of("another"))
        listed = {record.key: record.holder_id for record in store.list(operation)}
        assert (listed[turn], listed[dated]) == ("publisher", "writer")
        record = _stored(store, turn)
        assert (record.key, record.key.game_date, record.holder_id) == (turn, None, "publisher")
        store.delete(turn, store.replace(turn, record.version, {}).version)
        assert store.read(turn) is None
        assert _stored(store, dated).holder_id == "writer"


class LeasesContract(ABC):
    """The algorithm, on a store whose clock is the real one."""

    @pytest.fixture
    @abstractmethod
    def store(self) -> LeaseStore:
        """The store under test."""

    @pytest.fixture
    def key(self) -> LeaseKey:
        return any_key()

    def test_a_free_date_is_acquired_with_the_token_of_its_document(self, store: LeaseStore, key: LeaseKey) -> None:
        with LeaseManager(store, LONG).try_acquire(key, OWNER) as lease:
            record = _stored(store, key)
            lease.check()
            assert (record.holder_id, record.fencing_token, record.lease_s) == (lease.holder_id, lease.fencing_token, 60)
            assert lease.taken_over is None

    def test_a_held_lease_names_its_holder_and_since_when(self, store: LeaseStore, key: LeaseKey) -> None:
        leases = LeaseManager(store, LONG)
        with leases.try_acquire(key, OWNER) as lease:
            time.sleep(0.3)
            lease.renew()
            with pytest.raises(LeaseHeld, match=r"scheduled__2026-01-10.*since") as held:
                leases.try_acquire(key, {})
        assert (held.value.record.holder_id, held.value.record.owner) == (lease.holder_id, OWNER)
        assert held.value.record.held_s >= 0.25

    def test_renewals_keep_a_lease_past_its_duration(self, store: LeaseStore, key: LeaseKey) -> None:
        leases = LeaseManager(store, QUICK)
        with leases.try_acquire(key, OWNER) as lease:
            time.sleep(1.4)
            lease.check()
            with pytest.raises(LeaseHeld):
                leases.try_acquire(key, OWNER)

    def test_a_lease_that_is_not_renewed_is_taken_over_once_expired(self, store: LeaseStore, key: LeaseKey) -> None:
        dead = store.create(key, claim_of("dead", lease_s=0.5, inflight_job="publish_001"))
        leases = LeaseManager(store, QUICK)
        with pytest.raises(LeaseHeld):
            leases.try_acquire(key, OWNER)
        started = boottime()
        with leases.acquire(key, OWNER) as lease:
            waited = boottime() - started
            assert lease.fencing_token > dead.fencing_token
            assert lease.taken_over is not None
            assert (lease.taken_over.holder_id, lease.taken_over.inflight_job) == ("dead", "publish_001")
            assert lease.taken_over.age_s > 0.5 + QUICK.grace_s
        assert waited < 5

    def test_the_job_about_to_run_is_in_the_document(self, store: LeaseStore, key: LeaseKey) -> None:
        with LeaseManager(store, LONG).try_acquire(key, OWNER) as lease:
            lease.note_job("publish_002")
            assert _stored(store, key).inflight_job == "publish_002"

    def test_a_released_date_can_be_acquired_at_once(self, store: LeaseStore, key: LeaseKey) -> None:
        leases = LeaseManager(store, LONG)
        first = leases.try_acquire(key, OWNER)
        assert first.release() is True
        with leases.try_acquire(key, OWNER) as second:
            assert second.fencing_token > first.fencing_token

    def test_the_turn_to_publish_is_acquired_renewed_and_handed_over_as_a_date_is(self, store: LeaseStore) -> None:
        turn, leases = LeaseKey("grading"), LeaseManager(store, LONG)
        _clear(store, turn)
        with leases.try_acquire(turn, OWNER) as first:
            first.renew()
            with pytest.raises(LeaseHeld, match="grading_publish"):
                leases.try_acquire(turn, OWNER)
        with leases.acquire(turn, OWNER) as second:
            assert second.fencing_token > first.fencing_token

    def test_a_release_never_removes_the_lease_of_another(self, store: LeaseStore, key: LeaseKey) -> None:
        leases = LeaseManager(store, LONG)
        stale = leases.try_acquire(key, OWNER)
        _evict(store, key)
        with leases.try_acquire(key, OWNER) as successor:
            assert stale.release() is False
            assert _stored(store, key).holder_id == successor.holder_id

    def test_a_stale_holder_learns_that_its_lease_is_lost(self, store: LeaseStore, key: LeaseKey) -> None:
        leases = LeaseManager(store, LONG)
        stale = leases.try_acquire(key, OWNER)
        noticed = threading.Event()
        stale.on_lost = noticed.set
        _evict(store, key)
        with leases.try_acquire(key, OWNER) as successor:
            with pytest.raises(LeaseLost) as lost:
                stale.renew()
            with pytest.raises(LeaseLost):
                stale.check()
            successor.check()
        assert lost.value.reason == "taken_over"
        assert noticed.is_set()

    def test_the_renewal_thread_finds_out_that_the_lease_is_gone(self, store: LeaseStore, key: LeaseKey) -> None:
        with LeaseManager(store, QUICK).try_acquire(key, OWNER) as lease:
            _evict(store, key)
            assert lease.lost.wait(timeout=10)
        assert lease.loss_reason == "deleted"

    def test_a_waiter_is_woken_by_the_release(self, store: LeaseStore, key: LeaseKey) -> None:
        leases = LeaseManager(store, LONG)
        first = leases.try_acquire(key, OWNER)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(_timed, lambda: leases.acquire(key, OWNER))
            time.sleep(0.3)
            assert not waiting.done()
            released_at = boottime()
            first.release()
            lease, acquired_at = waiting.result(timeout=20)
        lease.release()
        assert lease.fencing_token > first.fencing_token
        assert acquired_at - released_at < 2  # a read would come after 10 s, the expiry after 60 s

    def test_a_waiter_gives_up_at_its_deadline(self, store: LeaseStore, key: LeaseKey) -> None:
        leases = LeaseManager(store, LONG)
        with leases.try_acquire(key, OWNER) as lease, pytest.raises(LeaseHeld) as held:
            leases.acquire(key, OWNER, max_wait_s=0.2)
        assert held.value.waited_s >= 0.2
        assert held.value.record.holder_id == lease.holder_id

    def test_waiters_hold_the_lease_one_after_the_other(self, store: LeaseStore, key: LeaseKey) -> None:
        leases = LeaseManager(store, LONG)
        inside = threading.Lock()
        tokens: list[int] = []

        def work(_: int) -> bool:
            with leases.acquire(key, OWNER) as lease:
                alone = inside.acquire(blocking=False)
                tokens.append(lease.fencing_token)
                time.sleep(0.01)
                if alone:
                    inside.release()
                return alone

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(work, range(6))) == [True] * 6
        assert all(earlier < later for earlier, later in pairwise(tokens))


def _stored(store: LeaseStore, key: LeaseKey) -> LeaseRecord:
    record = store.read(key)
    assert record is not None
    return record


def _clear(store: LeaseStore, turn: LeaseKey) -> None:
    """There is one turn for each operation, and the emulator's documents outlive a test."""
    record = store.read(turn)
    if record:
        store.delete(turn, record.version)


def _evict(store: LeaseStore, key: LeaseKey) -> None:
    store.delete(key, _stored(store, key).version)


def _timed(acquire: Callable[[], Lease]) -> tuple[Lease, float]:
    return acquire(), boottime()
