"""The page's sources in Airflow's API server: BigQuery and the lease store through an Airflow connection, waiting runs from its database."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock
from typing import Any

from cachetools import TTLCache, cached

from nba_grading.airflow.context import make_leases, make_page_warehouse
from nba_grading.airflow.triggers import LEASE_FREE_TRIGGER
from nba_grading.page.sources import Sources

MOST_WAITING = 200
# Clients are made again after ten minutes, so that a changed connection takes effect.
CLIENT_SECONDS = 600.0


def make_sources() -> Sources:
    """The page's sources; their clients are made when they are first used."""
    warehouse, leases = (cached(TTLCache[Any, Any](1, CLIENT_SECONDS), lock=Lock()) for _ in range(2))
    return Sources(warehouse=warehouse(make_page_warehouse), leases=leases(make_leases), waiting=list_waiting_runs)


def list_waiting_runs() -> list[dict[str, Any]]:
    """Tasks that are deferred until a lease is free, from Airflow's database, the longest wait first.

    The trigger's arguments say which lease a task waits for, and since when. The lease store does not know its waiters.
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
