"""Acquiring leases: create, adopt what is ours, take over what expired, and wait for the rest. The algorithm is told in ``lease``.

Who waits longest goes first, as far as that costs no call: the document says how long its holder had waited, and a waiter that
is woken lets as much time pass as it is younger than that. The rest is chance, so that waiters of one age do not all call at
once. A queue would be exact, at two writes and a lease of its own for every waiter.
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
from nba_grading.leases.store import AlreadyExists, LeaseKey, LeaseRecord, LeaseStore, StoreUnavailable, VersionConflict, ask
from nba_grading.leases.times import LeaseTimes, boottime, milliseconds
from nba_grading.leases.waiting import Waiter, WatchState, turn_delay_s

log = get_logger(__name__)

CREATE_ROUNDS = 6

FALLBACK_READ_SECONDS = 10.0

UNSURE_READ_SECONDS = 1.0


def timed_out(held: LeaseHeld, waited_s: float) -> LeaseHeld:
    """The error of a waiter that gives up, told as an event as well."""
    log.error("lease_timed_out", **held.record.facts, ms=milliseconds(waited_s))
    return LeaseHeld(held.record, waited_s)


class LeaseManager:
    """Acquires leases from one store. Source of the rules: docs/lease.md."""

    def __init__(self, store: LeaseStore, times: LeaseTimes, clock: Callable[[], float] = boottime) -> None:
        self.store = store
        self.times = times
        self._clock = clock

    def try_acquire(self, key: LeaseKey, owner: Mapping[str, Any], waited_s: float = 0.0, sight: WatchState | None = None) -> Lease:
        """The lease, already renewing, without waiting for a holder; raises LeaseHeld or LeaseStoreUnavailable.

        ``owner`` tells people who holds it (``lease_store.OWNER_FIELDS``); ownership itself is a random id of this claim.
        ``waited_s`` is how long the caller has waited for it so far: the waiters behind it take their turns by that. A waiter whose
        watch has told that the lease is free gives its ``sight``: a race that it loses then costs no read.
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
                lease = self._lease(key, holder_id, written.token, written.version, sent, taken_over)
            except (AlreadyExists, StoreUnavailable) as error:
                may_be_ours = may_be_ours or isinstance(error, StoreUnavailable)
                if sight and not may_be_ours:
                    sight.lose_race()
                    # Whose it is now is not known: to ask would be a call.
                    log.info("lease_contended", operation=key.operation, game_date=key.game_date, ms=0)
                    raise LeaseHeld(sight.record) from None
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
            if taken_over:
                facts = {"holder": holder_id, "token": lease.token, "dead_holder": taken_over.holder_id, "inflight_job": taken_over.inflight_job}
                log.warning("lease_taken_over", **{**taken_over.facts, **facts}, ms=milliseconds(taken_over.age_s))
            log.info("lease_acquired", **lease.facts, ms=milliseconds(self._clock() - first_sent), waited_ms=milliseconds(waited_s))
            if waited_s:
                log.info("lease_waited", **lease.facts, ms=milliseconds(waited_s))
            return lease.start()
        raise LeaseStoreUnavailable(f"lease {key}: {CREATE_ROUNDS} tries to create it ended neither in a lease nor in a holder")

    def acquire(self, key: LeaseKey, owner: Mapping[str, Any], max_wait_s: float | None = None) -> Lease:
        """Like try_acquire, waiting in place up to ``max_wait_s`` (the times' own by default) for a holder to go."""
        since = self._clock()
        waiter = Waiter(since, since + (self.times.max_wait_s if max_wait_s is None else max_wait_s))
        try:
            return self.try_acquire(key, owner)
        except LeaseHeld as held:
            if self._clock() >= waiter.deadline:
                raise timed_out(held, self._clock() - since) from None
            with self._watch(held.record, waiter) as sight:
                return self._acquire_in_turn(key, owner, waiter, sight)

    def _acquire_in_turn(self, key: LeaseKey, owner: Mapping[str, Any], waiter: Waiter, sight: WatchState) -> Lease:
        while True:
            self._wait_for_turn(sight, waiter)
            try:
                return self.try_acquire(key, owner, self._clock() - waiter.since, sight if sight.take_turn() else None)
            except LeaseHeld as held:
                if self._clock() >= waiter.deadline:
                    raise timed_out(LeaseHeld(self._read(key) or held.record), self._clock() - waiter.since) from None
                if held.record is not sight.record:
                    sight.look(held.record)

    def wait_until_free(self, seen: LeaseRecord, waiter: Waiter) -> bool:
        """Wait until the lease seen may be free and it is this waiter's turn (True), or until its deadline or stop (False)."""
        with self._watch(seen, waiter) as sight:
            return self._wait_for_turn(sight, waiter)

    def _wait_for_turn(self, sight: WatchState, waiter: Waiter) -> bool:
        while not waiter.stopped.is_set() and self._clock() < waiter.deadline:
            if sight.is_absent:
                delay_s = turn_delay_s(self._clock() - waiter.since, sight.record.waited_s)
                # Taken meanwhile by one whose turn came first: no call, the watch tells when it goes.
                if not waiter.stopped.wait(delay_s) and sight.is_absent:
                    return True
                continue
            if waiter.woken.wait(self._patience_s(sight, waiter)):
                waiter.woken.clear()
                continue
            record = self._read(sight.record.key)
            if record is None or record.is_expired(self.times.grace_s):
                return True
            sight.look(record)
        return False

    def _patience_s(self, sight: WatchState, waiter: Waiter) -> float:
        """Seconds until the document is to be read although the watch told nothing."""
        record, now = sight.record, self._clock()
        expires_at = sight.seen_at + record.lease_s + self.times.grace_s - record.age_s
        patience_s = UNSURE_READ_SECONDS if sight.is_unsure else FALLBACK_READ_SECONDS
        return max(0.0, min(waiter.deadline - now, expires_at - now + 0.005, patience_s))

    def inspect(self, key: LeaseKey) -> LeaseRecord | None:
        """Who holds the lease now, or None; raises LeaseStoreUnavailable."""
        return self._read(key)

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
        except StoreUnavailable:
            pass  # the delete may have taken effect: if our create succeeds now, this is the claim it replaces
        return record

    @contextmanager
    def _watch(self, seen: LeaseRecord, waiter: Waiter) -> Iterator[WatchState]:
        sight = WatchState(seen, self._clock, waiter.woken)
        try:
            with self.store.watch(seen.key, sight.tell):
                yield sight
        except StoreUnavailable as error:
            raise LeaseStoreUnavailable(f"lease {seen.key}: {error}") from error

    def _read(self, key: LeaseKey) -> LeaseRecord | None:
        try:
            return ask(partial(self.store.read, key))
        except StoreUnavailable as error:
            raise LeaseStoreUnavailable(f"lease {key}: {error}") from error

    def _lease(self, key: LeaseKey, holder_id: str, token: int, version: Any, sent: float, taken_over: LeaseRecord | None) -> Lease:
        return Lease(self.store, self.times, self._clock, key, holder_id, token, version, sent, taken_over)
