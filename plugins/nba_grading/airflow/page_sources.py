"""The page's sources in Airflow's API server: BigQuery and the lease store through an Airflow connection, runs from its database."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from cachetools import TTLCache, cached

from nba_grading.airflow.context import make_leases, make_page_warehouse
from nba_grading.airflow.triggers import LEASE_FREE_TRIGGER
from nba_grading.page.sources import Sources

MOST_WAITING = 200
MOST_BACKFILLS = 20
MOST_PREVIEWS = 5
BACKFILL_DAG, PROGRESS_KEY = "backfill_grades", "progress"
PREVIEW_DAG, PREVIEW_TASK = "preview_regrade", "preview"
# Clients are made again after ten minutes, so that a changed connection takes effect.
CLIENT_SECONDS = 600.0


def make_sources() -> Sources:
    """The page's sources; their clients are made when they are first used."""
    warehouse, leases = (cached(TTLCache[Any, Any](1, CLIENT_SECONDS), lock=Lock()) for _ in range(2))
    return Sources(
        warehouse=warehouse(make_page_warehouse),
        leases=leases(make_leases),
        waiting=list_waiting_runs,
        backfills=list_backfills,
        previews=list_previews,
    )


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


def list_backfills() -> list[dict[str, Any]]:
    """The active runs of backfill_grades, from Airflow's database: range, dates planned, and how many have which outcome so far."""
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import and_, or_, select

    active = select(DagRun.run_id, DagRun.conf, DagRun.start_date).where(
        DagRun.dag_id == BACKFILL_DAG, DagRun.state.in_((DagRunState.QUEUED, DagRunState.RUNNING))
    )
    with create_session(scoped=False) as session:
        runs = session.execute(active.order_by(DagRun.id).limit(MOST_BACKFILLS)).all()
        left = select(XComModel.run_id, XComModel.task_id, XComModel.value).where(
            XComModel.dag_id == BACKFILL_DAG,
            XComModel.run_id.in_([run.run_id for run in runs]),
            or_(
                and_(XComModel.task_id == "plan", XComModel.key == "return_value"),
                and_(XComModel.task_id == "grade", XComModel.key == PROGRESS_KEY),
            ),
        )
        found = [(row.run_id, row.task_id, _value(row.value)) for row in session.execute(left)]
    return [_backfill(run, [(task_id, value) for run_id, task_id, value in found if run_id == run.run_id]) for run in runs]


def list_previews() -> list[dict[str, Any]]:
    """The newest results of preview_regrade, from Airflow's database: range, keys by change, and the dates that would be refused."""
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import and_, select

    query = (
        select(DagRun.run_id, DagRun.conf, DagRun.start_date, XComModel.value)
        .join(XComModel, and_(XComModel.dag_id == DagRun.dag_id, XComModel.run_id == DagRun.run_id))
        .where(DagRun.dag_id == PREVIEW_DAG, XComModel.task_id == PREVIEW_TASK, XComModel.key == "return_value")
        .order_by(DagRun.id.desc())
        .limit(MOST_PREVIEWS)
    )
    with create_session(scoped=False) as session:
        found = [(row.run_id, row.conf or {}, row.start_date, _value(row.value)) for row in session.execute(query)]
    return [
        {
            "dag_id": PREVIEW_DAG,
            "run_id": run_id,
            "from_date": conf.get("from_date"),
            "to_date": conf.get("to_date"),
            "since": since,
            "changes": result["changes"],
            "refused": result["refused"],
        }
        for run_id, conf, since, result in found
    ]


def _backfill(run: Any, left: list[tuple[str, Any]]) -> dict[str, Any]:
    planned = [chunk for task_id, chunks in left if task_id == "plan" for chunk in chunks]
    outcomes = Counter(outcome for task_id, progress in left if task_id == "grade" for outcome in progress.values())
    conf = run.conf or {}
    return {
        "dag_id": BACKFILL_DAG,
        "run_id": run.run_id,
        "from_date": conf.get("from_date"),
        "to_date": conf.get("to_date"),
        "since": run.start_date,
        "planned": sum(map(len, planned)),
        "done": sum(outcomes.values()),
        "outcomes": dict(outcomes),
    }


def _value(stored: Any) -> Any:
    return json.loads(stored) if isinstance(stored, str) else stored
