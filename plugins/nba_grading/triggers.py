"""The trigger of a task that waits for a lease: it watches, the worker slot and the pool slot are free meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from nba_grading.airflow_context import make_leases


class LeaseFreeTrigger(BaseTrigger):
    """Fires when the lease may be free, or at ``deadline`` (seconds since 1970). It only looks, so running twice is harmless.

    A lost race is the task's affair: it tries to acquire, and defers again with the same deadline.
    """

    def __init__(self, operation: str, game_date: str, deadline: float, jitter_s: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operation, self.game_date, self.deadline, self.jitter_s = operation, game_date, deadline, jitter_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Path and arguments to build the trigger again."""
        return (
            "nba_grading.triggers.LeaseFreeTrigger",
            {"operation": self.operation, "game_date": self.game_date, "deadline": self.deadline, "jitter_s": self.jitter_s},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: ``{"free": bool}``, or ``{"error": str}`` when the store does not answer."""
        stopped = threading.Event()
        try:
            event = await asyncio.to_thread(self._wait, stopped)
        finally:
            stopped.set()
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    def _wait(self, stopped: threading.Event) -> dict[str, Any]:
        from nba_grading.lease import LeaseStoreUnavailable, boottime
        from nba_grading.lease_store import LeaseKey, StoreUnavailable

        key = LeaseKey(self.operation, date.fromisoformat(self.game_date))
        try:
            leases = make_leases()
            seen = leases.inspect(key)
            if seen is None or seen.is_expired(leases.times.grace_s):
                return {"free": True}
            return {"free": leases.wait_until_free(seen, boottime() + self.deadline - time.time(), self.jitter_s, stopped)}
        except (LeaseStoreUnavailable, StoreUnavailable) as error:
            return {"error": str(error)}
