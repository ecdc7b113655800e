"""A lease on one (operation, game_date): who may write that date now.

What it does not promise: mutual exclusion. A lease trades it for progress: a holder that dies or stalls loses the lease after a
while, and a stalled one may still be running. Nothing here stops it from writing late; ``fenced_write`` does, by refusing a
writer whose token is older than what is stored. Treat the lease as what keeps writers from wasting each other's work.

The algorithm, for any store of ``lease_store``:

1. acquire: create the document. It exists: read it; ours (the answer to our create was lost) is adopted, an expired one is
   deleted if unchanged and the create repeated, any other is LeaseHeld.
2. renew, at a third of the lease, from a thread: replace if unchanged. Changed: read; ours is adopted, another's is LeaseLost.
3. release: delete if unchanged; never somebody else's.
4. wait: watch the document, woken by its deletion or its expiry, with a read every 10 s in case the watch is silent. Those woken
   together take turns, who waits longest first.

Validity is counted on a clock that runs while the machine sleeps, from before the request was sent, less 5 % for drift.
Expiry is judged by the store's clock alone. No client's clock is written down or compared with the store's.
"""

from __future__ import annotations

import _thread
import random
import threading
from collections.abc import Callable
from typing import Any, Self

from nba_grading.events import get_logger
from nba_grading.leases.errors import LeaseLost
from nba_grading.leases.store import PAUSES_SECONDS, LeaseKey, LeaseRecord, LeaseStore, StoreUnavailable, VersionConflict, pause
from nba_grading.leases.times import LeaseTimes, milliseconds

log = get_logger(__name__)

RELEASE_ROUNDS = 3

NOTE_ROUNDS = 2


