"""The maintenance DAGs run whole, in process, on the emulators: what they change, what they refuse, and what they leave in the records."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any
from unittest.mock import Mock

import pytest

from commands.stack_config import StackConfig
from nba_grading.pipelines import repair as repairs
from nba_grading.pipelines.repair import plan_repair
from nba_grading.quality.after_write import record_duplicates
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY
from proofs.publishes import insert_synthetic_date
from tests.dags.runs import hold_lease, posted, release_once_awaited, result, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

DAY, LATER = date(2026, 1, 10), date(2026, 1, 11)
ROWS, SURPLUS = 120, 7
RANGE = {"from_date": str(DAY), "to_date": str(LATER)}
COPY = "INSERT INTO nba_predictions.{table} SELECT * FROM nba_predictions.{table} WHERE game_date = DATE '{day}' LIMIT {count}"


@pytest.fixture
def dirty(warehouse: Warehouse) -> Warehouse:
    """Two graded dates of 120 keys; 7 rows too many on each, and 3 predictions too many on the first."""
    for day in (DAY, LATER):
        insert_synthetic_date(warehouse, day, ROWS)
        run_in_process("grade_predictions", game_date=str(day))
        warehouse.dml(COPY.format(table="prediction_accuracy", day=day, count=SURPLUS))
    warehouse.dml(COPY.format(table="player_prop_predictions", day=DAY, count=3))
    return warehouse


def surplus(warehouse: Warehouse) -> tuple[int, int]:
    tables = (PREDICTION_ACCURACY, PLAYER_PROP_PREDICTIONS)
    grades, predictions = (sum(each.surplus_rows for each in plan_repair(warehouse, table, DAY, LATER)) for table in tables)
    return grades, predictions


def recorded(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query("SELECT * FROM nba_predictions.grading_runs WHERE operation = 'maintenance' ORDER BY game_date")


def test_a_dry_run_counts_by_date_and_changes_nothing(dirty: Warehouse) -> None:
    run = run_in_process("remove_duplicates", **RANGE)
    assert states(run) == {"plan": "success", "approve": "skipped", "back_up": "skipped", "repair": "skipped"}
    assert result(run, "plan")["dates"] == [
        {"game_date": str(day), "rows": ROWS + SURPLUS, "keys": ROWS, "duplicates": SURPLUS} for day in (DAY, LATER)
    ]
    assert surplus(dirty) == (2 * SURPLUS, 3)


def test_an_approved_run_backs_up_repairs_records_and_alerts_and_a_restore_takes_it_back(
    dirty: Warehouse, emulators: StackConfig, before: int
) -> None:
    run = run_in_process("remove_duplicates", **RANGE, dry_run=False, auto_approve=True)
    assert set(states(run).values()) == {"success"}
    repaired = result(run, "repair")
    assert (repaired["changed"], repaired["removed"], repaired["rows"]) == ([str(DAY), str(LATER)], 2 * SURPLUS, 2 * (ROWS + SURPLUS))
    assert surplus(dirty) == (0, 3)
    rows = recorded(dirty)
    assert [(row["game_date"], row["outcome"], row["written"], row["replaced"], row["leased"]) for row in rows] == [
        (day, "repaired", ROWS, ROWS + SURPLUS, True) for day in (DAY, LATER)
    ]
    [message] = posted(emulators, before)
    assert "14 duplicate rows of prediction_accuracy were removed on 2 date(s)" in message
    assert repaired["backup"] in message

    dry = run_in_process("restore_from_backup", **RANGE, backup=repaired["backup"])
    assert states(dry) == {"restore": "skipped"}
    assert surplus(dirty) == (0, 3)
    back = run_in_process("restore_from_backup", from_date=str(DAY), to_date=str(DAY), backup=repaired["backup"], dry_run=False)
    assert states(back) == {"restore": "success"}
    assert surplus(dirty) == (SURPLUS, 3)


def test_the_backup_is_taken_after_the_approval_so_a_restore_keeps_a_write_that_came_before_it(
    dirty: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nba_grading.airflow.tasks.repair import ApproveRepairOperator

    def write_then_approve(_self: Any, context: Any) -> None:
        dirty.dml(f"UPDATE nba_predictions.prediction_accuracy SET model_version = 'regraded' WHERE game_date = DATE '{DAY}'")

    monkeypatch.setattr(ApproveRepairOperator, "execute", write_then_approve)
    backup = result(run_in_process("remove_duplicates", **RANGE, dry_run=False), "repair")["backup"]
    rows = dirty.query(f"SELECT DISTINCT model_version FROM nba_predictions.{backup} WHERE game_date = DATE '{DAY}'")
    assert [row["model_version"] for row in rows] == ["regraded"]


def test_a_rejected_repair_leaves_no_backup(dirty: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from nba_grading.airflow.tasks.repair import ApproveRepairOperator

    def reject(_self: Any, context: Any) -> None:
        raise AirflowSkipException("rejected")

    monkeypatch.setattr(ApproveRepairOperator, "execute", reject)
    assert states(run_in_process("remove_duplicates", **RANGE, dry_run=False))["back_up"] == "skipped"
    assert not [table for table in dirty.client.list_tables("nba_predictions") if table.table_id.startswith("_backup")]


def test_a_restore_that_waits_for_a_date_is_deferred_and_writes_each_date_once(dirty: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = result(run_in_process("remove_duplicates", **RANGE, dry_run=False, auto_approve=True), "repair")["backup"]
    before = len(recorded(dirty))
    release_once_awaited(monkeypatch, hold_lease("grading", LATER))
    run = run_in_process("restore_from_backup", **RANGE, backup=backup, dry_run=False)
    assert states(run) == {"restore": "success"}
    assert surplus(dirty) == (2 * SURPLUS, 3)
    restored = recorded(dirty)
    assert len(restored) == before + 2
    waits = {row["game_date"]: row["lease_wait_ms"] for row in restored if row["written"] == ROWS + SURPLUS}
    assert waits[DAY] == 0 < waits[LATER]


def findings(warehouse: Warehouse) -> list[tuple[date, bool]]:
    rows = warehouse.query("SELECT DISTINCT game_date, resolved_at IS NOT NULL AS is_resolved FROM nba_predictions.grading_duplicate_audit")
    return sorted((row["game_date"], row["is_resolved"]) for row in rows)


@pytest.fixture
def killed_repair(dirty: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The run of a repair that ended once its dates were published, before that was noted in what was found."""
    for day in (DAY, LATER):
        record_duplicates(dirty, PREDICTION_ACCURACY, day, "grading", None)
    with monkeypatch.context() as patched:
        patched.setattr(repairs, "load_sql", lambda name: 1 / 0)
        run = run_in_process("remove_duplicates", **RANGE, dry_run=False, auto_approve=True)
    assert (states(run)["back_up"], states(run)["repair"]) == ("success", "failed")
    assert (surplus(dirty), findings(dirty)) == ((0, 3), [(DAY, False), (LATER, False)])
    return run


