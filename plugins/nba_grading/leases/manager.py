"""Acquiring leases: create, adopt an own document, take over an expired one, and wait for any other. See ``lease`` for the algorithm.

Longer waiters go first, but no call is spent on it. The document says how long its holder had waited, and a waiter that wakes pauses for
longer the shorter its own wait was. The rest of the pause is random, so that waiters of the same age do not all call at once. A queue would
be exact, but would cost two writes and another lease per waiter.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from nba_grading.events import get_logger
from nba_grading.leases.errors import LeaseHeld, LeaseStoreUnavailable
from nba_grading.leases.lease import Lease
from nba_grading.leases.store import AlreadyExists, LeaseKey, LeaseRecord, LeaseStore, VersionConflict, ask
from nba_grading.leases.times import LeaseTimes, boottime, milliseconds
from nba_grading.leases.waiting import Waiter, WatchState, turn_delay_s

log = get_logger(__name__)

CREATE_ROUNDS = 6

FALLBACK_READ_SECONDS = 10.0

UNSURE_READ_SECONDS = 1.0


def timed_out(held: LeaseHeld, waited_s: float) -> LeaseHeld:
    """The error for a waiter that gives up; logged as an event too."""
    log.error("lease_timed_out", **held.record.facts, ms=milliseconds(waited_s))
    return LeaseHeld(held.record, waited_s)


class LeaseManager:
    """Acquires leases from one store. The rules are in docs/lease.md."""

    def __init__(self, store: LeaseStore, times: LeaseTimes, clock: Callable[[], float] = boottime) -> None:
        self.store = store
        self.times = times
        self._clock = clock

    def try_acquire(self, key: LeaseKey, owner: Mapping[str, Any], waited_s: float = 0.0, last_seen: LeaseRecord | None = None) -> Lease:
        """The lease, already renewing, without waiting for a holder; raises LeaseHeld or LeaseStoreUnavailable.

        ``owner`` is for people (``store.OWNER_FIELDS``); a random id decides ownership. ``waited_s`` is how long the caller has waited so
        far, which orders the waiters behind it. A waiter whose watch saw the lease go gives the record it saw: if another claim is first,
        LeaseHeld carries that record, and the new holder's is not read.
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
        taken_over: LeaseRecord | None = None
        may_be_ours = False
        for _ in range(CREATE_ROUNDS):
            sent = self._clock()
            try:
                written = self.store.create(key, fields)
                lease = self._lease(key, holder_id, written.fencing_token, written.version, sent, taken_over)
            except (AlreadyExists, LeaseStoreUnavailable) as error:
                may_be_ours = may_be_ours or isinstance(error, LeaseStoreUnavailable)
                if last_seen and not may_be_ours:
                    log.info("lease_contended", operation=key.operation, game_date=key.game_date, ms=0)
                    raise LeaseHeld(last_seen) from None
                record = self.inspect(key)
                if record is None:
                    continue
                if record.holder_id != holder_id:
                    taken_over = self._take_over(record) or taken_over
                    continue
                lease = self._lease(key, holder_id, record.fencing_token, record.version, first_sent, taken_over)
            if lease.remaining_s <= 0:
                lease.release()
                continue
            if taken_over:
                facts = {
                    "holder": holder_id,
                    "token": lease.fencing_token,
                    "dead_holder": taken_over.holder_id,
                    "inflight_job": taken_over.inflight_job,
                }
                log.warning("lease_taken_over", **{**taken_over.facts, **facts}, ms=milliseconds(taken_over.age_s))
            log.info("lease_acquired", **lease.facts, ms=milliseconds(self._clock() - first_sent), waited_ms=milliseconds(waited_s))
            if waited_s:
                log.info("lease_waited", **lease.facts, ms=milliseconds(waited_s))
            return lease.start()
        raise LeaseStoreUnavailable(f"lease {key}: {CREATE_ROUNDS} attempts to create it found neither the lease nor a holder")

    def acquire(self, key: LeaseKey, owner: Mapping[str, Any], max_wait_s: float | None = None) -> Lease:
        """Like try_acquire, but waits in place up to ``max_wait_s`` (default: the times' own) for a holder to go.

        For proofs and tests. A task waits deferred instead, and its trigger uses ``wait_until_free``.
        """
        since = self._clock()
        waiter = Waiter(since, since + (self.times.max_wait_s if max_wait_s is None else max_wait_s))
        try:
            return self.try_acquire(key, owner)
        except LeaseHeld as held:
            if self._clock() >= waiter.deadline:
                raise timed_out(held, self._clock() - since) from None
            with self._watch(held.record, waiter) as state:
                return self._acquire_in_turn(key, owner, waiter, state)

    def _acquire_in_turn(self, key: LeaseKey, owner: Mapping[str, Any], waiter: Waiter, state: WatchState) -> Lease:
        while True:
            self._wait_for_turn(state, waiter)
            last_seen = state.take_turn()
            try:
                return self.try_acquire(key, owner, self._clock() - waiter.since, last_seen)
            except LeaseHeld as held:
                if self._clock() >= waiter.deadline:
                    raise timed_out(LeaseHeld(self.inspect(key) or held.record), self._clock() - waiter.since) from None
                if held.record is last_seen:
                    state.on_lost_race()
                else:
                    state.on_read(held.record)

    def wait_until_free(self, seen: LeaseRecord, waiter: Waiter) -> bool:
        """Wait until the lease may be free and it is this waiter's turn (True), or until the deadline or ``stop`` (False)."""
        with self._watch(seen, waiter) as state:
            return self._wait_for_turn(state, waiter)

    def _wait_for_turn(self, state: WatchState, waiter: Waiter) -> bool:
        while not waiter.stopped.is_set() and self._clock() < waiter.deadline:
            if state.is_absent:
                delay_s = turn_delay_s(self._clock() - waiter.since, state.record.waited_s)
                # When another waiter took it meanwhile, no call is made; the watch reports when that one goes.
                if not waiter.stopped.wait(delay_s) and state.is_absent:
                    return True
                continue
            if waiter.woken.wait(self._patience_s(state, waiter)):
                waiter.woken.clear()
                continue
            record = self.inspect(state.record.key)
            if record is None or record.is_expired(self.times.grace_s):
                return True
            state.on_read(record)
        return False

    def _patience_s(self, state: WatchState, waiter: Waiter) -> float:
        """Seconds until the document is read even if the watch reports nothing."""
        record, now = state.record, self._clock()
        expires_at = state.seen_at + record.lease_s + self.times.grace_s - record.age_s
        patience_s = UNSURE_READ_SECONDS if state.is_unsure else FALLBACK_READ_SECONDS
        return max(0.0, min(waiter.deadline - now, expires_at - now + 0.005, patience_s))

    def inspect(self, key: LeaseKey) -> LeaseRecord | None:
        """The record of the current holder, or None; raises LeaseStoreUnavailable."""
        return ask(partial(self.store.read, key))

    def _held(self, record: LeaseRecord) -> LeaseHeld:
        log.info("lease_contended", **record.facts, ms=milliseconds(record.held_s))
        return LeaseHeld(record)

    def _take_over(self, record: LeaseRecord) -> LeaseRecord | None:
        if not record.is_expired(self.times.grace_s):
            raise self._held(record)
        try:
            self.store.delete(record.key, record.version)
        except VersionConflict:
            return None
        except LeaseStoreUnavailable:
            pass  # the delete may have taken effect; if the next create succeeds, it replaces this claim
        return record

    @contextmanager
    def _watch(self, seen: LeaseRecord, waiter: Waiter) -> Iterator[WatchState]:
        state = WatchState(seen, self._clock, waiter.woken)
        with self.store.watch(seen.key, state.on_change):
            yield state

    def _lease(self, key: LeaseKey, holder_id: str, fencing_token: int, version: Any, sent: float, taken_over: LeaseRecord | None) -> Lease:
        return Lease(self.store, self.times, self._clock, key, holder_id, fencing_token, version, sent, taken_over)
