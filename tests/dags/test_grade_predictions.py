"""The DAG run whole, in process, on the emulators: each way a run can end, and the row of grading_runs it leaves."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import httpx
import pytest
from google.cloud import bigquery

from commands.stack_config import StackConfig
from nba_grading.lease import LeaseTimes
from nba_grading.lease_store import LeaseKey
from nba_grading.lease_store_firestore import FirestoreLeaseStore
from nba_grading.leases import Leases

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

GAME_DATE = "2026-01-10"
PREDICTION = (
    "INSERT INTO nba_predictions.player_prop_predictions (prediction_id, system_id, player_lookup, game_id, game_date, predicted_points, "
    "confidence_score, recommendation, current_points_line, created_at) VALUES "
)
BOX_SCORE = "INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, points, minutes_played) VALUES "


def fill(client: bigquery.Client, *, box_scores: bool = True, players: int = 4, confidence: str = "0.6") -> None:
    rows = [
        f"('p{n}', 'system', 'player{n}', 'game1', DATE '{GAME_DATE}', NUMERIC '21', NUMERIC '{confidence}', 'OVER', NUMERIC '20.5', NULL)"
        for n in range(players)
    ]
    client.query(PREDICTION + ", ".join(rows)).result(timeout=60)
    if box_scores:
        scores = [f"('player{n}', 'game1', DATE '{GAME_DATE}', 25, NUMERIC '30')" for n in range(players - 1)]
        client.query(BOX_SCORE + ", ".join(scores)).result(timeout=60)


def run_dag(**conf: Any) -> Any:
    from airflow.dag_processing.dagbag import BundleDagBag

    from commands.stack_config import ROOT

    bag = BundleDagBag(dag_folder=str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="dags-folder")
    return bag.dags["grade_predictions"].test(run_conf=conf)


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def recorded(client: bigquery.Client) -> dict[str, Any]:
    rows = [dict(row.items()) for row in client.query("SELECT * FROM nba_predictions.grading_runs").result(timeout=60)]
    assert len(rows) == 1, "every run leaves one row"
    return rows[0]


def posted(emulators: StackConfig, since: int) -> list[str]:
    return [message["blocks"][0]["text"]["text"] for message in httpx.get(f"{emulators.url('slack')}/messages").json()[since:]]


@pytest.fixture
def before(emulators: StackConfig) -> int:
    """How many messages Slack's stand-in holds before the test."""
    return len(httpx.get(f"{emulators.url('slack')}/messages").json())


def test_a_date_is_graded_validated_and_recorded_and_nobody_is_alerted(bigquery_client: bigquery.Client, emulators: StackConfig, before: int) -> None:
    fill(bigquery_client)
    run = run_dag(game_date=GAME_DATE)
    assert states(run) == dict.fromkeys(("check_inputs", "grade", "validate", "record_run"), "success")
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
    assert row["outcome"] == "failed"
    assert "not over yet in New York" in row["detail"]
    [message] = posted(emulators, before)
    assert "not over yet" in message


def test_a_malformed_date_is_refused_before_anything_runs() -> None:
    with pytest.raises(Exception, match="is not a 'date'"):
        run_dag(game_date="10.01.2026")


def hold(firestore_client: Any, seconds: float) -> threading.Timer:
    times = LeaseTimes(lease_s=30, rpc_s=5)
    lease = Leases(FirestoreLeaseStore(firestore_client, rpc_seconds=5), times).acquire(
        LeaseKey("grading", date.fromisoformat(GAME_DATE)), {"dag_id": "somebody_else", "run_id": "backfill__1"}
    )
    timer = threading.Timer(seconds, lease.release)
    timer.start()
    return timer


def test_a_run_whose_lease_is_held_waits_deferred_and_then_grades(bigquery_client: bigquery.Client, firestore_client: Any) -> None:
    fill(bigquery_client)
    timer = hold(firestore_client, 12)
    run = run_dag(game_date=GAME_DATE)
    timer.join()
    assert states(run)["validate"] == "success"
    row = recorded(bigquery_client)
    assert row["outcome"] == "graded"
    assert row["lease_wait_ms"] > 0


