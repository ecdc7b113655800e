"""Acquiring leases: create, adopt what is ours, take over what expired, and wait for the rest. The algorithm is told in ``lease``.

Who waits longest goes first, as far as that costs no call: the document says how long its holder had waited, and a waiter that
is woken lets as much time pass as it is younger than that. The rest is chance, so that waiters of one age do not all call at
once. A queue would be exact, at two writes and a lease of its own for every waiter.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nba_grading.events import log_event
from nba_grading.lease import Lease, LeaseHeld, LeaseStoreUnavailable, LeaseTimes, boottime, milliseconds
from nba_grading.lease_store import AlreadyExists, Changed, LeaseKey, LeaseStore, Record, StoreUnavailable

log = logging.getLogger(__name__)

CREATE_ROUNDS = 6
READ_ROUNDS = 3
FALLBACK_READ_SECONDS = 10.0
# A lease that was had without waiting has few waiters, most likely one: it need not be spread. One that was waited for has more.
LONE_JITTER_SECONDS = 0.02
QUEUE_JITTER_SECONDS = 0.25


def turn_delay_s(waited_s: float, holder_waited_s: float) -> float:
    """Seconds a waiter of this age lets pass once the lease is free; shorter for those that wait longer."""
    if holder_waited_s == 0:
        return random.uniform(0, LONE_JITTER_SECONDS)
    youth = max(0.0, 1 - waited_s / holder_waited_s)
    return random.uniform(0, QUEUE_JITTER_SECONDS) + QUEUE_JITTER_SECONDS * youth


class Waiter:
    """One wait for one lease: since when and until when (on the clock of its Leases), and the means to end it from another thread."""

    def __init__(self, since: float, deadline: float) -> None:
        self.since, self.deadline = since, deadline
        self.woken = threading.Event()
        self.stopped = threading.Event()

    def stop(self) -> None:
        """End the wait now."""
        self.stopped.set()
        self.woken.set()


def timed_out(held: LeaseHeld, waited_s: float) -> LeaseHeld:
    """The error of a waiter that gives up, told as an event as well."""
    log_event(log, "lease_timed_out", level=logging.ERROR, **held.record.facts, ms=milliseconds(waited_s))
    return LeaseHeld(held.record, waited_s)


class Leases:
    """Acquires leases from one store. Source of the rules: docs/lease.md."""

    def __init__(self, store: LeaseStore, times: LeaseTimes, clock: Callable[[], float] = boottime) -> None:
        self.store = store
        self.times = times
        self._clock = clock

    def try_acquire(self, key: LeaseKey, owner: Mapping[str, Any], waited_s: float = 0.0) -> Lease:
        """The lease, already renewing, without waiting for a holder; raises LeaseHeld or LeaseStoreUnavailable.

        ``owner`` tells people who holds it (``lease_store.OWNER_FIELDS``); ownership itself is a random id of this claim.
        ``waited_s`` is how long the caller has waited for it so far: the waiters behind it take their turns by that.
        """
        holder_id = secrets.token_hex(16)
        fields = {
            **owner,
            "holder_id": holder_id,
            "lease_ms": milliseconds(self.times.lease_s),
            "waited_ms": milliseconds(waited_s),
            "inflight_job": None,
        }
        first_sent = self._clock()
        taken_over: Record | None = None
        for _ in range(CREATE_ROUNDS):
            sent = self._clock()
            try:
                written = self.store.create(key, fields)
                lease = self._lease(key, holder_id, written.token, written.version, sent, taken_over)
            except (AlreadyExists, StoreUnavailable):
                record = self._read(key)
                if record is None:
                    continue
                if record.holder_id != holder_id:
                    taken_over = self._take_over(record) or taken_over
                    continue
                lease = self._lease(key, holder_id, record.token, record.version, first_sent, taken_over)
            if lease.remaining_s <= 0:
                lease.release()
                continue
            log_event(log, "lease_acquired", **lease.facts, ms=milliseconds(self._clock() - first_sent), waited_ms=milliseconds(waited_s))
            if waited_s:
                log_event(log, "lease_waited", **lease.facts, ms=milliseconds(waited_s))
            return lease.start()
        raise LeaseStoreUnavailable(f"lease {key}: {CREATE_ROUNDS} tries to create it ended neither in a lease nor in a holder")

    def acquire(self, key: LeaseKey, owner: Mapping[str, Any], max_wait_s: float | None = None) -> Lease:
        """Like try_acquire, waiting in place up to ``max_wait_s`` (the times' own by default) for a holder to go."""
        since = self._clock()
        waiter = Waiter(since, since + (self.times.max_wait_s if max_wait_s is None else max_wait_s))
        waited_s = 0.0
        while True:
            try:
                return self.try_acquire(key, owner, waited_s)
            except LeaseHeld as held:
                if self._clock() >= waiter.deadline:
                    raise timed_out(held, self._clock() - since) from None
                self.wait_until_free(held.record, waiter)
                waited_s = self._clock() - since

    def wait_until_free(self, seen: Record, waiter: Waiter) -> bool:
        """Wait until the lease seen may be free and it is this waiter's turn (True), or until its deadline or stop (False)."""
        is_absent = threading.Event()

        def on_change(exists: bool) -> None:
            (is_absent.clear if exists else is_absent.set)()
            waiter.woken.set()

        with self._watch(seen.key, on_change):
            while not waiter.stopped.is_set() and self._clock() < waiter.deadline:
                expires_in = max(seen.lease_s + self.times.grace_s - seen.age_s, 0.0) + 0.005
                if waiter.woken.wait(min(waiter.deadline - self._clock(), expires_in, FALLBACK_READ_SECONDS)):
                    waiter.woken.clear()
                    delay_s = turn_delay_s(self._clock() - waiter.since, seen.waited_s)
                    # Taken meanwhile by one whose turn came first: no call, the watch tells when it goes.
                    if is_absent.is_set() and not waiter.stopped.wait(delay_s) and is_absent.is_set():
                        return True
                    continue
                record = self._read(seen.key)
                if record is None or record.is_expired(self.times.grace_s):
                    return True
                seen = record
        return False

    def inspect(self, key: LeaseKey) -> Record | None:
        """Who holds the lease now, or None; raises LeaseStoreUnavailable."""
        return self._read(key)

    def _take_over(self, record: Record) -> Record | None:
        if not record.is_expired(self.times.grace_s):
            log_event(log, "lease_contended", **record.facts, ms=milliseconds(record.held_s))
            raise LeaseHeld(record)
        try:
            self.store.delete(record.key, record.version)
        except Changed:
            return None
        except StoreUnavailable:
            return record  # the delete may have taken effect: if our create succeeds now, this is the claim it replaces
        log_event(log, "lease_taken_over", level=logging.WARNING, **record.facts, ms=milliseconds(record.age_s), inflight_job=record.inflight_job)
        return record

    @contextmanager
    def _watch(self, key: LeaseKey, on_change: Callable[[bool], None]) -> Iterator[None]:
        try:
            with self.store.watch(key, on_change):
                yield
        except StoreUnavailable as error:
            raise LeaseStoreUnavailable(f"lease {key}: {error}") from error

    def _read(self, key: LeaseKey) -> Record | None:
        problem: StoreUnavailable | None = None
        for _ in range(READ_ROUNDS):
            try:
                return self.store.read(key)
            except StoreUnavailable as error:
                problem = error
        raise LeaseStoreUnavailable(f"lease {key}: {problem}") from problem

    def _lease(self, key: LeaseKey, holder_id: str, token: int, version: Any, sent: float, taken_over: Record | None) -> Lease:
        return Lease(self.store, self.times, self._clock, key, holder_id, token, version, sent, taken_over)
