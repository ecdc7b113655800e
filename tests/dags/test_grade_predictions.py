"""The DAG run whole, in process, on the emulators: each way a run can end, and the row of grading_runs it leaves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
from google.cloud import bigquery

from commands.stack_config import StackConfig
from nba_grading.warehouse.client import Warehouse
from proofs.publishes import insert_synthetic_date
from tests.dags.runs import hold_lease, messages, posted, release_once_awaited, run_in_process, states

DAY = date(2026, 1, 10)

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

GAME_DATE = "2026-01-10"
PREDICTION = (
    "INSERT INTO nba_predictions.player_prop_predictions (prediction_id, system_id, player_lookup, game_id, game_date, predicted_points, "
    "confidence_score, recommendation, current_points_line, created_at) VALUES "
)
BOX_SCORE = "INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, team_abbr, points, minutes_played) VALUES "

TEAMS = ("DET", "LAC")


def fill(client: bigquery.Client, *, box_scores: bool = True, players: int = 4, confidence: str = "0.6") -> None:
    rows = [
        f"('p{n}', 'system', 'player{n}', 'game1', DATE '{GAME_DATE}', NUMERIC '21', NUMERIC '{confidence}', 'OVER', NUMERIC '20.5', NULL)"
        for n in range(players)
    ]
    client.query(PREDICTION + ", ".join(rows)).result(timeout=60)
    if box_scores:
        scores = [f"('player{n}', 'game1', DATE '{GAME_DATE}', '{TEAMS[n % 2]}', 25, NUMERIC '240')" for n in range(players - 1)]
        client.query(BOX_SCORE + ", ".join(scores)).result(timeout=60)


def run_dag(**conf: Any) -> Any:
    return run_in_process("grade_predictions", **conf)


def recorded(client: bigquery.Client) -> dict[str, Any]:
    rows = [dict(row.items()) for row in client.query("SELECT * FROM nba_predictions.grading_runs").result(timeout=60)]
    assert len(rows) == 1, "every run leaves one row"
    return rows[0]


def test_a_date_is_graded_validated_and_recorded_and_nobody_is_alerted(bigquery_client: bigquery.Client, emulators: StackConfig, before: int) -> None:
    fill(bigquery_client)
    run = run_dag(game_date=GAME_DATE)
    assert states(run) == {
        **dict.fromkeys(("check_inputs", "grade", "validate", "record_run"), "success"),
        "repair_small_finds": "skipped",
    }
    row = recorded(bigquery_client)
    assert (row["outcome"], row["gradable"], row["graded"], row["voided"], row["pending"], row["duplicates"]) == ("graded", 4, 3, 1, 0, 0)
    assert (row["leased"], row["replaced"], row["operation"], row["run_type"]) == (True, 0, "grading", "manual")
    assert row["lease_wait_ms"] == 0
    assert row["duration_ms"] > 0
    grades = list(bigquery_client.query("SELECT * FROM nba_predictions.prediction_accuracy").result(timeout=60))
    assert {grade["grading_run_id"] for grade in grades} == {row["grading_run_id"]}
    assert {grade["fencing_token"] for grade in grades} == {row["fencing_token"]}
    assert posted(emulators, before) == []
    assert [table.table_id for table in bigquery_client.list_tables("nba_predictions") if table.table_id.startswith("_staging")] == []


def test_a_date_without_predictions_is_skipped_with_that_reason(bigquery_client: bigquery.Client) -> None:
    run = run_dag(game_date=GAME_DATE)
    assert states(run)["grade"] == "skipped"
    row = recorded(bigquery_client)
    assert row["outcome"] == "no_predictions"
    assert "no gradable predictions" in row["detail"]


def test_a_date_without_box_scores_ends_as_that_and_its_predictions_are_pending(bigquery_client: bigquery.Client) -> None:
    fill(bigquery_client, box_scores=False)
    run = run_dag(game_date=GAME_DATE)
    assert states(run)["grade"] == "skipped"
    row = recorded(bigquery_client)
    assert (row["outcome"], row["gradable"], row["pending"], row["graded"]) == ("no_box_scores", 4, 4, 0)


@pytest.mark.parametrize("game_date", ["2999-01-01"])
def test_a_future_date_fails_and_says_so(bigquery_client: bigquery.Client, emulators: StackConfig, before: int, game_date: str) -> None:
    run = run_dag(game_date=game_date)
    assert states(run)["check_inputs"] == "failed"
    row = recorded(bigquery_client)
    assert row["outcome"] == "refused"
    assert "not over yet in New York" in row["detail"]
    assert posted(emulators, before) == []


def test_a_malformed_date_is_refused_before_anything_runs() -> None:
    with pytest.raises(Exception, match="is not a 'date'"):
        run_dag(game_date="10.01.2026")


def test_a_run_whose_lease_is_held_waits_deferred_and_then_grades(bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch) -> None:
    fill(bigquery_client)
    release_once_awaited(settings_environment, hold_lease("grading", DAY))
    run = run_dag(game_date=GAME_DATE)
    assert states(run)["validate"] == "success"
    row = recorded(bigquery_client)
    assert row["outcome"] == "graded"
    assert row["lease_wait_ms"] > 0


def test_a_run_that_waits_too_long_fails_and_says_who_holds_the_lease(
    bigquery_client: bigquery.Client,
    settings_environment: pytest.MonkeyPatch,
    emulators: StackConfig,
    before: int,
) -> None:
    from nba_grading.settings import get_settings

    settings_environment.setenv("LEASE_MAX_WAIT_SECONDS", "1")
    get_settings.cache_clear()
    fill(bigquery_client)
    with hold_lease("grading", DAY):
        run = run_dag(game_date=GAME_DATE)
    assert states(run)["grade"] == "failed"
    row = recorded(bigquery_client)
    assert row["outcome"] == "refused"
    assert "somebody_else" in row["detail"]
    assert row["lease_wait_ms"] >= 1000
    [message] = posted(emulators, before)
    assert "gave up" in message
    assert "somebody_else" in message


@pytest.mark.parametrize("policy", ["degrade", "fail"])
def test_without_a_lease_store_the_setting_decides(
    policy: str, bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int, tmp_path: Any
) -> None:
    from nba_grading.settings import get_settings

    blocked = tmp_path / "leases.db"
    blocked.write_bytes(b"not a database at all, and long enough to be read as one" * 100)
    settings_environment.setenv("LEASE_STORE", f"sqlite:///{blocked}")
    settings_environment.setenv("LEASE_ON_UNAVAILABLE", policy)
    get_settings.cache_clear()
    fill(bigquery_client)
    run = run_dag(game_date=GAME_DATE)
    row = recorded(bigquery_client)
    alerts = posted(emulators, before)
    if policy == "degrade":
        assert states(run)["validate"] == "success"
        assert (row["outcome"], row["leased"], row["fencing_token"]) == ("graded", False, 1)
        assert "leases.db" in row["unleased_reason"]
    else:
        assert states(run)["grade"] == "failed"
        assert row["outcome"] == "failed"
        assert "leases.db" in row["detail"]
    [message] = alerts
    assert "CRITICAL" in message
    assert ("runs write without a lease" if policy == "degrade" else "runs fail") in message

    run_dag(game_date=GAME_DATE)
    assert len(posted(emulators, before)) == 1, "one outage is one message, however many runs see it"


@pytest.mark.parametrize("by", ["parameter", "setting"])
def test_a_run_whose_lease_is_switched_off_says_so_everywhere_and_wins_over_what_is_stored(
    by: str, bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.settings import get_settings

    fill(bigquery_client)
    run_dag(game_date=GAME_DATE)
    first = recorded(bigquery_client)
    bigquery_client.query("DELETE FROM nba_predictions.grading_runs WHERE TRUE").result(timeout=60)
    if by == "setting":
        settings_environment.setenv("GRADING_USE_LEASE", "false")
        get_settings.cache_clear()
    with hold_lease("grading", DAY):  # a lease that is held does not matter
        run = run_dag(game_date=GAME_DATE, **({"use_lease": "off"} if by == "parameter" else {}))
    assert states(run)["validate"] == "success"
    row = recorded(bigquery_client)
    assert (row["leased"], row["fencing_token"]) == (False, first["fencing_token"] + 1)
    assert ("use_lease" if by == "parameter" else "GRADING_USE_LEASE") in row["unleased_reason"]
    [message] = posted(emulators, before)
    assert "CRITICAL" in message
    assert "switched off" in message


def test_the_parameter_of_a_run_wins_over_the_setting_that_switches_leases_off(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.settings import get_settings

    settings_environment.setenv("GRADING_USE_LEASE", "false")
    get_settings.cache_clear()
    fill(bigquery_client)
    run_dag(game_date=GAME_DATE, use_lease="on")
    assert recorded(bigquery_client)["leased"] is True
    assert posted(emulators, before) == []


def test_a_write_without_a_lease_is_newer_than_what_is_stored_even_if_its_fence_row_was_lost(bigquery_client: bigquery.Client) -> None:
    fill(bigquery_client)
    run_dag(game_date=GAME_DATE)
    first = recorded(bigquery_client)["fencing_token"]
    for table in ("grading_runs", "write_fences_prediction_accuracy"):
        bigquery_client.query(f"DELETE FROM nba_predictions.{table} WHERE TRUE").result(timeout=60)
    run_dag(game_date=GAME_DATE, use_lease="off")
    assert recorded(bigquery_client)["fencing_token"] == first + 1


def break_grading(settings_environment: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make every write fail as BigQuery would refuse it; returns what repairs it."""
    from nba_grading.pipelines import grade as grading
    from nba_grading.warehouse.errors import StatementFailed

    def fail(*_arguments: Any, **_keywords: Any) -> None:
        raise StatementFailed("BigQuery refused the statement: no such column")

    works = grading.grade_dates
    settings_environment.setattr(grading, "grade_dates", fail)
    return lambda: settings_environment.setattr(grading, "grade_dates", works)