def test_a_run_that_waits_too_long_fails_and_says_who_holds_the_lease(
    bigquery_client: bigquery.Client,
    firestore_client: Any,
    settings_environment: pytest.MonkeyPatch,
    emulators: StackConfig,
    before: int,
) -> None:
    from nba_grading.settings import get_settings

    settings_environment.setenv("LEASE_MAX_WAIT_SECONDS", "2")
    get_settings.cache_clear()
    fill(bigquery_client)
    timer = hold(firestore_client, 60)
    try:
        run = run_dag(game_date=GAME_DATE)
    finally:
        timer.cancel()
        timer.function()
    assert states(run)["grade"] == "failed"
    row = recorded(bigquery_client)
    assert row["outcome"] == "failed"
    assert "somebody_else" in row["detail"]
    assert row["lease_wait_ms"] >= 2000
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
    messages = posted(emulators, before)
    if policy == "degrade":
        assert states(run)["validate"] == "success"
        assert (row["outcome"], row["leased"], row["fencing_token"]) == ("graded", False, 1)
        assert ["CRITICAL" in message and "without a lease" in message for message in messages] == [True]
    else:
        assert states(run)["grade"] == "failed"
        assert row["outcome"] == "failed"
        assert "leases.db" in row["detail"]
        assert len(messages) == 1


def test_a_regrade_that_would_shrink_the_date_stops_unless_allowed(bigquery_client: bigquery.Client) -> None:
    fill(bigquery_client, players=10)
    run_dag(game_date=GAME_DATE)
    bigquery_client.query("DELETE FROM nba_predictions.grading_runs WHERE TRUE").result(timeout=60)
    bigquery_client.query("UPDATE nba_predictions.player_prop_predictions SET is_active = FALSE WHERE prediction_id < 'p5'").result(timeout=60)

    run = run_dag(game_date=GAME_DATE)
    assert states(run)["grade"] == "failed"
    assert "would shrink from 10 keys to 5" in recorded(bigquery_client)["detail"]
    count = "SELECT COUNT(*) AS n FROM nba_predictions.prediction_accuracy"
    assert next(iter(bigquery_client.query(count).result()))["n"] == 10

    bigquery_client.query("DELETE FROM nba_predictions.grading_runs WHERE TRUE").result(timeout=60)
    assert states(run_dag(game_date=GAME_DATE, allow_shrink=True))["validate"] == "success"
    assert next(iter(bigquery_client.query(count).result()))["n"] == 5


@pytest.mark.parametrize("policy", ["alert", "fail"])
def test_duplicates_from_outside_the_guard_are_found_recorded_and_told(
    policy: str, bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading import validation
    from nba_grading.settings import get_settings

    def intrude(*arguments: Any) -> Any:
        insert = "INSERT INTO nba_predictions.prediction_accuracy SELECT * FROM nba_predictions.prediction_accuracy"
        bigquery_client.query(insert).result(timeout=60)
        return look(*arguments)

    look = validation.validate_date
    settings_environment.setattr(validation, "validate_date", intrude)
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
    assert all(run.run_id in entry["investigation_url"] for entry in audit)
    assert "4 keys stand more than once" in row["detail"]
    [message] = posted(emulators, before)
    assert "4 keys stand more than once, 4 rows too many" in message
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
    settings_environment.setenv("AIRFLOW_CONN_SLACK_DEFAULT", '{"conn_type": "slackwebhook", "host": "http://127.0.0.1:9", "password": "T/B/X"}')
    fill(bigquery_client, confidence="100.5")
    assert states(run_dag(game_date=GAME_DATE))["validate"] == "success"
    assert recorded(bigquery_client)["outcome"] == "graded"
