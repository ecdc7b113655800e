"""The trigger of a task that waits for a lease: it watches, the worker slot and the pool slot are free meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.triggers.base import BaseTrigger, TriggerEvent

from nba_grading.airflow.context import make_leases

if TYPE_CHECKING:
    from nba_grading.leases.waiting import Waiter


LEASE_FREE_TRIGGER = "nba_grading.airflow.triggers.LeaseFreeTrigger"


def settle_seconds() -> float:
    """How long after a deferral its task may be resumed, in seconds.

    The worker's supervisor may see its process gone only after min_heartbeat_interval. If the task runs again by then, the scheduler
    takes that late end for the new process's, and the task that runs is failed or retried beside itself.
    """
    return conf.getint("workers", "min_heartbeat_interval", fallback=5) + 1.0


class LeaseFreeTrigger(BaseTrigger):
    """Fires when the lease may be free, or at ``deadline`` (seconds since 1970). It only looks, so running twice is harmless.

    A lost race is the task's affair: it tries to acquire, and defers again with the same deadline. ``waiting_since`` comes back in
    the event for that, and says whose turn it is among those that wait. So do the date, and the dates that the task has ``written``.
    """

    def __init__(self, operation: str, game_date: str, deadline: float, waiting_since: float, written: Sequence[str] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operation, self.game_date, self.deadline, self.waiting_since = operation, game_date, deadline, waiting_since
        self.written = list(written)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Path and arguments to build the trigger again."""
        return (
            LEASE_FREE_TRIGGER,
            {
                "operation": self.operation,
                "game_date": self.game_date,
                "deadline": self.deadline,
                "waiting_since": self.waiting_since,
                "written": self.written,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: ``free`` or ``error``, with game_date, waiting_since and written."""
        from nba_grading.leases.times import boottime
        from nba_grading.leases.waiting import Waiter

        started, now, now_in_the_world = time.monotonic(), boottime(), time.time()
        waiter = Waiter(since=now - (now_in_the_world - self.waiting_since), deadline=now + (self.deadline - now_in_the_world))
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"lease-{self.operation}-{self.game_date}")
        try:
            # A thread of its own: the loop's shared ones are few, and a wait can take minutes.
            event = await asyncio.get_running_loop().run_in_executor(thread, self._wait, waiter)
        finally:
            waiter.stop()
            thread.shutdown(wait=False)
        await asyncio.sleep(max(started + settle_seconds() - time.monotonic(), 0))
        told = {"game_date": self.game_date, "waiting_since": self.waiting_since, "written": self.written}
        yield TriggerEvent({**event, **told})  # type: ignore[no-untyped-call]

    def _wait(self, waiter: Waiter) -> dict[str, Any]:
        from nba_grading.leases.errors import LeaseStoreUnavailable
        from nba_grading.leases.store import LeaseKey, StoreUnavailable

        key = LeaseKey(self.operation, date.fromisoformat(self.game_date))
        try:
            leases = make_leases()
            seen = leases.inspect(key)
            if seen is None or seen.is_expired(leases.times.grace_s):
                return {"free": True}
            return {"free": leases.wait_until_free(seen, waiter)}
        except (LeaseStoreUnavailable, StoreUnavailable) as error:
            return {"error": str(error)}