def outcomes(client: bigquery.Client) -> list[str]:
    rows = client.query("SELECT outcome FROM nba_predictions.grading_runs ORDER BY finished_at").result(timeout=60)
    return [row["outcome"] for row in rows]


def test_three_failed_runs_in_a_row_open_the_breaker_and_a_success_closes_it(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    fill(bigquery_client)
    run_dag(game_date="2999-01-01")  # a wrong date is no failure of grading
    repair = break_grading(settings_environment)
    for _ in range(3):
        run_dag(game_date=GAME_DATE)
    alerts = posted(emulators, before)
    assert [("circuit breaker is open" in message) for message in alerts] == [False, True], "one thread for the failures of a date"
    assert "no such column" in alerts[-1]

    run = run_dag(game_date=GAME_DATE)
    assert states(run)["check_inputs"] == "failed"
    assert states(run)["grade"] in ("upstream_failed", "None")
    assert outcomes(bigquery_client) == ["refused", "failed", "failed", "failed", "refused"]
    assert len(posted(emulators, before)) == 2, "a refused run sends no message of its own"

    repair()
    assert states(run_dag(game_date=GAME_DATE, override_breaker=True))["validate"] == "success"
    assert "RESOLVED" in posted(emulators, before)[-1]
    assert states(run_dag(game_date=GAME_DATE))["validate"] == "success"


def test_an_open_breaker_lets_one_run_try_after_a_while_and_its_failure_keeps_it_open(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.settings import get_settings

    settings_environment.setenv("GRADING_BREAKER_FAILURES", "1")
    get_settings.cache_clear()
    fill(bigquery_client)
    repair = break_grading(settings_environment)
    run_dag(game_date=GAME_DATE)
    age = "UPDATE nba_predictions.incidents SET opened_at = TIMESTAMP_SUB(opened_at, INTERVAL 301 SECOND), "
    age += "probed_at = TIMESTAMP_SUB(probed_at, INTERVAL 301 SECOND) WHERE TRUE"
    bigquery_client.query(age).result(timeout=60)
    run_dag(game_date=GAME_DATE)  # the one that may try
    run_dag(game_date=GAME_DATE)
    assert outcomes(bigquery_client) == ["failed", "failed", "refused"]
    repair()
    bigquery_client.query(age).result(timeout=60)
    run_dag(game_date=GAME_DATE)
    assert outcomes(bigquery_client)[-1] == "graded"
    alerts = [message for message in messages(emulators, before) if "circuit breaker" in str(message["blocks"])]
    assert [bool(message.get("thread_ts")) for message in alerts] == [False, True], "an open breaker is one message, and its end another"
    assert "RESOLVED" in posted(emulators, before)[-1]


def test_a_regrade_that_would_shrink_the_date_stops_unless_allowed(bigquery_client: bigquery.Client) -> None:
    fill(bigquery_client, players=10)
    run_dag(game_date=GAME_DATE)
    bigquery_client.query("DELETE FROM nba_predictions.grading_runs WHERE TRUE").result(timeout=60)
    bigquery_client.query("UPDATE nba_predictions.player_prop_predictions SET is_active = FALSE WHERE prediction_id < 'p5'").result(timeout=60)

    run = run_dag(game_date=GAME_DATE)
    assert states(run)["grade"] == "failed"
    assert recorded(bigquery_client)["outcome"] == "refused"
    assert "would shrink from 10 keys to 5" in recorded(bigquery_client)["detail"]
    count = "SELECT COUNT(*) AS n FROM nba_predictions.prediction_accuracy"
    assert next(iter(bigquery_client.query(count).result()))["n"] == 10

    bigquery_client.query("DELETE FROM nba_predictions.grading_runs WHERE TRUE").result(timeout=60)
    assert states(run_dag(game_date=GAME_DATE, allow_shrink=True))["validate"] == "success"
    assert next(iter(bigquery_client.query(count).result()))["n"] == 5


def intrude(settings_environment: pytest.MonkeyPatch, client: bigquery.Client) -> None:
    """Double every grade between the publish and the look at it."""
    from nba_grading.quality import after_write as validation

    look = validation.validate_dates

    def double_and_look(*arguments: Any) -> Any:
        client.query("INSERT INTO nba_predictions.prediction_accuracy SELECT * FROM nba_predictions.prediction_accuracy").result(timeout=60)
        return look(*arguments)

    settings_environment.setattr(validation, "validate_dates", double_and_look)


@pytest.mark.parametrize("policy", ["alert", "fail"])
def test_duplicates_from_outside_the_guard_are_found_recorded_and_told(
    policy: str, bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.settings import get_settings

    intrude(settings_environment, bigquery_client)
    settings_environment.setenv("GRADING_ON_DUPLICATES", policy)
    get_settings.cache_clear()
    fill(bigquery_client)
    run = run_dag(game_date=GAME_DATE)

    assert states(run)["validate"] == ("success" if policy == "alert" else "failed")
    row = recorded(bigquery_client)
    assert (row["outcome"], row["duplicates"]) == ("graded" if policy == "alert" else "failed", 4)
    audit = [dict(entry.items()) for entry in bigquery_client.query("SELECT * FROM nba_predictions.grading_duplicate_audit").result(timeout=60)]
    assert len(audit) == 4
    assert {(entry["duplicate_count"], entry["duplicate_occurrence_count"], entry["processor"]) for entry in audit} == {(4, 2, "grading")}
    assert all(quote(run.run_id) in entry["investigation_url"] for entry in audit)
    assert "4 keys are stored more than once" in row["detail"]
    [message] = posted(emulators, before)
    assert "4 keys are stored more than once, 4 surplus rows" in message
    assert "3 graded, 1 voided, 0 pending" in message


def test_a_confidence_outside_its_range_is_graded_without_one_and_told(bigquery_client: bigquery.Client, emulators: StackConfig, before: int) -> None:
    fill(bigquery_client, confidence="100.5")
    assert states(run_dag(game_date=GAME_DATE))["validate"] == "success"
    [message] = posted(emulators, before)
    assert "WARNING" in message
    assert "4 predictions have a confidence outside 0-100" in message


def test_without_a_slack_connection_an_alert_is_a_log_line_and_the_run_goes_on(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings_environment.delenv("AIRFLOW_CONN_SLACK_DEFAULT")
    fill(bigquery_client, confidence="100.5")
    assert states(run_dag(game_date=GAME_DATE))["record_run"] == "success"
    assert recorded(bigquery_client)["outcome"] == "graded"


def test_a_slack_that_is_down_costs_three_attempts_and_fails_nothing(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch
) -> None:
    settings_environment.setenv(
        "AIRFLOW_CONN_SLACK_DEFAULT", '{"conn_type": "slack", "password": "xoxb-x", "extra": {"base_url": "http://127.0.0.1:9/api/"}}'
    )
    fill(bigquery_client, confidence="100.5")
    assert states(run_dag(game_date=GAME_DATE))["validate"] == "success"
    assert recorded(bigquery_client)["outcome"] == "graded"


@pytest.mark.parametrize(("limit", "starts"), [("0", "skipped"), ("3", "skipped"), ("4", "success")])
def test_a_few_duplicates_are_handed_to_the_repair_where_the_setting_allows_it(
    limit: str, starts: str, bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    from nba_grading.settings import get_settings

    asked: list[dict[str, Any]] = []
    settings_environment.setattr(TriggerDagRunOperator, "execute", lambda self, context: asked.append(self.conf))
    settings_environment.setenv("GRADING_AUTO_REPAIR_ROWS", limit)
    get_settings.cache_clear()
    intrude(settings_environment, bigquery_client)
    fill(bigquery_client)
    run = run_dag(game_date=GAME_DATE)
    assert states(run)["repair_small_finds"] == starts
    wanted = {"table": "prediction_accuracy", "from_date": GAME_DATE, "to_date": GAME_DATE, "dry_run": False, "auto_approve": True}
    assert asked == ([wanted] if starts == "success" else [])
    [message] = posted(emulators, before)
    assert ("remove_duplicates removes the surplus rows" in message) == (starts == "success")


def test_a_scheduled_run_that_waits_for_box_scores_is_given_up_if_the_triggerer_is_down_and_never_resumes_too_early(
    warehouse: Warehouse, settings_environment: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime, timedelta
    from types import SimpleNamespace

    from airflow.sdk.exceptions import TaskDeferred

    from nba_grading.airflow.operators.check import CheckInputsOperator
    from nba_grading.airflow.triggers import settle_seconds
    from nba_grading.settings import get_settings

    settings_environment.setenv("GRADING_BOX_SCORE_POLL_SECONDS", "1")
    get_settings.cache_clear()
    insert_synthetic_date(warehouse, DAY, 10)
    warehouse.dml("DELETE FROM nba_box_scores.player_game_summary WHERE TRUE")
    ti = SimpleNamespace(dag_id="grade_predictions", run_id="scheduled__1", task_id="check_inputs", xcom_push=lambda **_keywords: None)
    run = SimpleNamespace(run_type="scheduled", start_date=datetime.now(tz=UTC), run_after=datetime.now(tz=UTC))
    operator = CheckInputsOperator(task_id="check_inputs", operation="grading")
    with pytest.raises(TaskDeferred) as deferred:
        operator.look({"ti": ti, "dag_run": run, "params": {}}, DAY)  # type: ignore[typeddict-item]
    assert deferred.value.timeout is not None
    wait = deferred.value.trigger.moment - datetime.now(tz=UTC)  # type: ignore[union-attr]
    assert timedelta(seconds=settle_seconds() - 1) < wait < deferred.value.timeout
