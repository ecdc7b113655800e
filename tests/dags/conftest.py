"""Airflow for tests: a metadata database of its own, this checkout's dags and plugins. Set before Airflow is first imported."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.stack_config import PROJECT, ROOT, StackConfig, slack_connection
from tests.dags.runs import posted

HOME = Path(tempfile.mkdtemp(prefix="airflow-tests-"))
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps({"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": PROJECT}}),
        "GRADING_RETRIES": "0",
        # A deferred task settles for this and a second more; here no worker sends a heartbeat.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "0",
    }
)
os.environ.pop("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", None)


@pytest.fixture(scope="session")
def metadata_database() -> None:
    """Airflow's tables, once."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def settings_environment(monkeypatch: pytest.MonkeyPatch, emulators: StackConfig) -> Iterator[pytest.MonkeyPatch]:
    """Settings that point at the emulators; change them by ``setenv`` before the code under test reads them."""
    from nba_grading.settings import get_settings

    for name, value in emulators.client_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(slack_connection(emulators.url("slack"))))
    get_settings.cache_clear()
    yield monkeypatch
    get_settings.cache_clear()


@pytest.fixture
def before(emulators: StackConfig) -> int:
    """How many messages Slack's stand-in holds before the test."""
    return len(posted(emulators))