def test_a_killed_repair_is_finished_by_its_task_again_from_what_the_tasks_before_it_left(dirty: Warehouse, killed_repair: Any) -> None:
    from nba_grading.airflow.operators.repair import RemoveDuplicatesOperator

    [task] = [each for each in killed_repair.get_task_instances() if each.task_id == "repair"]
    events: defaultdict[Any, Mock] = defaultdict(Mock)
    params = {"table": "prediction_accuracy", **RANGE, "dry_run": False, "auto_approve": True}
    context: Any = {"params": params, "ti": task, "dag_run": killed_repair, "outlet_events": events}
    reported = RemoveDuplicatesOperator(task_id="repair").execute(context)
    assert (reported["removed"], reported["backup"]) == (2 * SURPLUS, result(killed_repair, "back_up")["backup"])
    [event] = events.values()
    assert event.extra == {"game_dates": [str(DAY), str(LATER)]}
    assert (surplus(dirty), findings(dirty)) == ((0, 3), [(DAY, True), (LATER, True)])


def test_a_killed_repair_is_finished_by_another_run_as_well(dirty: Warehouse, killed_repair: Any) -> None:
    first = run_in_process("remove_duplicates", from_date=str(DAY), to_date=str(DAY), dry_run=False, auto_approve=True)
    assert states(first)["repair"] == "skipped"
    assert findings(dirty) == [(DAY, True), (LATER, False)]
    run_in_process("remove_duplicates", **RANGE, dry_run=False, auto_approve=True)
    assert (surplus(dirty), findings(dirty)) == ((0, 3), [(DAY, True), (LATER, True)])


def test_predictions_are_repaired_under_the_lease_of_their_own_operation(dirty: Warehouse) -> None:
    run = run_in_process("remove_duplicates", table="player_prop_predictions", **RANGE, dry_run=False, auto_approve=True)
    assert result(run, "repair")["changed"] == [str(DAY)]
    assert surplus(dirty) == (2 * SURPLUS, 0)


