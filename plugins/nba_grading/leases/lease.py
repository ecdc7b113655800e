"""A lease on one (operation, game_date): the right to write that date, for a limited time.

A lease does not promise mutual exclusion. A holder that dies or stalls loses it after a while, so that others can go on, and a stalled
holder may still be running. Nothing in this package stops it from writing late. ``guarded_write.publish`` does: it refuses a writer whose
token is older than the stored one. The lease only keeps writers from wasting each other's work.

The algorithm, for any ``LeaseStore``:

1. acquire: create the document. If it exists, read it. If it is this claim's own (the answer to the create was lost), adopt it. If it has
   expired, delete it if unchanged and create again. Otherwise raise LeaseHeld.
2. renew, every third of the lease, from a thread: replace the document if unchanged. If it has changed, read it. Adopt it if it is this
   claim's own, otherwise the lease is lost.
3. release: delete the document if unchanged, so never another claim's.
4. wait: watch the document until it is deleted or expires, and read it every 10 s in case the watch is silent. Waiters that wake together
   take turns, the longest wait first.

A holder trusts its lease from before it sent the request, on a clock that also runs while the machine sleeps, less 5 % for drift.
Only the store's clock decides whether a lease has expired. No client's clock is stored or compared with the store's.
"""

from __future__ import annotations

import _thread
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from nba_grading.events import get_logger
from nba_grading.leases.errors import LeaseLost, LeaseStoreUnavailable
from nba_grading.leases.store import PAUSES_SECONDS, LeaseKey, LeaseRecord, LeaseStore, VersionConflict, pause_s
from nba_grading.leases.times import LeaseTimes, milliseconds

log = get_logger(__name__)

RELEASE_ROUNDS = 3

NOTE_ROUNDS = 2


class Lease:
    """A lease that is held. A thread renews it until it is released or lost. Use it as a context manager.

    ``fencing_token`` orders the claims of one key. ``taken_over`` is the record of the expired claim that this one replaced, if any.
    ``on_lost`` is called once, from any thread, when the lease is lost.
    """

    leased = True

    def __init__(
        self,
        store: LeaseStore,
        times: LeaseTimes,
        clock: Callable[[], float],
        key: LeaseKey,
        holder_id: str,
        fencing_token: int,
        version: Any,
        sent: float,
        taken_over: LeaseRecord | None = None,
    ) -> None:
        self.key = key
        self.holder_id = holder_id
        self.fencing_token = fencing_token
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
        # Thread.start waits until the thread runs, which costs half a millisecond of every acquire. The thread ends when stopped is set.
        _thread.start_new_thread(self._renew_until_stopped, ())
        return self

    @property
    def remaining_s(self) -> float:
        """Seconds for which this holder may still trust its lease without a renewal; zero or less when it may not."""
        return self._valid_until - self._clock()

    def check(self) -> None:
        """Raise LeaseLost unless this claim is known to hold the lease right now; makes no call."""
        if self._stopped.is_set():
            raise LeaseLost(self.key, self.holder_id, self.loss_reason or "released")
        if self.remaining_s <= 0:
            self._lose("expired")
        if self.lost.is_set():
            raise LeaseLost(self.key, self.holder_id, self.loss_reason or "expired")

    def renew(self) -> None:
        """Renew now, and retry until the store answers; raises LeaseLost when another holds the lease or its validity ends."""
        with self._mutex:
            self.check()
            while not self._renew_once():
                self.check()
                self._stopped.wait(random.uniform(0.05, 0.25) * min(1.0, self._times.renewal_s))
            self.check()

    def note_job(self, job_id: str) -> None:
        """Store the id of the query job about to be submitted, so that a successor can cancel it; raises LeaseLost as ``renew`` does.

        A store that does not answer does not stop the work: no other claim can take the lease over meanwhile, and the next renewal
        stores the id.
        """
        with self._mutex:
            self.check()
            self._notes = {"inflight_job": job_id}
            for _ in range(NOTE_ROUNDS):
                if self._renew_once():
                    break
            self.check()

    def release(self) -> bool:
        """Release the lease; False when it was lost, or when the store did not confirm (it then expires). Never raises.

        Takes one call. Without an answer it takes up to three calls and the pauses between them, 17 s with the default times.
        """
        self._stopped.set()
        rpc_s = self._times.rpc_s
        deadline = self._clock() + 2 * rpc_s + sum(PAUSES_SECONDS)
        released = False
        # A renewal in flight holds the mutex, usually for one call.
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
        """True when the document is up to date or the lease is lost; False when the store did not answer."""
        sent = self._clock()
        try:
            written = self._store.replace(self.key, self._version, self._notes)
        except LeaseStoreUnavailable as error:
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
        except LeaseStoreUnavailable:
            return False
        if record is None or record.holder_id != self.holder_id or record.fencing_token != self.fencing_token:
            self._lose("deleted" if record is None else "taken_over")
            return True
        self._version, self._valid_until = record.version, sent - record.age_s + self._times.valid_s
        log.debug("lease_renewed", **self.facts, ms=milliseconds(self._clock() - sent), adopted=True)
        return all(getattr(record, name) == value for name, value in self._notes.items())

    def _delete(self, deadline: float) -> bool:
        """Whether this call deleted the document. No call starts after ``deadline``."""
        unanswered = False
        for tried in range(RELEASE_ROUNDS):
            if tried and unanswered:
                time.sleep(pause_s(tried))
            if self._clock() > deadline:
                break
            try:
                self._store.delete(self.key, self._version)
                return True
            except LeaseStoreUnavailable:
                unanswered = True
            except VersionConflict:
                if self._clock() > deadline:
                    break
                try:
                    record = self._store.read(self.key)
                except LeaseStoreUnavailable:
                    continue
                if record is None or record.holder_id != self.holder_id:
                    return unanswered
                self._version = record.version
        return False

    def _lose(self, reason: str) -> None:
        # The renewal thread and the holder's check may both notice; the first reason is kept, and on_lost is called once.
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
        """The fields that identify this lease in events."""
        return {"operation": self.key.operation, "game_date": self.key.game_date, "holder": self.holder_id, "fencing_token": self.fencing_token}
