"""The engine, started once: the first start on a machine compiles it, for ten seconds of a core or more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.googlesql.database import GoogleWarehouse
from tests.googlesql.engine import GoogleSql


@pytest.fixture(scope="session")
def googlesql() -> GoogleSql:
    return GoogleSql()


@pytest.fixture
def google_warehouse(googlesql: GoogleSql) -> Iterator[GoogleWarehouse]:
    """A warehouse on it with empty tables."""
    made = GoogleWarehouse(googlesql)
    yield made
    made.close()
