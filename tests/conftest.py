"""What tests share: the real emulators on free ports, one session long, and BigQuery tables emptied before each test.

Unit tests use none of it. In CI a missing emulator fails; on a laptop without gcloud or Java, Firestore's tests are skipped aloud.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, firestore

from commands.schema import create_schema
from commands.stack import Stack
from commands.stack_config import PROJECT, ROOT, StackConfig, free_port_base
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import DATASETS
from tests.sizes import LONGEST_FILES

BYTES = 20_000_000_000
# The programs that tests start find the packages as the tests do.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that no worker is left alone with one of them in the end."""
    rank = {name: number for number, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: rank.get(f"{item.path.parent.name}/{item.path.stem}", len(rank)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """The marker no_cover of pytest-cov holds for the setup of a test as well as for the test."""
    plugin = item.config.pluginmanager.get_plugin("_cov")
    controller = plugin.cov_controller if plugin and item.get_closest_marker("no_cover") else None
    if controller is None:
        return (yield)
    controller.pause()
    try:
        return (yield)
    finally:
        controller.resume()


@pytest.fixture(autouse=True)
def heard_logs() -> Iterator[None]:
    """The proofs hide this project's warnings in their process; no test after them goes deaf."""
    yield
    logging.getLogger("nba_grading").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackConfig]:
    """The BigQuery emulator (in memory), Slack's stand-in, and Firestore's emulator where it can run; the schema is there."""
    config = StackConfig(state=tmp_path_factory.mktemp("stack"), base=free_port_base(), persistent=False)
    stack = Stack(config)
    stack.up(airflow=False)
    os.environ.update(config.client_environment())
    try:
        create_schema(bigquery_client_of(config))
        yield config
    finally:
        stack.down()


def bigquery_client_of(config: StackConfig) -> bigquery.Client:
    """A client of a stack's BigQuery."""
    options = {"api_endpoint": config.url("bigquery")}
    return bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(), location="US", client_options=options)


@cache
def plain_http() -> httpx.Client:
    """One for all requests of the tests' own: each client would read the certificates anew, though the emulators speak plain HTTP."""
    return httpx.Client(verify=False)


@pytest.fixture
def bigquery_client(emulators: StackConfig) -> bigquery.Client:
    """A client of BigQuery with every table empty and no staging table left."""
    client = bigquery_client_of(emulators)
    empty_tables(client, emulators.url("bigquery"))
    return client


def empty_tables(client: bigquery.Client, url: str) -> None:
    """Empty every table and drop staging tables and backups.

    Most tables are empty, and a DELETE costs three times what asking for a row does. Without the client library, which asks for the
    schema first; ``num_rows`` of a table does not follow DML on the emulator.
    """
    for dataset in DATASETS:
        rows = f"{url}/bigquery/v2/projects/{PROJECT}/datasets/{dataset}/tables/{{}}/data?maxResults=1"
        for table in client.list_tables(dataset):
            if table.table_type == "VIEW":
                continue
            if table.table_id.startswith("_"):
                client.delete_table(table.reference, not_found_ok=True)
            elif plain_http().get(rows.format(table.table_id)).raise_for_status().json()["totalRows"] != "0":
                client.query(f"DELETE FROM {dataset}.{table.table_id} WHERE TRUE").result(timeout=60)


@pytest.fixture
def warehouse(bigquery_client: bigquery.Client) -> Warehouse:
    """A warehouse on the emulator, tables empty."""
    return Warehouse(bigquery_client, maximum_bytes_billed=BYTES, retry_seconds=30)


@pytest.fixture(scope="session")
def firestore_client(emulators: StackConfig) -> firestore.Client:
    """A client of Firestore's emulator."""
    if not emulators.has_firestore:
        reason = "gcloud and Java are needed for the Firestore emulator"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    os.environ["FIRESTORE_EMULATOR_HOST"] = f"127.0.0.1:{emulators.port('firestore')}"
    return firestore.Client(project=PROJECT)


@pytest.fixture
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parents[1]
