"""The state of one wait for a lease: its deadline, the last news from the watch, and the delay that orders the waiters."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from nba_grading.leases.store import LeaseRecord

# A holder that did not wait has few waiters behind it, most likely one, so they need little spreading.
LONE_JITTER_SECONDS = 0.02

QUEUE_JITTER_SECONDS = 0.25


def turn_delay_s(waited_s: float, holder_waited_s: float) -> float:
    """Seconds a waiter pauses once the lease is free; shorter for those that have waited longer."""
    if holder_waited_s == 0:
        return random.uniform(0, LONE_JITTER_SECONDS)
    youth = max(0.0, 1 - waited_s / holder_waited_s)
    return random.uniform(0, QUEUE_JITTER_SECONDS) + QUEUE_JITTER_SECONDS * youth


class Waiter:
    """One wait for one lease, from ``since`` to ``deadline`` on the LeaseManager's clock; another thread can stop it."""

    def __init__(self, since: float, deadline: float) -> None:
        self.since, self.deadline = since, deadline
        self.woken = threading.Event()
        self.stopped = threading.Event()

    def stop(self) -> None:
        """End the wait now."""
        self.stopped.set()
        self.woken.set()


class WatchState:
    """A waiter's view of a lease: the last record, when it was seen, and whether the watch has reported that the document is gone."""

    def __init__(self, record: LeaseRecord, clock: Callable[[], float], woken: threading.Event) -> None:
        self.record, self.seen_at = record, clock()
        self.is_absent = self._lost_race = False
        self._clock, self._woken = clock, woken
        self._changes = self._changes_at_turn = 0
        self._mutex = threading.Lock()

    def on_change(self, record: LeaseRecord | None) -> None:
        """The watch reports the document, or None when it is gone; wakes the waiter."""
        with self._mutex:
            self._changes += 1
            self.is_absent, self._lost_race = record is None, False
            # The first report repeats what the waiter has read already, but without its age.
            if record is not None and record.version != self.record.version:
                self.record, self.seen_at = record, self._clock()
        self._woken.set()

    def on_read(self, record: LeaseRecord) -> None:
        """The document was read."""
        with self._mutex:
            self.record, self.seen_at, self._lost_race = record, self._clock(), False

    @property
    def is_unsure(self) -> bool:
        """Whether to read soon: the watch has not reported yet (one that never opened cannot), or not since a race was lost."""
        return self._lost_race or self._changes == 0

    def take_turn(self) -> LeaseRecord | None:
        """The last record seen if the watch has reported the document gone, otherwise None. ``on_lost_race`` refers to this moment."""
        with self._mutex:
            self._changes_at_turn = self._changes
            return self.record if self.is_absent else None

    def on_lost_race(self) -> None:
        """Another claim was created first. Without a report since ``take_turn``, one is due, or that claim is gone again: read soon."""
        with self._mutex:
            if self._changes == self._changes_at_turn:
                self.is_absent, self._lost_race = False, True
