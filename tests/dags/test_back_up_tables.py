"""The daily snapshots: one a day and table, out of the season none, and a date restored from one."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.tasks.backup import back_up
from nba_grading.page.orphans import group
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import load_sql
from tests.dags.runs import insert_box_scores, insert_predictions, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

DAY = date(2026, 1, 10)


def take(run_type: str, moment: datetime) -> dict[str, int]:
    """What a run of this type does at this moment, whenever it was due."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return moment.astimezone(tz)

    ti = SimpleNamespace(dag_id="back_up_tables", run_id="scheduled__1", task_id="take_snapshots")
    dag_run = SimpleNamespace(run_type=run_type, run_after=datetime(2026, 1, 12, 19, tzinfo=UTC))
    with patch("nba_grading.airflow.tasks.backup.datetime", Clock):
        return back_up({"ti": ti, "dag_run": dag_run, "params": {}})  # type: ignore[typeddict-item]


def snapshots(warehouse: Warehouse) -> set[str]:
    return {table.table_id for table in warehouse.client.list_tables("nba_predictions") if table.table_type == "SNAPSHOT"}


def test_a_date_is_restored_from_the_snapshot_of_the_day_and_a_second_run_of_the_day_takes_none(warehouse: Warehouse) -> None:
    insert_predictions(warehouse, [DAY])
    insert_box_scores(warehouse, [DAY])
    run_in_process("grade_predictions", game_date=str(DAY))
    graded = warehouse.query("SELECT * EXCEPT (fencing_token) FROM nba_predictions.prediction_accuracy ORDER BY player_lookup")
    # 20:00 UTC is 15:00 in New York, 03:00 UTC still the evening before there.
    first = take("scheduled", datetime(2026, 1, 12, 20, tzinfo=UTC))
    assert first == {"_backup_prediction_accuracy_20260112000000": 4, "_backup_player_prop_predictions_20260112000000": 4}
    warehouse.dml(f"DELETE FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{DAY}'")
    assert take("manual", datetime(2026, 1, 13, 3, tzinfo=UTC)) == first, "the snapshot of the day is left as it is"
    assert snapshots(warehouse) == set(first)

    span = {"from_date": str(DAY), "to_date": str(DAY), "dry_run": False}
    run = run_in_process("restore_from_backup", table="prediction_accuracy", backup="_backup_prediction_accuracy_20260112000000", **span)
    assert states(run) == {"restore": "success"}
    assert warehouse.query("SELECT * EXCEPT (fencing_token) FROM nba_predictions.prediction_accuracy ORDER BY player_lookup") == graded


def test_a_run_that_is_cleared_days_later_does_not_give_its_own_days_name_to_todays_rows(warehouse: Warehouse) -> None:
    taken = take("scheduled", datetime(2026, 1, 15, 20, tzinfo=UTC))
    assert set(taken) == snapshots(warehouse)
    assert set(taken) == {"_backup_prediction_accuracy_20260115000000", "_backup_player_prop_predictions_20260115000000"}


def test_the_page_lists_the_snapshots(warehouse: Warehouse) -> None:
    """The emulator forgets their expiry, so it is that of a backup that is kept for ever."""
    taken = take("scheduled", datetime(2026, 1, 12, 20, tzinfo=UTC))
    shown = group(warehouse.query_file("page/list_orphans"), datetime.now(tz=UTC))["backups"]
    assert {each["name"]: each["expires_at"] for each in shown} == dict.fromkeys(taken)
    assert {each["table"] for each in shown} == {"prediction_accuracy", "player_prop_predictions"}


def test_the_page_shows_the_expiry_that_bigquery_gives_as_text(warehouse: Warehouse) -> None:
    [name, other] = take("scheduled", datetime(2026, 1, 12, 20, tzinfo=UTC))
    # As BigQuery's catalog has it; the emulator's never does.
    options = f"""(SELECT '{name}' AS table_name, 'expiration_timestamp' AS option_name, 'TIMESTAMP "2026-02-11T20:00:00.000Z"' AS option_value)"""
    text = load_sql("page/list_orphans").replace("nba_predictions.INFORMATION_SCHEMA.TABLE_OPTIONS", options)
    assert {row["table_name"]: row["expires_at"] for row in warehouse.query(text)} == {name: datetime(2026, 2, 11, 20, tzinfo=UTC), other: None}


def test_a_snapshot_expires_by_the_setting(warehouse: Warehouse, settings_environment: pytest.MonkeyPatch) -> None:
    from nba_grading.settings import get_settings

    settings_environment.setenv("GRADING_BACKUP_DAYS", "7")
    get_settings.cache_clear()
    kept: list[int] = []
    # The emulator forgets when a snapshot expires, so what it is told is looked at.
    settings_environment.setattr("nba_grading.pipelines.repair._expire", lambda _warehouse, _backup, keep_days: kept.append(keep_days))
    assert len(take("manual", datetime(2026, 1, 12, 20, tzinfo=UTC))) == 2
    assert kept == [7, 7]
    assert len(snapshots(warehouse)) == 2


def test_a_scheduled_run_out_of_the_season_is_skipped_and_a_manual_one_is_not(warehouse: Warehouse) -> None:
    with pytest.raises(AirflowSkipException, match="2026-08-01 is out of the season"):
        take("scheduled", datetime(2026, 8, 1, 18, tzinfo=UTC))
    assert snapshots(warehouse) == set()
    assert len(take("manual", datetime(2026, 8, 1, 18, tzinfo=UTC))) == 2
