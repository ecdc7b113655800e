"""backfill_grades: through its DAG whole, and its operator with a context of its own, on the emulators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred

from commands.stack_config import StackConfig
from nba_grading.airflow.triggers import LeaseFreeTrigger
from nba_grading.alerts import messages as alerts
from nba_grading.alerts.incidents import list_incidents, open_incident
from nba_grading.runs import backfill
from nba_grading.runs.record import record_runs
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.errors import StatementFailed
from tests.alert_examples import RUN, all_alerts
from tests.dags.runs import hold_lease, insert_box_scores, insert_predictions, posted, result, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

GRADED, READY, NO_PREDICTIONS, NO_BOX_SCORES, DOUBLED, LATER = DAYS = [date(2026, 1, 10) + timedelta(days=number) for number in range(6)]
RANGE = {"from_date": str(DAYS[0]), "to_date": str(DAYS[-1])}
DOUBLE = "INSERT INTO nba_box_scores.player_game_summary SELECT * FROM nba_box_scores.player_game_summary WHERE game_date = @day LIMIT 1"


def record_graded(warehouse: Warehouse, day: date, run_id: str = "earlier", **row: Any) -> None:
    now = datetime.now(tz=UTC)
    facts = {"grading_run_id": run_id, "dag_id": "backfill_grades", "run_id": run_id, "operation": "grading", "outcome": "graded", "graded": 3}
    record_runs(warehouse, [{**facts, "game_date": day, "started_at": now, **row}])


def recorded(warehouse: Warehouse, run_id: str) -> dict[date, dict[str, Any]]:
    """The row of each date; a date with two fails the test."""
    rows = warehouse.query("SELECT * FROM nba_predictions.grading_runs WHERE run_id = @run_id ORDER BY game_date", {"run_id": run_id})
    assert len({row["game_date"] for row in rows}) == len(rows), "one row per date and run"
    return {row["game_date"]: row for row in rows}


def outcomes(warehouse: Warehouse, run_id: str) -> dict[date, str]:
    return {day: row["outcome"] for day, row in recorded(warehouse, run_id).items()}


def stored_dates(warehouse: Warehouse) -> list[date]:
    return [row["game_date"] for row in warehouse.query("SELECT DISTINCT game_date FROM nba_predictions.prediction_accuracy ORDER BY game_date")]


def open_names(warehouse: Warehouse) -> list[str]:
    return sorted(incident.name for incident in list_incidents(warehouse))


def break_grading(environment: pytest.MonkeyPatch, **settings: str) -> None:
    """Make every write fail as BigQuery would refuse it."""
    from nba_grading.pipelines import grade as grading

    def fail(*_arguments: Any, **_keywords: Any) -> None:
        raise StatementFailed("BigQuery refused the statement: no such column")

    environment.setattr(grading, "grade_dates", fail)
    set_settings(environment, **settings)


def set_settings(environment: pytest.MonkeyPatch, **settings: str) -> None:
    from nba_grading.settings import get_settings

    for name, value in settings.items():
        environment.setenv(name, value)
    get_settings.cache_clear()


def test_a_range_is_graded_but_for_the_date_that_is_refused_and_a_second_run_does_only_what_is_left(
    warehouse: Warehouse, emulators: StackConfig, before: int
) -> None:
    insert_predictions(warehouse, [GRADED, READY, NO_BOX_SCORES, DOUBLED, LATER])
    insert_box_scores(warehouse, [GRADED, READY, DOUBLED, LATER])
    warehouse.dml(DOUBLE, {"day": DOUBLED})
    record_graded(warehouse, GRADED)
    failed_before = [f"task-failed/grade_predictions/{day}/grade" for day in (READY, DOUBLED)]
    for name in failed_before:
        open_incident(warehouse, replace(all_alerts()[0], kind="task-failed", subject=name.partition("/")[2]))

    run = run_in_process("backfill_grades", **RANGE)
    ran = {READY: "graded", NO_BOX_SCORES: "no_box_scores", DOUBLED: "refused", LATER: "graded"}
    assert str(run.state) == "failed"
    assert states(run) == {"plan": "success", "grade": "success", "report": "failed", "repair_small_finds": "upstream_failed"}
    assert outcomes(warehouse, run.run_id) == {**ran, NO_PREDICTIONS: "no_predictions"}
    assert stored_dates(warehouse) == [READY, LATER]
    rows = recorded(warehouse, run.run_id)
    assert [rows[READY][name] for name in ("operation", "gradable", "graded", "voided", "pending", "leased")] == ["grading", 4, 3, 1, 0, True]
    assert rows[READY]["grading_run_id"] == rows[LATER]["grading_run_id"], "one write"
    assert rows[NO_BOX_SCORES]["pending"] == 4

    # What the command reads.
    assert result(run, "plan") == [[str(day) for day in ran]]
    assert result(run, "plan", "others") == {"graded": [str(GRADED)], "no_predictions": [str(NO_PREDICTIONS)]}
    assert result(run, "grade", "progress", 0) == {str(day): outcome for day, outcome in ran.items()}
    shown = {row["game_date"]: row for row in result(run, "report", "dates")}
    assert {day: row["outcome"] for day, row in shown.items()} == {str(day): found for day, found in outcomes(warehouse, run.run_id).items()}
    assert [shown[str(READY)][name] for name in ("graded", "voided", "pending", "replaced", "duplicates")] == [3, 1, 0, 0, 0]

    [message] = posted(emulators, before)
    assert f"1 of 5 dates failed or were refused: {DOUBLED}. {DOUBLED}: AuditFailed" in message
    assert "duplicate input row" in message
    assert open_names(warehouse) == sorted([f"task-failed/backfill_grades/{DAYS[0]}..{DAYS[-1]}/report", failed_before[1]])

    again = run_in_process("backfill_grades", **RANGE)
    assert result(again, "plan") == [[str(NO_BOX_SCORES), str(DOUBLED)]]
    assert outcomes(warehouse, again.run_id) == {NO_PREDICTIONS: "no_predictions", NO_BOX_SCORES: "no_box_scores", DOUBLED: "refused"}


def test_a_regrade_grades_those_that_are_named_again_and_resolves_what_the_same_range_left(warehouse: Warehouse) -> None:
    insert_predictions(warehouse, [GRADED, READY, LATER])
    insert_box_scores(warehouse, [GRADED, READY, LATER])
    record_graded(warehouse, GRADED)
    record_graded(warehouse, LATER, "another")
    scope = f"backfill_grades/{DAYS[0]}..{DAYS[-1]}/report"
    open_incident(warehouse, replace(all_alerts()[0], kind="task-failed", subject=scope))
    run = run_in_process("backfill_grades", **RANGE, regrade=True, dates=[str(GRADED), str(READY)])
    assert str(run.state) == "success"
    assert outcomes(warehouse, run.run_id) == {GRADED: "graded", READY: "graded"}
    assert result(run, "report", "dates")[0]["game_date"] == str(GRADED)
    assert open_names(warehouse) == []


def test_a_range_in_which_nothing_is_to_be_done_is_a_success_without_a_write(warehouse: Warehouse) -> None:
    insert_predictions(warehouse, [GRADED])
    record_graded(warehouse, GRADED)
    run = run_in_process("backfill_grades", from_date=str(GRADED), to_date=str(GRADED))
    assert states(run) == {"plan": "success", "grade": "skipped", "report": "success", "repair_small_finds": "skipped"}
    assert (result(run, "plan"), result(run, "report", "dates")) == ([], [])


def test_a_range_that_is_not_over_fails_the_run_although_there_is_nothing_to_report(
    warehouse: Warehouse, emulators: StackConfig, before: int
) -> None:
    run = run_in_process("backfill_grades", from_date=str(GRADED), to_date=str(datetime.now(tz=UTC).date() + timedelta(days=2)))
    assert states(run)["plan"] == "failed"
    assert str(run.state) == "failed"
    assert posted(emulators, before) == []


def test_a_plan_that_fails_leaves_its_incident_open(warehouse: Warehouse, settings_environment: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any, **_keywords: Any) -> None:
        raise StatementFailed("BigQuery refused the statement: no such column")

    settings_environment.setattr(backfill, "plan_backfill", fail)
    run = run_in_process("backfill_grades", **RANGE)
    assert str(run.state) == "failed"
    assert open_names(warehouse) == [f"task-failed/backfill_grades/{DAYS[0]}..{DAYS[-1]}/plan"]


def test_a_chunk_that_fails_without_a_record_gets_one_for_each_date_and_counts_as_a_failure_of_grading(
    warehouse: Warehouse, settings_environment: pytest.MonkeyPatch
) -> None:
    insert_predictions(warehouse, [GRADED, READY])
    insert_box_scores(warehouse, [GRADED, READY])
    break_grading(settings_environment, GRADING_BREAKER_FAILURES="2")
    run = run_in_process("backfill_grades", **RANGE)
    assert states(run)["grade"] == "failed"
    rows = recorded(warehouse, run.run_id)
    assert {rows[day]["outcome"] for day in (GRADED, READY)} == {"failed"}
    assert "its task failed, or was killed" in rows[GRADED]["detail"]
    assert result(run, "report", "dates")[0]["detail"] == rows[GRADED]["detail"]
    assert "breaker-opened/grading" not in open_names(warehouse), "one failure, whatever the number of its dates"
    run_in_process("backfill_grades", **RANGE)
    assert "breaker-opened/grading" in open_names(warehouse)


def test_a_few_duplicates_of_one_date_of_one_chunk_are_handed_to_the_repair(
    warehouse: Warehouse, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    from nba_grading.quality import after_write as validation

    look, asked = validation.validate_dates, []

    def double_and_look(*arguments: Any) -> Any:
        copy = f"SELECT * FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{READY}'"
        warehouse.dml(f"INSERT INTO nba_predictions.prediction_accuracy {copy}")
        return look(*arguments)

    settings_environment.setattr(validation, "validate_dates", double_and_look)
    settings_environment.setattr(TriggerDagRunOperator, "execute", lambda self, context: asked.append(self.conf))
    set_settings(settings_environment, GRADING_AUTO_REPAIR_ROWS="4")
    insert_predictions(warehouse, [GRADED, READY])
    insert_box_scores(warehouse, [GRADED, READY])
    run = run_in_process("backfill_grades", **RANGE)
    wanted = {"table": "prediction_accuracy", "from_date": str(READY), "to_date": str(READY), "dry_run": False, "auto_approve": True}
    assert asked == [wanted]
    rows = recorded(warehouse, run.run_id)
    assert [(rows[day]["outcome"], rows[day]["duplicates"]) for day in (GRADED, READY)] == [("graded", 0), ("graded", 4)]
    assert "4 keys are stored more than once" in rows[READY]["detail"]
    [message] = posted(emulators, before)
    assert "remove_duplicates removes the surplus rows" in message


class Chunk:
    """The task of one chunk, outside Airflow: what it left under each key of XCom, and the events of its assets."""

    def __init__(self, dates: Sequence[date], number: int = 0, **params: Any) -> None:
        from nba_grading.airflow.operators.backfill import GradeDatesOperator

        self.operator = GradeDatesOperator(task_id="grade", game_dates=[str(day) for day in dates])
        self.left: dict[str, Any] = {}
        self.events: defaultdict[Any, Any] = defaultdict(SimpleNamespace)
        ti = SimpleNamespace(
            dag_id="backfill_grades",
            run_id="manual__1",
            task_id="grade",
            map_index=number,
            try_number=1,
            xcom_push=lambda key, value: self.left.update({key: value}),
        )
        run = SimpleNamespace(run_type="manual", start_date=datetime.now(tz=UTC), run_after=datetime.now(tz=UTC))
        self.context: Any = {"ti": ti, "dag_run": run, "params": {**RANGE, **params}, "outlet_events": self.events}

    def execute(self, event: dict[str, Any] | None = None) -> Any:
        return self.operator.resume(self.context, event) if event else self.operator.execute(self.context)

    def deferred(self, event: dict[str, Any] | None = None) -> TaskDeferred:
        with pytest.raises(TaskDeferred) as deferred:
            self.execute(event)
        return deferred.value

    @property
    def announced(self) -> list[str]:
        [event] = self.events.values()
        return cast("list[str]", event.extra["game_dates"])


def test_a_retried_chunk_grades_only_what_its_run_has_not_recorded_and_announces_all_that_is_graded(warehouse: Warehouse) -> None:
    insert_predictions(warehouse, [GRADED, READY, LATER])
    insert_box_scores(warehouse, [GRADED, READY, LATER])
    record_graded(warehouse, GRADED, "manual__1")
    record_graded(warehouse, READY, "manual__1", outcome="refused")
    record_graded(warehouse, LATER, "another run")
    chunk = Chunk([GRADED, READY, LATER])
    assert chunk.execute() == []
    assert stored_dates(warehouse) == [LATER]
    assert chunk.left["progress"] == {str(GRADED): "graded", str(READY): "refused", str(LATER): "graded"}
    assert chunk.announced == [str(GRADED), str(LATER)]


def test_a_chunk_writes_what_it_can_waits_deferred_for_a_held_date_and_gives_that_one_up_after_the_whole_wait(warehouse: Warehouse) -> None:
    from nba_grading.settings import get_settings

    days = [GRADED, READY, LATER]
    insert_predictions(warehouse, days)
    insert_box_scores(warehouse, days)
    chunk = Chunk(days)
    with hold_lease("grading", READY):
        deferred = chunk.deferred()
        assert isinstance(deferred.trigger, LeaseFreeTrigger)
        arguments = deferred.trigger.serialize()[1]
        assert (arguments["game_date"], arguments["written"]) == (str(READY), [str(GRADED), str(LATER)])
        assert stored_dates(warehouse) == [GRADED, LATER]
        assert chunk.left["progress"] == {str(GRADED): "graded", str(LATER): "graded"}
        waited = get_settings().lease_max_wait_seconds + 1
        event = {"game_date": str(READY), "waiting_since": arguments["waiting_since"] - waited, "written": arguments["written"]}
        resumed = Chunk(days)
        resumed.execute(event)
    rows = recorded(warehouse, "manual__1")
    assert {day: row["outcome"] for day, row in rows.items()} == {GRADED: "graded", READY: "refused", LATER: "graded"}
    assert "somebody_else" in rows[READY]["detail"]
    assert resumed.announced == [str(GRADED), str(LATER)]
    assert stored_dates(warehouse) == [GRADED, LATER]


def test_a_repair_of_what_was_written_before_a_wait_is_not_lost(warehouse: Warehouse, settings_environment: pytest.MonkeyPatch) -> None:
    set_settings(settings_environment, GRADING_AUTO_REPAIR_ROWS="4")
    insert_predictions(warehouse, [LATER])
    insert_box_scores(warehouse, [LATER])
    record_graded(warehouse, READY, "manual__1", duplicates=4)
    record_graded(warehouse, GRADED, "manual__1", duplicates=5)
    [repair] = Chunk([GRADED, READY, LATER]).execute()
    assert (repair["from_date"], repair["to_date"]) == (str(READY), str(READY))


def test_a_held_date_that_is_free_again_is_graded_with_the_time_it_waited(warehouse: Warehouse) -> None:
    days = [READY, LATER]
    insert_predictions(warehouse, days)
    insert_box_scores(warehouse, days)
    with hold_lease("grading", LATER):
        arguments = cast(LeaseFreeTrigger, Chunk(days).deferred().trigger).serialize()[1]
    since = arguments["waiting_since"] - 5
    chunk = Chunk(days)
    chunk.execute({"game_date": str(LATER), "waiting_since": since, "written": arguments["written"]})
    rows = recorded(warehouse, "manual__1")
    assert [row["outcome"] for row in rows.values()] == ["graded", "graded"]
    assert rows[READY]["lease_wait_ms"] == 0 < 5000 <= rows[LATER]["lease_wait_ms"]


def test_while_the_breaker_is_open_chunks_wait_then_one_tries_and_its_success_lets_the_others_go_on(warehouse: Warehouse) -> None:
    insert_predictions(warehouse, [READY, LATER])
    insert_box_scores(warehouse, [READY, LATER])
    opened = alerts.breaker_opened(RUN, operation="grading", failures=3, limit=3, pause_s=300, error="no such column")
    open_incident(warehouse, opened)
    first, second = Chunk([READY], 0), Chunk([LATER], 1)
    for chunk in (first, second):
        deferred = chunk.deferred()
        assert isinstance(deferred.trigger, DateTimeTrigger)
        assert deferred.method_name == "resume_after_pause"
        pause = deferred.trigger.moment - datetime.now(tz=UTC)
        assert deferred.timeout is not None
        assert timedelta(seconds=290) < pause < deferred.timeout
    assert recorded(warehouse, "manual__1") == {}
    assert stored_dates(warehouse) == []

    warehouse.dml("UPDATE nba_predictions.incidents SET opened_at = TIMESTAMP_SUB(opened_at, INTERVAL 301 SECOND) WHERE TRUE")
    probes: list[str] = []

    def try_second(*_arguments: Any, **_keywords: Any) -> Any:
        probes.append(type(second.deferred().trigger).__name__)
        return settle(*_arguments, **_keywords)

    settle = first.operator.settle
    first.operator.settle = try_second  # type: ignore[method-assign]
    first.operator.resume_after_pause(first.context)
    assert probes == ["DateTimeTrigger"], "while one chunk tries, another one goes on waiting"
    assert opened.name not in open_names(warehouse)
    second.operator.resume_after_pause(second.context)
    assert outcomes(warehouse, "manual__1") == {READY: "graded", LATER: "graded"}


def test_a_chunk_that_overrides_the_breaker_does_not_wait_for_it(warehouse: Warehouse) -> None:
    insert_predictions(warehouse, [READY])
    insert_box_scores(warehouse, [READY])
    open_incident(warehouse, alerts.breaker_opened(RUN, operation="grading", failures=3, limit=3, pause_s=300, error="no such column"))
    Chunk([READY], override_breaker=True).execute()
    assert outcomes(warehouse, "manual__1") == {READY: "graded"}


@pytest.mark.parametrize(("others", "counts"), [([READY], False), ([], True)], ids=["beside a success", "alone"])
def test_a_date_that_is_fenced_out_fails_alone_and_counts_for_the_breaker_where_nothing_was_graded(
    others: list[date], counts: bool, warehouse: Warehouse, settings_environment: pytest.MonkeyPatch
) -> None:
    from nba_grading.guarded_write import publish

    set_settings(settings_environment, GRADING_BREAKER_FAILURES="1")
    days = [*others, LATER]
    insert_predictions(warehouse, days)
    insert_box_scores(warehouse, days)
    fence = "INSERT INTO nba_predictions.write_fences_prediction_accuracy (game_date, fencing_token, version, published_rows) VALUES "
    stage = publish._stage

    def stage_and_be_overtaken(*arguments: Any) -> None:
        stage(*arguments)
        warehouse.dml(f"{fence} (DATE '{LATER}', 9000000000000000000, 1, 0)")

    settings_environment.setattr(publish, "_stage", stage_and_be_overtaken)
    chunk = Chunk(days)
    chunk.execute()
    assert chunk.left["progress"] == {**{str(day): "graded" for day in others}, str(LATER): "failed"}
    assert "FencedOut" in recorded(warehouse, "manual__1")[LATER]["detail"]
    assert chunk.announced == [str(day) for day in others]
    assert ("breaker-opened/grading" in open_names(warehouse)) == counts


class Counts:
    """A warehouse that has counted these predictions."""

    def __init__(self, predictions: Sequence[int], graded: Sequence[int] = ()) -> None:
        self.days = [date(2025, 11, 1) + timedelta(days=number) for number in range(len(predictions))]
        self.rows = [
            {"game_date": day, "predictions": found, "is_graded": number in graded}
            for number, (day, found) in enumerate(zip(self.days, predictions, strict=True))
        ]
        self.asked = 0

    def query_file(self, _name: str, params: dict[str, date]) -> list[dict[str, Any]]:
        self.asked += 1
        return [row for row in self.rows if params["first_date"] <= row["game_date"] <= params["last_date"]]

    def plan(self, *, regrade: bool = False) -> backfill.BackfillPlan:
        return backfill.plan_backfill(cast(Warehouse, self), self.days, regrade=regrade)


def test_a_chunk_has_at_most_32_dates_in_order_and_the_plan_is_one_query() -> None:
    counts = Counts([10] * 70)
    chunks = counts.plan().chunks
    assert [len(chunk) for chunk in chunks] == [32, 32, 6]
    assert [day for chunk in chunks for day in chunk] == counts.days
    assert counts.asked == 1


def test_a_chunk_has_a_bounded_number_of_predictions_and_a_larger_date_is_one_of_its_own() -> None:
    half = backfill.CHUNK_PREDICTIONS // 2
    assert [len(chunk) for chunk in Counts([half, half, 1, 2 * half + 5, half]).plan().chunks] == [2, 1, 1, 1]


def test_graded_dates_take_no_place_in_a_chunk_unless_they_are_graded_again() -> None:
    counts = Counts([10] * 33, graded=range(32))
    assert counts.plan().chunks == [counts.days[-1:]]
    assert counts.plan().graded == counts.days[:32]
    assert [len(chunk) for chunk in counts.plan(regrade=True).chunks] == [32, 1]
