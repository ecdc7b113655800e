"""Calls lost on the way to Firestore or back, one by one: no lease is stuck longer than lease + grace, and none is held by two."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.cloud import firestore

from commands.stack_config import StackConfig
from nba_grading.leases.errors import LeaseLost, LeaseStoreUnavailable
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import AlreadyExists, LeaseKey
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.leases.times import LeaseTimes
from proofs.emulator import client_of
from proofs.lost_calls import FREE_AGAIN_SECONDS, LOSSES, WAYS, Loss, try_loss
from proofs.lost_calls import TIMES as SHORT
from proofs.proxies import FaultProxy, delay_proxy
from tests.unit.lease_contract import OWNER, any_key, claim_of


@pytest.fixture
def proxy(emulators: StackConfig, firestore_client: firestore.Client) -> Iterator[FaultProxy]:
    with FaultProxy(emulators.port("firestore")) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: FaultProxy) -> FirestoreLeaseStore:
    """The store behind the proxy, connected: the first call of a channel, or of an emulator, takes longer than one may here."""
    client = client_of(proxy.port)
    FirestoreLeaseStore(client, rpc_seconds=30).read(any_key())
    proxy.calls.clear()
    return FirestoreLeaseStore(client, rpc_seconds=SHORT.rpc_s)


@pytest.fixture
def near(firestore_client: firestore.Client) -> FirestoreLeaseStore:
    """The store as it is, without a proxy."""
    return FirestoreLeaseStore(firestore_client, rpc_seconds=5)


@pytest.fixture
def key() -> LeaseKey:
    return any_key()


@pytest.mark.parametrize("silent", [False, True])
def test_a_request_that_is_lost_has_no_effect(
    silent: bool, proxy: FaultProxy, store: FirestoreLeaseStore, near: FirestoreLeaseStore, key: LeaseKey
) -> None:
    fault = proxy.lose("Commit", "before", silent=silent)
    with pytest.raises(LeaseStoreUnavailable, match="Deadline|504" if silent else "lost by the proxy"):
        store.create(key, claim_of("a"))
    assert near.read(key) is None
    assert fault.lost == 1


@pytest.mark.parametrize("silent", [False, True])
def test_an_answer_that_is_lost_leaves_its_effect(
    silent: bool, proxy: FaultProxy, store: FirestoreLeaseStore, near: FirestoreLeaseStore, key: LeaseKey
) -> None:
    proxy.lose("Commit", "after", silent=silent)
    with pytest.raises(LeaseStoreUnavailable):
        store.create(key, claim_of("a"))
    record = near.read(key)
    assert record is not None
    assert record.holder_id == "a"
    with pytest.raises(AlreadyExists):
        store.create(key, claim_of("a"))


def test_only_the_nth_call_of_the_method_is_lost_and_all_are_counted(proxy: FaultProxy, store: FirestoreLeaseStore, key: LeaseKey) -> None:
    proxy.lose("Commit", "before", nth=2)
    version = store.create(key, claim_of("a")).version
    store.read(key)
    with pytest.raises(LeaseStoreUnavailable):
        store.replace(key, version, {})
    store.delete(key, version)
    assert proxy.calls == {"Commit": 3, "BatchGetDocuments": 1}


def test_a_share_of_calls_is_lost_until_healed(proxy: FaultProxy, store: FirestoreLeaseStore, key: LeaseKey) -> None:
    fault = proxy.lose("BatchGetDocuments", "before", share=0.5)
    answered = 0
    for _ in range(60):
        try:
            store.read(key)
        except LeaseStoreUnavailable:
            continue
        answered += 1
    assert answered + fault.lost == 60
    assert 10 < answered < 50
    proxy.heal()
    for _ in range(20):
        store.read(key)


def test_while_cut_nothing_is_answered_and_open_watches_hear_of_changes_once_healed(
    proxy: FaultProxy, store: FirestoreLeaseStore, near: FirestoreLeaseStore, key: LeaseKey
) -> None:
    noticed = threading.Event()
    gone = threading.Event()
    version = near.create(key, claim_of("a")).version
    with store.watch(key, lambda exists: noticed.set() if exists else gone.set()):
        assert noticed.wait(timeout=10)
        proxy.cut()
        with pytest.raises(LeaseStoreUnavailable):
            store.read(key)
        near.delete(key, version)
        assert not gone.wait(timeout=0.3)
        proxy.heal()
        assert gone.wait(timeout=10)


def test_a_watch_wakes_a_waiter_through_the_proxy(proxy: FaultProxy, store: FirestoreLeaseStore, near: FirestoreLeaseStore, key: LeaseKey) -> None:
    times = LeaseTimes(lease_s=60, max_wait_s=30)
    held = LeaseManager(near, times).try_acquire(key, OWNER)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(LeaseManager(store, times).acquire, key, OWNER)
        until(lambda: proxy.calls["Listen"] == 1)
        reads = proxy.calls["BatchGetDocuments"]
        held.release()
        with waiting.result(timeout=9) as lease:
            assert lease.fencing_token > held.fencing_token
    assert proxy.calls["BatchGetDocuments"] <= reads + 1  # the watch noticed, though it may have taken a second to open


def test_a_delay_is_added_in_each_direction_and_calls_do_not_queue_behind_one_another(emulators: StackConfig, key: LeaseKey) -> None:
    with delay_proxy(emulators.port("firestore"), one_way_seconds=0.1) as port:
        store = FirestoreLeaseStore(client_of(port), rpc_seconds=20)
        store.read(key)
        started = time.monotonic()
        store.read(key)
        assert time.monotonic() - started >= 0.2
        started = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(store.read, [key] * 20))
        assert time.monotonic() - started < 20 * 0.2


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_lost_call_neither_blocks_the_date_nor_gives_it_to_two(loss: Loss, proxy: FaultProxy, emulators: StackConfig, key: LeaseKey) -> None:
    assert try_loss(loss, proxy, emulators.port("firestore"), key) is None


def test_a_holder_that_is_cut_off_knows_that_it_lost_its_lease_before_another_has_it(
    proxy: FaultProxy, store: FirestoreLeaseStore, near: FirestoreLeaseStore, key: LeaseKey
) -> None:
    lease = LeaseManager(store, SHORT).try_acquire(key, OWNER)
    proxy.cut()
    with LeaseManager(near, SHORT).acquire(key, OWNER, max_wait_s=FREE_AGAIN_SECONDS) as successor:
        with pytest.raises(LeaseLost):
            lease.check()
        proxy.heal()
        lease.release()
        successor.check()
        record = near.read(key)
        assert record is not None
        assert record.holder_id == successor.holder_id


def test_while_calls_are_lost_at_random_holders_come_one_after_the_other(proxy: FaultProxy, near: FirestoreLeaseStore, key: LeaseKey) -> None:
    for method in ("Commit", "BatchGetDocuments", "Listen"):
        for way in WAYS:
            proxy.lose(method, way, share=0.1)
    leases = LeaseManager(FirestoreLeaseStore(client_of(proxy.port), rpc_seconds=SHORT.rpc_s), SHORT)
    inside = threading.Lock()
    tokens: list[int] = []

    def acquire() -> Lease:
        while True:
            try:
                return leases.acquire(key, OWNER)
            except LeaseStoreUnavailable:  # three reads in a row were lost: a task would be tried again
                continue

    def work(_: int) -> bool:
        with acquire() as lease:
            alone = inside.acquire(blocking=False)
            tokens.append(lease.fencing_token)
            time.sleep(0.01)
            lease.check()
            if alone:
                inside.release()
            return alone

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(24)))
    assert len(tokens) == 24
    assert tokens == sorted(set(tokens))


def until(incident: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not incident():
        assert time.monotonic() < deadline
        time.sleep(0.01)
