"""Where the page reads: BigQuery, the lease store, and Airflow's own database, each by a function that may raise.

In the API server Airflow's connections come from the environment, a secrets backend or the metadata database, as for tasks. Clients are
kept for ten minutes, so that a connection that was changed is taken up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from nba_grading.leases.manager import LeaseManager
    from nba_grading.warehouse.client import Warehouse

CLIENT_SECONDS = 600.0

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
    """The page's connections. ``waiting`` lists runs that wait for a lease, ``now`` is the time in UTC."""

    warehouse: Callable[[], Warehouse]
    leases: Callable[[], LeaseManager]
    waiting: Callable[[], list[dict[str, Any]]]
    now: Callable[[], datetime] = lambda: datetime.now(tz=UTC)
