"""A stale-while-revalidate cache for the page's panels: one query for many readers, and the last answer while its source is down.

Each key's query runs in a thread of its own, one at a time. A reader of an outdated answer gets it at once while a new one is fetched. A
reader waits only if there is no answer, or one older than RECENT_SECONDS: on the event loop, so that a slow BigQuery does not occupy the API
server's threads, and for at most ``wait_s``. An answer is marked stale when its query failed or took longer than that. A slow query
continues, and the next reader gets its answer.

dogpile.cache has no such wait: a first reader blocks its thread, and failures are neither kept nor given as a reason.
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
    """A panel's ``data`` as of ``as_of`` (both None before the first answer). ``stale_because`` is None unless it is stale.

    ``is_asked_for``: a newer answer is being fetched.
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
    """The answers of one process. An answer is fresh for ``fresh_s`` seconds; a reader waits up to ``wait_s`` seconds for a new one."""

    def __init__(self, fresh_s: float, wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._fresh_s, self._wait_s, self._clock = fresh_s, wait_s, clock
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = threading.Lock()

    async def get(self, key: Hashable, ask: Callable[[], Any], fresh_s: float | None = None) -> Answer:
        """The fresh answer under ``key``, or that of ``ask``, called in a thread. Errors of ``ask`` are in the answer, never raised."""
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
                problem = problem or "the first query is still running"
            return Answer(entry.answer.data, entry.answer.as_of, problem, entry.flight is not None)

    def _is_fresh(self, entry: _Entry, fresh_s: float) -> bool:
        return entry.answered_at is not None and self._clock() - entry.answered_at < fresh_s

    def _has_just_failed(self, entry: _Entry) -> bool:
        return entry.failed_at is not None and self._clock() - entry.failed_at < FAILURE_SECONDS

    def _start(self, key: Hashable, entry: _Entry, ask: Callable[[], Any]) -> Future[None]:
        flight: Future[None] = Future()
        # A daemon, so that a query that hangs does not keep the API server from stopping.
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
