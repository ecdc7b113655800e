"""The trigger of a task that waits for a lease: it watches, the worker slot and the pool slot are free meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from nba_grading.airflow_context import make_leases


class LeaseFreeTrigger(BaseTrigger):
    """Fires when the lease may be free, or at ``deadline`` (seconds since 1970). It only looks, so running twice is harmless.

    A lost race is the task's affair: it tries to acquire, and defers again with the same deadline. ``waiting_since`` and
    ``races_lost`` come back in the event for that.
    """

    def __init__(self, operation: str, game_date: str, deadline: float, waiting_since: float, races_lost: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operation, self.game_date, self.deadline = operation, game_date, deadline
        self.waiting_since, self.races_lost = waiting_since, races_lost

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Path and arguments to build the trigger again."""
        return (
            "nba_grading.triggers.LeaseFreeTrigger",
            {
                "operation": self.operation,
                "game_date": self.game_date,
                "deadline": self.deadline,
                "waiting_since": self.waiting_since,
                "races_lost": self.races_lost,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: ``free`` or ``error``, with waiting_since and races_lost."""
        stopped = threading.Event()
        waiter = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"lease-{self.operation}-{self.game_date}")
        try:
            # A thread of its own: the loop's shared ones are few, and a wait can take minutes.
            event = await asyncio.get_running_loop().run_in_executor(waiter, self._wait, stopped)
        finally:
            stopped.set()
            waiter.shutdown(wait=False)
        yield TriggerEvent({**event, "waiting_since": self.waiting_since, "races_lost": self.races_lost})  # type: ignore[no-untyped-call]

    def _wait(self, stopped: threading.Event) -> dict[str, Any]:
        from nba_grading.lease import LeaseStoreUnavailable, boottime
        from nba_grading.lease_store import LeaseKey, StoreUnavailable
        from nba_grading.leases import FIRST_JITTER_SECONDS, LOST_RACE_JITTER_SECONDS

        key = LeaseKey(self.operation, date.fromisoformat(self.game_date))
        try:
            leases = make_leases()
            seen = leases.inspect(key)
            if seen is None or seen.is_expired(leases.times.grace_s):
                return {"free": True}
            jitter_s = LOST_RACE_JITTER_SECONDS if self.races_lost else FIRST_JITTER_SECONDS
            return {"free": leases.wait_until_free(seen, boottime() + self.deadline - time.time(), jitter_s, stopped)}
        except (LeaseStoreUnavailable, StoreUnavailable) as error:
            return {"error": str(error)}
