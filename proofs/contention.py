"""Measures waits for a lease: one waiter at a release, by watch and by polling; many on one key; and after the holder's death.

Waits are in place (``LeaseManager.acquire``); deferred Airflow tasks are not measured. Waiters and holders are processes of their own, as
workers are, since threads of one interpreter would delay each other. All processes share the system's monotonic clock.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any

from google.cloud import firestore

from commands.console import CommandError
from nba_grading.leases.errors import LeaseHeld, LeaseStoreUnavailable
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.leases.times import LeaseTimes
from proofs.emulator import OWNER, CountingStore, client_of, hide_lease_warnings
from proofs.figures import Contention, Recovery, Spread, overtakers

PROCESSES = 10
HOLD_SECONDS = 0.02
MAX_WAIT_SECONDS = 60.0
TIMES = LeaseTimes(lease_s=60)
SHORT = LeaseTimes(lease_s=3.0, grace_s=0.5, rpc_s=1.0)
RECOVERY_SAMPLES = 8
POLL_SECONDS = 5.0
POLL_SAMPLES = 12

CONTEXT = multiprocessing.get_context("forkserver")


def preload() -> None:
    """Import the libraries once, so that each process forks in a few ms. Call it before the first process."""
    CONTEXT.set_forkserver_preload([__name__, "proofs.proxies"])


def key_of(number: int) -> LeaseKey:
    """A key per number; each part of the benchmark has its own range."""
    return LeaseKey("grading", date(2027, 1, 1) + timedelta(days=number))


@contextmanager
def _process(target: Callable[..., None], *arguments: Any) -> Iterator[tuple[Any, Connection]]:
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    # Now only the child holds its end, so its death raises EOFError here.
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        ours.close()


def _start_worker(port: int, times: LeaseTimes, watched: Callable[[], None] = lambda: None) -> tuple[CountingStore, LeaseManager]:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hide_lease_warnings()
    client = client_of(port)
    FirestoreLeaseStore(client, rpc_seconds=30).read(key_of(0))  # opens the connection
    store = CountingStore(client, rpc_seconds=times.rpc_s, watched=watched)
    return store, LeaseManager(store, times)


def measure_handoff(port: int, samples: int, advance: Callable[[], None]) -> Spread:
    """Milliseconds from before a release is sent until the waiter in another process holds the lease."""
    key = key_of(1)
    watched = CONTEXT.Event()
    leases = LeaseManager(CountingStore(client_of(port), rpc_seconds=5), TIMES)
    ms = []
    with _process(_wait_in_turns, port, key, watched) as (_, waiter):
        for _ in range(samples + 1):
            lease = leases.try_acquire(key, OWNER)
            watched.clear()
            waiter.send("wait")
            watched.wait(timeout=5)
            time.sleep(random.uniform(0.01, 0.03))
            sent = time.monotonic()
            lease.release()
            ms.append(1000 * (waiter.recv() - sent))
            waiter.recv()  # it has released
            advance()
    return Spread.of(ms[1:])  # the first one opened the stream


def _wait_in_turns(parent: Connection, port: int, key: LeaseKey, watched: Event) -> None:
    _, leases = _start_worker(port, TIMES, watched.set)
    while True:
        parent.recv()
        lease = leases.acquire(key, OWNER, max_wait_s=MAX_WAIT_SECONDS)
        parent.send(time.monotonic())
        lease.release()
        parent.send("released")


def measure_polled_handoff(client: firestore.Client) -> Spread:
    """The same for the replaced lock, which polls with a transaction every 5 s. Few samples, all at once, each on its own key.

    The releases are spread evenly over one period, so that a few samples suffice.
    """
    store = CountingStore(client, rpc_seconds=5)

    def sample(number: int) -> float:
        key = key_of(100 + number)
        version = store.create(key, {"holder_id": "holder"}).version
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(_acquire_by_polling, client, key)
            time.sleep(POLL_SECONDS * (number + 0.5) / POLL_SAMPLES)
            sent = time.monotonic()
            store.delete(key, version)
            return 1000 * (held.result() - sent)

    with ThreadPoolExecutor(POLL_SAMPLES) as pool:
        return Spread.of(list(pool.map(sample, range(POLL_SAMPLES))))


def _acquire_by_polling(client: firestore.Client, key: LeaseKey) -> float:
    document = client.collection(key.collection).document(key.document_id)

    def claim(transaction: firestore.Transaction) -> bool:
        if document.get(transaction=transaction).exists:
            return False
        transaction.set(document, {"holder_id": "poller"})
        return True

    while not firestore.transactional(claim)(client.transaction()):
        time.sleep(POLL_SECONDS)
    return time.monotonic()


@dataclass(frozen=True)
class Turn:
    """When a waiter arrived, held the lease and had released it, on the monotonic clock; None if it was never served."""

    arrived: float
    held: float | None
    released: float | None


def measure_contention(port: int, waiters: int, advance: Callable[[], None]) -> Contention:
    """All waiters on one key at once, in ten processes; each holds it once, for 20 ms. ``advance`` is called per finished process."""
    shares = [waiters // PROCESSES + (number < waiters % PROCESSES) for number in range(PROCESSES)]
    with ExitStack() as processes:
        workers = [processes.enter_context(_process(_contend, port, share))[1] for share in shares if share]
        for worker in workers:
            worker.recv()
        start = time.monotonic() + 0.2
        for worker in workers:
            worker.send(start)
        done = []
        for worker in workers:
            done.append(worker.recv())
            advance()
    turns = [turn for each, _ in done for turn in each]
    return summarize(turns, unary_rpcs=sum(calls for _, calls in done))


def summarize(turns: Sequence[Turn], unary_rpcs: int) -> Contention:
    """The result of all turns."""
    served = [(turn.arrived, turn.held, turn.released) for turn in turns if turn.held is not None and turn.released is not None]
    first = min(turn.arrived for turn in turns)
    return Contention(
        waiters=len(turns),
        served=len(served),
        seconds=max((released for _, _, released in served), default=first + MAX_WAIT_SECONDS) - first,
        unary_rpcs=unary_rpcs,
        waits_s=tuple(held - arrived for arrived, held, _ in served),
        overtaken=tuple(overtakers([arrived for arrived, _, _ in served], [held for _, held, _ in served])),
    )


def _contend(parent: Connection, port: int, waiters: int) -> None:
    store, leases = _start_worker(port, TIMES)

    def take_turn(_: int) -> Turn:
        arrived = time.monotonic()
        try:
            lease = leases.acquire(key_of(2), OWNER, max_wait_s=MAX_WAIT_SECONDS)
        except (LeaseHeld, LeaseStoreUnavailable):
            return Turn(arrived, None, None)
        held = time.monotonic()
        time.sleep(HOLD_SECONDS)
        lease.release()
        return Turn(arrived, held, time.monotonic())

    with ThreadPoolExecutor(waiters) as pool:
        parent.send("ready")
        time.sleep(max(0.0, parent.recv() - time.monotonic()))
        turns = list(pool.map(take_turn, range(waiters)))
    parent.send((turns, store.unary_calls))


def measure_recovery(port: int) -> Recovery:
    """Seconds from the last renewal of a holder killed with SIGKILL until a waiter holds, on several keys at once."""
    keys = [key_of(200 + number) for number in range(RECOVERY_SAMPLES)]
    store = CountingStore(client_of(port), rpc_seconds=SHORT.rpc_s)
    leases = LeaseManager(store, SHORT)

    def held_at(key: LeaseKey) -> float:
        lease = leases.acquire(key, OWNER, max_wait_s=MAX_WAIT_SECONDS)
        moment = time.monotonic()
        lease.release()
        return moment

    def last_renewal(key: LeaseKey) -> float:
        sent = time.monotonic()
        record = store.read(key)
        if record is None:
            raise CommandError(f"The killed process did not hold {key}, although it reported that it did.")
        return sent - record.age_s

    with ThreadPoolExecutor(RECOVERY_SAMPLES) as pool, _process(_hold, port, keys) as (holder, connection):
        connection.recv()
        waiting = [pool.submit(held_at, key) for key in keys]
        time.sleep(SHORT.renewal_s * 1.7)
        holder.kill()
        holder.join()
        time.sleep(0.2)  # for a renewal in flight
        renewed = [last_renewal(key) for key in keys]
        seconds = [held.result() - moment for held, moment in zip(waiting, renewed, strict=True)]
    return Recovery(Spread.of(seconds), SHORT.lease_s + SHORT.grace_s)


def _hold(parent: Connection, port: int, keys: Sequence[LeaseKey]) -> None:
    _, leases = _start_worker(port, SHORT)
    held = []
    for key in keys:
        held.append(leases.try_acquire(key, OWNER))
        time.sleep(SHORT.renewal_s / len(keys))  # so that they do not expire together
    parent.send("holding")
    time.sleep(MAX_WAIT_SECONDS)
