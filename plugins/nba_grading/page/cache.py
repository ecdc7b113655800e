"""Answers of the page's panels: asked for once for many readers, shown for a while, and kept for when their source does not answer.

A panel's question runs in a thread of its own, one at a time for each key. Who comes once an answer is no longer fresh gets it all the
same, at once, while it is asked for again; only who finds none, or one of more than RECENT_SECONDS, waits for it: on the event loop, so
that a BigQuery that is away occupies none of the API server's threads, and for ``wait_s`` at most. An answer is called stale once a
question has failed or takes longer than that. The question goes on, and its answer is there for the next reader.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from nba_grading.events import get_logger

log = get_logger(__name__)

FAILURE_SECONDS = 10.0
RECENT_SECONDS = 300.0
REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Answer:
    """What a panel shows: ``data`` of the moment ``as_of`` (both None before the first answer), and why it is stale, or None if it is not.

    ``is_asked_for`` says that a newer one is on its way.
    """

    data: Any
    as_of: datetime | None
    stale_because: str | None = None
    is_asked_for: bool = False


@dataclass
class _Entry:
    answer: Answer = field(default_factory=lambda: Answer(None, None))
    answered_at: float | None = None
    problem: str | None = None
    failed_at: float | None = None
    asked_at: float = 0.0
    flight: Future[None] | None = None


class PanelCache:
    """The answers of one process. ``fresh_s``: how long an answer is shown; ``wait_s``: how long a reader waits for a new one."""

    def __init__(self, fresh_s: float, wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._fresh_s, self._wait_s, self._clock = fresh_s, wait_s, clock
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = threading.Lock()

    async def get(self, key: Hashable, ask: Callable[[], Any], fresh_s: float | None = None) -> Answer:
        """The answer to ``ask``, which is called in a thread unless a fresh one is there; never raises what it raises."""
        fresh_s = self._fresh_s if fresh_s is None else fresh_s
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            if self._is_fresh(entry, fresh_s):
                return entry.answer
            if entry.flight is None and not self._has_just_failed(entry):
                entry.asked_at = self._clock()
                entry.flight = self._start(key, entry, ask)
            flight = entry.flight
            must_wait = not self._is_fresh(entry, max(fresh_s, RECENT_SECONDS))
        if flight is not None and must_wait:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(flight)), self._wait_s)
        with self._lock:
            if self._is_fresh(entry, fresh_s):
                return entry.answer
            problem = entry.problem
            if entry.flight is not None and self._clock() - entry.asked_at >= self._wait_s:
                problem = f"no answer within {self._wait_s:g} s"
            if entry.answered_at is None:
                problem = problem or "it is being asked for"
            return Answer(entry.answer.data, entry.answer.as_of, problem, entry.flight is not None)

    def _is_fresh(self, entry: _Entry, fresh_s: float) -> bool:
        return entry.answered_at is not None and self._clock() - entry.answered_at < fresh_s

    def _has_just_failed(self, entry: _Entry) -> bool:
        return entry.failed_at is not None and self._clock() - entry.failed_at < FAILURE_SECONDS

    def _start(self, key: Hashable, entry: _Entry, ask: Callable[[], Any]) -> Future[None]:
        flight: Future[None] = Future()
        # Daemons: a BigQuery that hangs must not keep the API server from stopping.
        threading.Thread(target=self._fly, args=(key, entry, ask, flight), name=f"grading-page-{key}", daemon=True).start()
        return flight

    def _fly(self, key: Hashable, entry: _Entry, ask: Callable[[], Any], flight: Future[None]) -> None:
        asked_at = datetime.now(tz=UTC)
        try:
            data = ask()
        except Exception as error:
            log.warning("page_panel_failed", panel=key, exc_info=True)
            with self._lock:
                entry.problem, entry.failed_at, entry.flight = _in_short(error), self._clock(), None
        else:
            with self._lock:
                entry.answer, entry.answered_at = Answer(data, asked_at), self._clock()
                entry.problem, entry.failed_at, entry.flight = None, None, None
        flight.set_result(None)


def _in_short(error: Exception) -> str:
    first_line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first_line}"[:REASON_CHARACTERS]