def test_a_range_that_is_right_is_a_skip(dirty: Warehouse) -> None:
    run = run_in_process("remove_duplicates", from_date="2026-01-01", to_date="2026-01-02", dry_run=False, auto_approve=True)
    assert states(run)["back_up"] == "skipped"
    assert surplus(dirty) == (2 * SURPLUS, 3)


def test_an_unknown_table_is_refused_before_anything_runs() -> None:
    with pytest.raises(Exception, match="is not one of"):
        run_in_process("remove_duplicates", **RANGE, table="write_fences_prediction_accuracy")


def test_an_unknown_backup_is_refused_with_a_sentence_and_opens_no_incident(warehouse: Warehouse, emulators: StackConfig, before: int) -> None:
    run = run_in_process("restore_from_backup", **RANGE, backup="_backup_prediction_accuracy_20200101000000", dry_run=False)
    assert states(run)["restore"] == "failed"
    assert posted(emulators, before) == []


def test_the_staging_cleanup_drops_nothing_on_a_dry_run(dirty: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from nba_grading.pipelines import staging_cleanup

    judge = staging_cleanup.judge_staging_tables
    dirty.query("CREATE TABLE nba_predictions._staging_batch_a_w1 AS SELECT * FROM nba_predictions.player_prop_predictions")
    run = run_in_process("clean_staging_tables", dry_run=False, older_than_days=1)
    assert result(run, "clean")["kept"] == {"younger than 1 days": 1}
    # The emulator cannot make a table older, so the limit is a day lower than the parameter.
    monkeypatch.setattr(staging_cleanup, "judge_staging_tables", lambda warehouse, days: judge(warehouse, days - 1))
    for dry_run, dropped in ((True, 0), (False, 1)):
        run = run_in_process("clean_staging_tables", dry_run=dry_run, older_than_days=1)
        counts = result(run, "clean")
        assert (counts["tables"], counts["proven"], counts["dropped"]) == (1, 1, dropped)
    assert not [table for table in dirty.client.list_tables("nba_predictions") if table.table_id.startswith("_staging")]


def test_the_staging_cleanup_refuses_to_examine_tables_of_the_last_day() -> None:
    with pytest.raises(Exception, match="0 is less than the minimum of 1"):
        run_in_process("clean_staging_tables", older_than_days=0)


def test_dates_that_fail_each_time_do_not_keep_healing_from_the_others(dirty: Warehouse, settings_environment: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime

    from nba_grading.airflow.tasks.regrade import find_dates_to_heal
    from nba_grading.runs.record import record_runs
    from nba_grading.settings import get_settings

    settings_environment.setenv("GRADING_HEAL_DAYS", "100000")
    settings_environment.setenv("GRADING_HEAL_DATES", "1")
    get_settings.cache_clear()
    refused, other = date(2026, 1, 12), date(2026, 1, 13)
    for day in (refused, other):
        insert_synthetic_date(dirty, day, ROWS)
    row = {"grading_run_id": "x", "operation": "grading", "game_date": refused, "started_at": datetime.now(tz=UTC), "outcome": "refused"}
    record_runs(dirty, [row])

    class Run:
        run_after = None
        run_type = "manual"

    class Task:
        dag_id, run_id, task_id = "heal_grading", "manual__1", "find"

    found = find_dates_to_heal({"dag_run": Run(), "ti": Task()})  # type: ignore[typeddict-item]
    assert found == [{"from_date": str(other), "to_date": str(other), "dates": [str(other)], "regrade": True}]


def test_healing_finds_ungraded_and_outdated_dates_and_lists_them_once_a_run(
    dirty: Warehouse, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.settings import get_settings

    settings_environment.setenv("GRADING_HEAL_DAYS", "100000")
    settings_environment.setenv("GRADING_HEAL_DATES", "1")
    get_settings.cache_clear()
    insert_synthetic_date(dirty, date(2026, 1, 12), ROWS)
    dirty.dml(f"UPDATE nba_box_scores.player_game_summary SET updated_at = TIMESTAMP '2999-01-01 00:00:00' WHERE game_date = DATE '{DAY}'")
    from nba_grading.airflow.tasks.regrade import find_dates_to_heal

    class Run:
        run_after = None
        run_type = "manual"

    class Task:
        dag_id, run_id, task_id = "heal_grading", "manual__1", "find"

    found = find_dates_to_heal({"dag_run": Run(), "ti": Task()})  # type: ignore[typeddict-item]
    assert found == [{"from_date": str(DAY), "to_date": str(DAY), "dates": [str(DAY)], "regrade": True}]
    [message] = posted(emulators, before)
    assert "2 date(s)" in message
    assert f"2026-01-12: {ROWS} ungraded, 0 outdated; not in this run" in message
