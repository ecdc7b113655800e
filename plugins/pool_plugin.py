"""Creates the pools of include/pools.json when Airflow starts, as a task in a missing pool waits for ever without an error.

An existing pool is not changed, so that settings made in the UI are kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from nba_grading.events import get_logger

log = get_logger(__name__)

POOLS_FILE = Path(__file__).resolve().parents[1] / "include" / "pools.json"


def create_missing_pools() -> None:
    """Insert the pools missing from the metadata database; several components may do so at once."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import IntegrityError

    for name, wanted in json.loads(POOLS_FILE.read_text(encoding="utf-8")).items():
        try:
            with create_session(scoped=False) as session:
                if session.scalar(select(Pool).where(Pool.pool == name)) is None:
                    session.add(
                        Pool(pool=name, slots=wanted["slots"], description=wanted["description"], include_deferred=wanted["include_deferred"])
                    )
                    log.info("pool_created %s slots=%s", name, wanted["slots"])
        except IntegrityError:
            log.debug("pool %s was created by another component", name)


class _Starting:
    @hookimpl
    def on_starting(self, component: Any) -> None:
        from airflow.jobs.job import Job

        if isinstance(component, Job):
            create_missing_pools()


class PoolPlugin(AirflowPlugin):
    """Registers the listener."""

    name = "nba_grading_pools"
    listeners = [_Starting()]
