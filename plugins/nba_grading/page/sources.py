"""The page's sources: BigQuery, the lease store, and Airflow's database, each behind a function that may raise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nba_grading.leases.manager import LeaseManager
    from nba_grading.warehouse.client import Warehouse


@dataclass(frozen=True)
class Sources:
    """The page's connections. ``waiting`` lists the runs that wait for a lease, ``backfills`` those that grade a range,
    ``previews`` the newest results of preview_regrade; ``now`` is in UTC."""

    warehouse: Callable[[], Warehouse]
    leases: Callable[[], LeaseManager]
    waiting: Callable[[], list[dict[str, Any]]]
    backfills: Callable[[], list[dict[str, Any]]]
    previews: Callable[[], list[dict[str, Any]]]
    now: Callable[[], datetime] = lambda: datetime.now(tz=UTC)
