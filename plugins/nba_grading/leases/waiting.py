"""Waiting for a lease: who waits since when, what the watch has reported, and whose turn it is."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from nba_grading.leases.store import LeaseRecord

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


class WatchState:
    """What a waiter knows of a lease: the record it saw last and when, and whether its watch has told that the document is gone."""

    def __init__(self, record: LeaseRecord, clock: Callable[[], float], woken: threading.Event) -> None:
        self.record, self.seen_at = record, clock()
        self.is_absent = self._has_lost_unseen = False
        self._clock, self._woken = clock, woken
        self._changes = self._changes_at_turn = 0
        self._mutex = threading.Lock()

    def tell(self, record: LeaseRecord | None) -> None:
        """Hear from the watch."""
        with self._mutex:
            self._changes += 1
            self.is_absent, self._has_lost_unseen = record is None, False
            # The watch tells at its start what the waiter knows already, without its age.
            if record is not None and record.version != self.record.version:
                self.record, self.seen_at = record, self._clock()
        self._woken.set()

    def look(self, record: LeaseRecord) -> None:
        """Take note of a document that was read."""
        with self._mutex:
            self.record, self.seen_at, self._has_lost_unseen = record, self._clock(), False

    @property
    def is_unsure(self) -> bool:
        """Whether to read soon: the watch has not spoken yet (one that cannot be opened never does), or not of a race that was lost."""
        return self._has_lost_unseen or self._changes == 0

    def take_turn(self) -> bool:
        """Whether the document is gone, as far as the watch has told; a race that is then lost is one from here on."""
        with self._mutex:
            self._changes_at_turn = self._changes
            return self.is_absent

    def lose_race(self) -> None:
        """Another's document was there first. If the watch has not told of it yet, it will, or it is gone already: to be read soon."""
        with self._mutex:
            if self._changes == self._changes_at_turn:
                self.is_absent, self._has_lost_unseen = False, True
