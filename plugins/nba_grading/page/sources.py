"""Where the page reads: BigQuery, the lease store, and Airflow's own database, each by a function that may raise.

In the API server Airflow's connections come from the environment, a secrets backend or the metadata database, as for tasks. Clients are
kept for ten minutes, so that a connection that was changed is taken up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nba_grading.airflow.context import make_leases, make_page_warehouse

if TYPE_CHECKING:
    from nba_grading.leases.manager import Leases
    from nba_grading.warehouse.client import Warehouse

CLIENT_SECONDS = 600.0
MOST_WAITING = 200
LEASE_FREE_TRIGGER = "nba_grading.airflow.triggers.LeaseFreeTrigger"

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """Something that is made when it is asked for and kept for a while; what raises is made again next time."""

    def __init__(self, make: Callable[[], Made], seconds: float = CLIENT_SECONDS) -> None:
        self._make, self._seconds = make, seconds
        self._lock = threading.Lock()
        self._made: tuple[Made, float] | None = None

    def __call__(self) -> Made:
        """What was made, or a new one once it is too old."""
        with self._lock:
            if self._made is None or time.monotonic() - self._made[1] > self._seconds:
                self._made = (self._make(), time.monotonic())
            return self._made[0]


@dataclass(frozen=True)
class Sources:
    """The page's connections; a test puts its own in. ``waiting`` lists runs that wait for a lease, ``now`` is the time in UTC."""

    warehouse: Callable[[], Warehouse] = field(default_factory=lambda: Kept(make_page_warehouse))
    leases: Callable[[], Leases] = field(default_factory=lambda: Kept(make_leases))
    waiting: Callable[[], list[dict[str, Any]]] = field(default_factory=lambda: list_waiting_runs)
    now: Callable[[], datetime] = lambda: datetime.now(tz=UTC)


def list_waiting_runs() -> list[dict[str, Any]]:
    """Tasks that are deferred until a lease is free, who waits longest first, from Airflow's database.

    The trigger's own arguments say what a task waits for and since when: nothing else knows all waiters, as they leave no trace in the
    lease store. Aggregates of periods wait in place, inside a running task, and are not among them.
    """
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import select

    query = (
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, Trigger.encrypted_kwargs)
        .join(Trigger, TaskInstance.trigger_id == Trigger.id)
        .where(TaskInstance.state == TaskInstanceState.DEFERRED, Trigger.classpath == LEASE_FREE_TRIGGER)
        .limit(MOST_WAITING)
    )
    with create_session(scoped=False) as session:
        found = [(row.dag_id, row.run_id, row.task_id, Trigger._decrypt_kwargs(row.encrypted_kwargs)) for row in session.execute(query)]
    waiting = [
        {
            "dag_id": dag_id,
            "run_id": run_id,
            "task_id": task_id,
            "lease": f"{kwargs['operation']}_{kwargs['game_date']}",
            "since": datetime.fromtimestamp(kwargs["waiting_since"], tz=UTC),
            "until": datetime.fromtimestamp(kwargs["deadline"], tz=UTC),
        }
        for dag_id, run_id, task_id, kwargs in found
    ]
    return sorted(waiting, key=lambda each: each["since"])
