"""Which incident a failed task opens, and which success resolves it: the task's own, for the same date, batch, range or backup."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from nba_grading.airflow import callbacks
from nba_grading.airflow.errors import ParamsRefused
from nba_grading.airflow.params import range_of, run_scope
from nba_grading.alerts.incidents import list_incidents, open_incident
from nba_grading.pipelines import repair
from nba_grading.reviews import systems
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.errors import StatementFailed
from nba_grading.warehouse.tables import PREDICTION_ACCURACY
from tests.alert_examples import all_alerts
from tests.dags.runs import run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

DAY = "2026-01-10"
STAGE = """
CREATE TABLE nba_predictions._staging_batch_{batch}_w1 AS
SELECT 'p' AS prediction_id, 's' AS system_id, 'p' AS player_lookup, 'g' AS game_id, DATE '{day}' AS game_date, NUMERIC '21.5' AS predicted_points,
    NUMERIC '20.5' AS current_points_line, TIMESTAMP '2026-01-10 12:00:00+00' AS created_at{more}
"""


def open_names(warehouse: Warehouse) -> list[str]:
    return [incident.name for incident in list_incidents(warehouse)]


def fail(*_arguments: Any, **_keywords: Any) -> Any:
    raise StatementFailed("BigQuery refused the statement: no such column")


def test_a_batch_that_succeeds_leaves_the_failure_of_another_batch_open(warehouse: Warehouse) -> None:
    def consolidate(batch: str, more: str = "") -> Any:
        warehouse.query(STAGE.format(batch=batch, day=DAY, more=more))
        return run_in_process("consolidate_predictions", batch_id=batch, game_date=DAY)

    failed = f"task-failed/consolidate_predictions/{DAY}/b1/check_inputs"
    assert states(consolidate("b1", ", 'good' AS mood"))["check_inputs"] == "failed"
    assert open_names(warehouse) == [failed]
    assert states(consolidate("b2"))["record_run"] == "success"
    assert open_names(warehouse) == [failed]
    warehouse.query("DROP TABLE nba_predictions._staging_batch_b1_w1")
    assert states(consolidate("b1"))["record_run"] == "success"
    assert open_names(warehouse) == []


def test_a_repair_leaves_the_failure_of_another_range_open(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def remove(first: str, last: str) -> Any:
        return run_in_process("remove_duplicates", from_date=first, to_date=last, dry_run=False, auto_approve=True)

    with monkeypatch.context() as broken:
        broken.setattr(repair, "plan_repair", fail)
        assert states(remove(DAY, "2026-01-12"))["plan"] == "failed"
    failed = f"task-failed/remove_duplicates/prediction_accuracy/{DAY}..2026-01-12/plan"
    assert open_names(warehouse) == [failed]
    assert states(remove(DAY, "2026-01-11"))["plan"] == "success"
    assert open_names(warehouse) == [failed]
    assert states(remove(DAY, "2026-01-12"))["plan"] == "success"
    assert open_names(warehouse) == []


def test_a_range_without_duplicates_resolves_an_earlier_repair_of_it(warehouse: Warehouse) -> None:
    name = f"task-failed/remove_duplicates/prediction_accuracy/{DAY}..{DAY}/repair"
    open_incident(warehouse, replace(all_alerts()[0], kind="task-failed", subject=name.partition("/")[2]))
    assert states(run_in_process("remove_duplicates", from_date=DAY, to_date=DAY))["back_up"] == "skipped"
    assert open_names(warehouse) == []


def test_a_skip_of_the_weekly_review_leaves_a_failed_milestone_open(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def review(systems_due: list[str]) -> dict[str, str]:
        monkeypatch.setattr(systems, "due_milestones", lambda *_: systems_due)
        return states(run_in_process("review_models", day=DAY))

    failed = f"task-failed/review_models/{DAY}/milestones"
    with monkeypatch.context() as broken:
        broken.setattr(systems, "review_milestone", fail)
        broken.setattr(systems, "due_milestones", lambda *_: ["s"])
        assert states(run_in_process("review_models", day=DAY)) == {"milestones": "failed", "weekly_review": "skipped"}
    assert open_names(warehouse) == [failed]
    assert review([]) == {"milestones": "skipped", "weekly_review": "skipped"}
    assert open_names(warehouse) == [failed], "that no milestone is due does not prove that this one was checked"
    assert review(["s"]) == {"milestones": "success", "weekly_review": "skipped"}
    assert open_names(warehouse) == []


@pytest.mark.parametrize(
    ("dag_id", "params"),
    [
        ("grade_predictions", {"game_date": "2999-01-01"}),
        ("backfill_grades", {"from_date": "2026-01-11", "to_date": "2026-01-10"}),
        ("backfill_grades", {"from_date": DAY, "to_date": DAY, "dates": ["10.01.2026"]}),
        ("consolidate_predictions", {"game_date": "2999-01-01", "batch_id": "b1"}),
        ("check_data_quality", {"day": "2999-01-01"}),
        ("review_models", {"day": "2999-01-01"}),
        ("remove_duplicates", {"from_date": "2026-01-11", "to_date": "2026-01-10"}),
        ("restore_from_backup", {"from_date": DAY, "to_date": DAY, "backup": "_backup_prediction_accuracy_20200101000000"}),
    ],
)
def test_a_run_that_is_refused_for_its_parameters_opens_no_incident(dag_id: str, params: dict[str, Any], warehouse: Warehouse) -> None:
    assert "failed" in states(run_in_process(dag_id, **params)).values()
    assert open_names(warehouse) == []


def test_a_refusal_of_parameters_says_why(warehouse: Warehouse) -> None:
    for first, last, reason in (("2026-01-11", "2026-01-10", "range is reversed"), ("2026-01-11", "2999-01-10", "after today")):
        with pytest.raises(ParamsRefused, match=reason):
            range_of({"params": {"from_date": first, "to_date": last}})  # type: ignore[typeddict-item]
    with pytest.raises(repair.NoSuchBackup, match="is no backup of prediction_accuracy"):
        repair.check_backup(warehouse, PREDICTION_ACCURACY, "_backup_prediction_accuracy_20200101000000")


def test_that_all_dates_are_graded_resolves_a_failed_search_for_them(warehouse: Warehouse) -> None:
    open_incident(warehouse, replace(all_alerts()[0], kind="task-failed", subject="heal_grading/find"))
    assert states(run_in_process("heal_grading"))["find"] == "skipped"
    assert open_names(warehouse) == []


@pytest.mark.parametrize(("tries", "resolves"), [(1, False), (2, True)])
def test_a_task_of_a_recorded_run_resolves_its_own_incident_after_a_retry(tries: int, resolves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[str] = []
    monkeypatch.setattr(callbacks, "resolve", lambda _context, names, _resolution: resolved.extend(names))
    ti = SimpleNamespace(dag_id="grade_predictions", task_id="grade", run_id="r", try_number=tries)
    context: Any = {"ti": ti, "params": {"game_date": DAY}, "dag_run": None}
    callbacks.resolve_after_retry(context)
    kinds = ("task-failed", "waited-too-long", "lease-switched-off")
    assert resolved == ([f"{kind}/grade_predictions/{DAY}/grade" for kind in kinds] if resolves else [])


def test_a_scheduled_run_and_one_by_hand_of_the_same_date_have_the_same_scope() -> None:
    by_hand: Any = {"params": {"game_date": DAY}}
    morning, next_morning = (datetime(2026, 1, day, 11, tzinfo=UTC) for day in (10, 11))
    dag_run = SimpleNamespace(run_type="scheduled", logical_date=morning, run_after=next_morning)
    scheduled: Any = {"params": {"game_date": None}, "dag_run": dag_run}
    assert run_scope(scheduled) == run_scope(by_hand) == DAY


def test_every_task_resolves_its_own_incident_unless_its_dag_records_the_run() -> None:
    from airflow.dag_processing.dagbag import BundleDagBag

    from commands.stack_config import ROOT

    bag = BundleDagBag(dag_folder=str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="dags-folder")
    for dag in bag.dags.values():
        resolves_itself = {"record_run", "report", "deliver", "sweep"} & set(dag.task_ids)
        expected = callbacks.resolve_after_retry if resolves_itself else callbacks.resolve_on_success
        for task in dag.tasks:
            callback: Any = task.partial_kwargs["on_success_callback"] if task.is_mapped else task.on_success_callback
            assert list(callback) == [expected] if isinstance(callback, (list, tuple)) else callback is expected, task.task_id
