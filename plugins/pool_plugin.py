"""Creates the pools of include/pools.json when a component of Airflow starts: a task in a missing pool waits forever, without an error.

An existing pool is left alone, with whatever an operator has set in the UI.
"""

from __future__ import annotations

import json
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from nba_grading.events import get_logger
from nba_grading.warehouse.sql import INCLUDE_DIR

log = get_logger(__name__)

POOLS_FILE = INCLUDE_DIR / "pools.json"


def create_missing_pools() -> None:
    """Insert the pools that the metadata database lacks; several components may do so at the same time."""
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
                    log.info("pool_created", pool=name, slots=wanted["slots"])
        except IntegrityError:
            log.debug("pool_created_by_another_component", pool=name)


class _Starting:
    @hookimpl
    def on_starting(self, component: Any) -> None:
        from airflow.jobs.job import Job

        if isinstance(component, Job):
            create_missing_pools()


class PoolPlugin(AirflowPlugin):
    """Registers the listener with Airflow."""

    name = "nba_grading_pools"
    listeners = [_Starting()]
