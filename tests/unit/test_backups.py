"""Which backup may be restored, by what BigQuery lists. The emulator forgets when a snapshot expires, so the list is made by hand here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from google.cloud.bigquery.table import TableListItem

from nba_grading.pipelines.repair import NoSuchBackup, check_backup
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import PREDICTION_ACCURACY

EXPIRED, DAILY, KEPT, TABLE = (f"_backup_prediction_accuracy_2026011{day}000000" for day in range(4))
OTHERS = "_backup_player_prop_predictions_20260112000000"
NOW = datetime.now(tz=UTC)


def listed(name: str, kind: str = "SNAPSHOT", expires: datetime | None = None) -> TableListItem:
    """A table as tables.list answers."""
    found = {"tableReference": {"projectId": "p", "datasetId": "nba_predictions", "tableId": name}, "type": kind}
    return TableListItem(found | ({"expirationTime": str(int(expires.timestamp() * 1000))} if expires else {}))


@pytest.fixture
def warehouse() -> Warehouse:
    tables = [
        listed(EXPIRED, expires=NOW - timedelta(minutes=1)),
        listed(DAILY, expires=NOW + timedelta(days=1)),
        listed(KEPT),
        listed(TABLE, kind="TABLE"),
        listed(OTHERS, expires=NOW + timedelta(days=1)),
    ]
    return cast("Warehouse", SimpleNamespace(client=SimpleNamespace(list_tables=lambda _dataset: tables)))


@pytest.mark.parametrize("name", [DAILY, KEPT])
def test_a_backup_that_is_there_may_be_restored_whether_it_expires_or_not(warehouse: Warehouse, name: str) -> None:
    check_backup(warehouse, PREDICTION_ACCURACY, name)


def test_an_expired_backup_is_refused_with_its_time_and_the_names_of_those_there_are(warehouse: Warehouse) -> None:
    with pytest.raises(NoSuchBackup) as refused:
        check_backup(warehouse, PREDICTION_ACCURACY, EXPIRED)
    at = f"{NOW - timedelta(minutes=1):%Y-%m-%d %H:%M} UTC"
    assert str(refused.value) == f"{EXPIRED!r} expired at {at}. Backups of prediction_accuracy, newest first: {KEPT}, {DAILY}"


@pytest.mark.parametrize("name", [TABLE, OTHERS, "_backup_prediction_accuracy_20200101000000"])
def test_a_table_a_backup_of_another_table_and_an_unknown_name_are_refused(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(NoSuchBackup, match="is no backup of prediction_accuracy"):
        check_backup(warehouse, PREDICTION_ACCURACY, name)
