"""The daily snapshots: one a day and table, out of the season none, and a date restored from one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.tasks.backup import back_up
from nba_grading.warehouse.client import Warehouse
from tests.dags.runs import insert_box_scores, insert_predictions, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

DAY = date(2026, 1, 10)


def take(run_type: str, moment: datetime) -> dict[str, int]:
    ti = SimpleNamespace(dag_id="back_up_tables", run_id="scheduled__1", task_id="take_snapshots")
    return back_up({"ti": ti, "dag_run": SimpleNamespace(run_type=run_type, run_after=moment), "params": {}})  # type: ignore[typeddict-item]


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
