"""Airflow's local settings hook, for processes that fork tasks and for SQLite.

The scheduler forks a process per task. Importing Google's libraries once before the fork, without making a client, saves each
task the seconds that import takes.

On SQLite a savepoint opens a read transaction whose upgrade to a write fails with "database is locked" while others write, and
no timeout helps (https://github.com/apache/airflow/issues/66726). Beginning as a writer makes it wait its turn instead.
"""

import sys

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

if "scheduler" in sys.argv or "celery" in sys.argv:
    import google.cloud.bigquery
    import google.cloud.firestore  # noqa: F401


@event.listens_for(Engine, "savepoint")
def _begin_as_writer(connection: Connection, _name: str) -> None:
    if connection.dialect.name == "sqlite":
        raw = connection.connection.driver_connection
        if raw is not None and not getattr(raw, "in_transaction", True):
            raw.execute("BEGIN IMMEDIATE")