class Lease:
    """A lease that is held: renewed from a thread until released or lost. Use it as a context manager.

    ``token`` orders the claims of one key; ``taken_over`` is the record of the claim this one replaced, if it did.
    """

    leased = True

    def __init__(
        self,
        store: LeaseStore,
        times: LeaseTimes,
        clock: Callable[[], float],
        key: LeaseKey,
        holder_id: str,
        token: int,
        version: Any,
        sent: float,
        taken_over: LeaseRecord | None = None,
    ) -> None:
        self.key = key
        self.holder_id = holder_id
        self.token = token
        self.taken_over = taken_over
        self.on_lost: Callable[[], None] = lambda: None
        self.lost = threading.Event()
        self.loss_reason: str | None = None
        self.acquired_at = clock()
        self._store, self._times, self._clock = store, times, clock
        self._version = version
        self._notes: dict[str, Any] = {}
        self._valid_until = sent + times.valid_s
        self._mutex = threading.Lock()
        self._losing = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> Self:
        """Start renewing; returns the lease."""
        # threading's own start waits until the thread runs: half a millisecond of every acquire. It ends by itself once stopped.
        _thread.start_new_thread(self._renew_until_stopped, ())
        return self

    @property
    def remaining_s(self) -> float:
        """Seconds this holder may still trust its lease without another renewal; negative once it may not."""
        return self._valid_until - self._clock()

    def check(self) -> None:
        """Raise LeaseLost unless the lease is known to be ours right now; costs no call."""
        if self._stopped.is_set():
            raise LeaseLost(self.key, self.holder_id, self.loss_reason or "released")
        if self.remaining_s <= 0:
            self._lose("expired")
        if self.lost.is_set():
            raise LeaseLost(self.key, self.holder_id, self.loss_reason or "expired")

    def renew(self) -> None:
        """Renew now; LeaseLost when it is not ours, or silent past its validity."""
        with self._mutex:
            self.check()
            while not self._renew_once():
                self.check()
                self._stopped.wait(random.uniform(0.05, 0.25) * min(1.0, self._times.renewal_s))
            self.check()

    def note_job(self, job_id: str) -> None:
        """Write the id of the query job about to be submitted into the document, for a successor to cancel; LeaseLost as ``renew``.

        A store that does not answer now does not stop the work: nobody can take the lease over there either, and the next renewal
        writes the id as well.
        """
        with self._mutex:
            self.check()
            self._notes = {"inflight_job": job_id}
            for _ in range(NOTE_ROUNDS):
                if self._renew_once():
                    break
            self.check()

    def release(self) -> bool:
        """Give the lease up; False when that could not be confirmed (it then expires) or it was not ours. Never raises.

        It takes one call; where the store does not answer, as long as three may take and the pauses between, 17 s with the default times.
        """
        self._stopped.set()
        rpc_s = self._times.rpc_s
        deadline = self._clock() + 2 * rpc_s + sum(PAUSES_SECONDS)
        released = False
        # A renewal under way has the mutex, for one call as a rule.
        if not self.lost.is_set() and self._mutex.acquire(timeout=rpc_s):
            try:
                released = not self.lost.is_set() and self._delete(deadline)
            finally:
                self._mutex.release()
        log.info("lease_released", **self.facts, ms=milliseconds(self._clock() - self.acquired_at), confirmed=released)
        return released

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()

    def _renew_until_stopped(self) -> None:
        while not self._stopped.wait(self._times.renewal_s):
            try:
                self.renew()
            except LeaseLost:
                return
            except Exception:
                log.exception("lease_renewal_failed", lease=str(self.key))

    def _renew_once(self) -> bool:
        """Whether the document is as it should be now, or the lease lost; a store that does not answer leaves that open."""
        sent = self._clock()
        try:
            written = self._store.replace(self.key, self._version, self._notes)
        except StoreUnavailable as error:
            log.warning("lease_renewal_unanswered", **self.facts, error=error)
            return False
        except VersionConflict:
            return self._adopt_or_lose()
        self._version, self._valid_until = written.version, sent + self._times.valid_s
        log.debug("lease_renewed", **self.facts, ms=milliseconds(self._clock() - sent))
        return True

    def _adopt_or_lose(self) -> bool:
        sent = self._clock()
        try:
            record = self._store.read(self.key)
        except StoreUnavailable:
            return False
        if record is None or record.holder_id != self.holder_id or record.token != self.token:
            self._lose("deleted" if record is None else "taken_over")
            return True
        self._version, self._valid_until = record.version, sent - record.age_s + self._times.valid_s
        log.debug("lease_renewed", **self.facts, ms=milliseconds(self._clock() - sent), adopted=True)
        return all(getattr(record, name) == value for name, value in self._notes.items())

    def _delete(self, deadline: float) -> bool:
        """Whether the document is gone by our own doing. No call is begun after ``deadline``."""
        unanswered = False
        for tried in range(RELEASE_ROUNDS):
            if tried and unanswered:
                pause(tried - 1)
            if self._clock() > deadline:
                break
            try:
                self._store.delete(self.key, self._version)
                return True
            except StoreUnavailable:
                unanswered = True
            except VersionConflict:
                if self._clock() > deadline:
                    break
                try:
                    record = self._store.read(self.key)
                except StoreUnavailable:
                    continue
                if record is None or record.holder_id != self.holder_id:
                    return unanswered
                self._version = record.version
        return False

    def _lose(self, reason: str) -> None:
        # The renewal thread and the holder's own check may both find out; the first reason stands and on_lost is called once.
        with self._losing:
            if self.lost.is_set():
                return
            self.loss_reason = reason
            self.lost.set()
        log.error("lease_lost", **self.facts, reason=reason, ms=milliseconds(self._clock() - self.acquired_at))
        try:
            self.on_lost()
        except Exception:
            log.exception("lease_lost_callback_failed", lease=str(self.key))

    @property
    def facts(self) -> dict[str, Any]:
        """What an event tells of this lease."""
        return {"operation": self.key.operation, "game_date": self.key.game_date, "holder": self.holder_id, "token": self.token}
