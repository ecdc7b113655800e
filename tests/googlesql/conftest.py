"""The engine, started once: the first start on a machine compiles it, for ten seconds of a core or more."""

import pytest

from tests.googlesql.engine import GoogleSql


@pytest.fixture(scope="session")
def googlesql() -> GoogleSql:
    return GoogleSql()
