"""Acquiring leases: create, adopt what is ours, take over what expired, and wait for the rest. The algorithm is told in ``lease``."""

from __future__ import annotations

import logging
import random
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nba_grading.events import log_event
from nba_grading.lease import Lease, LeaseHeld, LeaseStoreUnavailable, LeaseTimes, boottime
from nba_grading.lease_store import AlreadyExists, Changed, LeaseKey, LeaseStore, Record, StoreUnavailable

log = logging.getLogger(__name__)

CREATE_ROUNDS = 6
READ_ROUNDS = 3
FALLBACK_READ_SECONDS = 10.0
FIRST_JITTER_SECONDS = 0.02
LOST_RACE_JITTER_SECONDS = 0.25


class Leases:
    """Acquires leases from one store. Source of the rules: docs/lease.md."""

    def __init__(self, store: LeaseStore, times: LeaseTimes, clock: Callable[[], float] = boottime) -> None:
        self.store = store
        self.times = times
        self._clock = clock

    def try_acquire(self, key: LeaseKey, owner: Mapping[str, Any]) -> Lease:
        """The lease, already renewing, without waiting for a holder; raises LeaseHeld or LeaseStoreUnavailable.

        ``owner`` tells people who holds it (``lease_store.OWNER_FIELDS``); ownership itself is a random id of this claim.
        """
        holder_id = secrets.token_hex(16)
        fields = {**owner, "holder_id": holder_id, "lease_ms": round(self.times.lease_s * 1000), "inflight_job": None}
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
            log_event(log, "lease_acquired", operation=key.operation, game_date=key.game_date, holder=holder_id, token=lease.token)
            return lease.start()
        raise LeaseStoreUnavailable(f"lease {key}: {CREATE_ROUNDS} tries to create it ended neither in a lease nor in a holder")

    def acquire(self, key: LeaseKey, owner: Mapping[str, Any], max_wait_s: float | None = None) -> Lease:
        """Like try_acquire, waiting in place up to ``max_wait_s`` (the times' own by default) for a holder to go."""
        started = self._clock()
        deadline = started + (self.times.max_wait_s if max_wait_s is None else max_wait_s)
        jitter_s = FIRST_JITTER_SECONDS
        while True:
            try:
                lease = self.try_acquire(key, owner)
                log_event(log, "lease_waited", operation=key.operation, game_date=key.game_date, ms=round((self._clock() - started) * 1000))
                return lease
            except LeaseHeld as held:
                if self._clock() >= deadline:
                    raise LeaseHeld(held.record, self._clock() - started) from None
                self.wait_until_free(held.record, deadline, jitter_s)
                jitter_s = LOST_RACE_JITTER_SECONDS

    def wait_until_free(self, seen: Record, deadline: float, jitter_s: float = FIRST_JITTER_SECONDS, stopped: threading.Event | None = None) -> bool:
        """Wait until the lease seen may be free (True), or the clock reaches ``deadline`` or ``stopped`` is set (False)."""
        stopped = stopped or threading.Event()
        changed = threading.Event()
        absent = threading.Event()

        def on_change(exists: bool) -> None:
            (absent.clear if exists else absent.set)()
            changed.set()

        with self._watch(seen.key, on_change):
            while not stopped.is_set() and self._clock() < deadline:
                expires_in = max(seen.lease_s + self.times.grace_s - seen.age_s, 0.0) + 0.005
                timeout = min(deadline - self._clock(), expires_in, FALLBACK_READ_SECONDS)
                if changed.wait(timeout):
                    changed.clear()
                    if absent.is_set() and not stopped.wait(random.uniform(0, jitter_s)) and absent.is_set():
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
            raise LeaseHeld(record)
        try:
            self.store.delete(record.key, record.version)
        except Changed:
            return None
        except StoreUnavailable:
            return record  # the delete may have taken effect: if our create succeeds now, this is the claim it replaces
        log_event(
            log,
            "lease_taken_over",
            level=logging.WARNING,
            operation=record.key.operation,
            game_date=record.key.game_date,
            holder=record.holder_id,
            token=record.token,
            silent_s=round(record.age_s, 1),
            inflight_job=record.inflight_job,
        )
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
