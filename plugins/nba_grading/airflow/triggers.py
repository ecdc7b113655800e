"""The trigger of a task that waits for a lease. It watches the lease while the worker slot and the pool slot are free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from airflow.configuration import conf
from airflow.triggers.base import BaseTrigger, TriggerEvent

from nba_grading.airflow.context import make_leases
from nba_grading.events import get_logger
from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.times import boottime
from nba_grading.leases.waiting import Waiter

log = get_logger(__name__)

LEASE_FREE_TRIGGER = "nba_grading.airflow.triggers.LeaseFreeTrigger"


def settle_seconds() -> float:
    """Seconds after a deferral before its task may be resumed.

    The worker's supervisor may need min_heartbeat_interval to notice that its process has ended. If the task runs again before that, the
    scheduler attributes the late end to the new process, and fails or retries the task while it runs.
    """
    return conf.getint("workers", "min_heartbeat_interval", fallback=5) + 1.0


class LeaseFreeTrigger(BaseTrigger):
    """Fires when the lease may be free, or at ``deadline`` (seconds since 1970). It changes nothing, so two copies do no harm.

    The resumed task tries to acquire the lease, and defers again with the same deadline when another claim was first. The event carries
    what it needs for that: the game_date, ``waiting_since`` (seconds since 1970), and the dates it has ``written`` already.
    """

    def __init__(self, operation: str, game_date: str, deadline: float, waiting_since: float, written: Sequence[str] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.key = LeaseKey(operation, date.fromisoformat(game_date))
        self.deadline, self.waiting_since, self.written = deadline, waiting_since, list(written)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Path and arguments to build the trigger again."""
        return (LEASE_FREE_TRIGGER, {"operation": self.key.operation, "deadline": self.deadline, **self._facts})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event with game_date, waiting_since and written."""
        started, now, unix_now = time.monotonic(), boottime(), time.time()
        waiter = Waiter(since=now - (unix_now - self.waiting_since), deadline=now + (self.deadline - unix_now))
        # The event loop's own threads are few, and a wait can take minutes.
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"lease-{self.key.operation}-{self.key.game_date}")
        try:
            await asyncio.get_running_loop().run_in_executor(thread, self._wait, waiter)
        finally:
            waiter.stop()
            thread.shutdown(wait=False)
        await asyncio.sleep(max(started + settle_seconds() - time.monotonic(), 0))
        yield TriggerEvent(self._facts)  # type: ignore[no-untyped-call]

    @property
    def _facts(self) -> dict[str, Any]:
        return {"game_date": str(self.key.game_date), "waiting_since": self.waiting_since, "written": self.written}

    def _wait(self, waiter: Waiter) -> None:
        try:
            leases = make_leases()
            seen = leases.inspect(self.key)
            if seen and not seen.is_expired(leases.times.grace_s):
                leases.wait_until_free(seen, waiter)
        except LeaseStoreUnavailable as error:
            # The resumed task finds the store down as well, and decides whether to go on without a lease.
            log.warning("lease_watch_failed", operation=self.key.operation, game_date=self.key.game_date, error=error)
