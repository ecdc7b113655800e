"""aggregate_performance whole, in process, on the emulators: what a run writes, leaves alone, refuses and records."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.cloud import bigquery

from commands.stack_config import StackConfig
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.times import LeaseTimes
from tests.dags.runs import posted, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

FIRST, SECOND = date(2026, 1, 10), date(2026, 1, 12)
MONTH_END, SEASON_END = date(2026, 1, 31), date(2026, 9, 30)
TASKS = ("check_inputs", "aggregate_day", "aggregate_periods", "record_run")
AGED = timedelta(hours=2)


def grade(client: bigquery.Client, day: date, *, age: timedelta = AGED, players: int = 2) -> None:
    """The date's grades, all right, as a grading run of ``age`` ago would have left them."""
    client.query(f"DELETE FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{day}'").result(timeout=60)
    graded_at = datetime.now(tz=UTC) - age
    rows = [
        f"('player{n}', 'game {day}', DATE '{day}', 'system', NUMERIC '0.6', 'OVER', NUMERIC '20.5', NUMERIC '2', NUMERIC '2', NUMERIC '1', TRUE, "
        f"FALSE, TIMESTAMP '{graded_at:%Y-%m-%d %H:%M:%S.%f}+00')"
        for n in range(players)
    ]
    insert = (
        "INSERT INTO nba_predictions.prediction_accuracy (player_lookup, game_id, game_date, system_id, confidence_score, recommendation, "
        "line_value, absolute_error, signed_error, actual_margin, prediction_correct, is_voided, graded_at) VALUES "
    )
    client.query(insert + ", ".join(rows)).result(timeout=60)


def aggregate(day: date, **conf: Any) -> Any:
    return run_in_process("aggregate_performance", game_date=str(day), **conf)


def query(client: bigquery.Client, text: str) -> list[dict[str, Any]]:
    return [dict(row.items()) for row in client.query(text).result(timeout=60)]


def recorded(client: bigquery.Client, operation: str) -> list[dict[str, Any]]:
    rows = query(client, "SELECT * FROM nba_predictions.grading_runs ORDER BY started_at, finished_at")
    return [row for row in rows if row["operation"] == operation]


def partitions_written(client: bigquery.Client) -> list[date]:
    """The last days of the periods written since this was last asked, in order."""
    days = [row["game_date"] for row in recorded(client, "performance_summary")]
    client.query("DELETE FROM nba_predictions.grading_runs WHERE TRUE").result(timeout=60)
    return sorted(days)


def predictions_by_period(client: bigquery.Client) -> dict[tuple[str, str], int]:
    rows = query(client, "SELECT * FROM nba_predictions.prediction_performance_summary WHERE player_lookup = '*' AND confidence_tier = '*'")
    return {(row["period_type"], row["period_value"]): row["predictions"] for row in rows}


def test_a_date_and_its_periods_are_written_and_recorded_and_nobody_is_alerted(
    bigquery_client: bigquery.Client, emulators: StackConfig, before: int
) -> None:
    grade(bigquery_client, FIRST)
    run = aggregate(FIRST)
    assert states(run) == dict.fromkeys(TASKS, "success")
    [day] = query(bigquery_client, "SELECT * FROM nba_predictions.system_daily_performance")
    assert (day["game_date"], day["predictions"], day["correct"], day["win_rate"], day["mae"]) == (FIRST, 2, 2, 1.0, Decimal(2))
    [row] = recorded(bigquery_client, "daily_performance")
    assert (row["outcome"], row["leased"], row["written"], row["game_date"]) == ("aggregated", True, 1, FIRST)
    assert (day["grading_run_id"], day["fencing_token"]) == (row["grading_run_id"], row["fencing_token"])
    partitions = recorded(bigquery_client, "performance_summary")
    assert [(row["game_date"], row["outcome"], row["leased"]) for row in partitions] == [
        (day, "aggregated", True) for day in (FIRST, MONTH_END, SEASON_END)
    ]
    assert {row["run_id"] for row in partitions} == {run.run_id}
    periods = [("rolling_7d", "2026-01-10"), ("rolling_30d", "2026-01-10"), ("month", "2026-01"), ("season", "2025-26")]
    assert predictions_by_period(bigquery_client) == dict.fromkeys(periods, 2)
    assert posted(emulators, before) == []
    assert [table.table_id for table in bigquery_client.list_tables("nba_predictions") if table.table_id.startswith("_staging")] == []


def test_a_run_that_finds_everything_fresh_writes_no_period_and_a_regrade_refreshes_all_that_contain_the_date(
    bigquery_client: bigquery.Client,
) -> None:
    grade(bigquery_client, FIRST)
    grade(bigquery_client, SECOND)
    aggregate(FIRST)
    assert partitions_written(bigquery_client) == [FIRST, SECOND, MONTH_END, SEASON_END]
    assert states(aggregate(SECOND)) == dict.fromkeys(TASKS, "success")
    assert partitions_written(bigquery_client) == []

    grade(bigquery_client, SECOND, age=timedelta(), players=3)
    aggregate(SECOND)
    assert partitions_written(bigquery_client) == [SECOND, MONTH_END, SEASON_END]
    assert predictions_by_period(bigquery_client)["rolling_7d", "2026-01-12"] == 5
    assert predictions_by_period(bigquery_client)["rolling_7d", "2026-01-10"] == 2


def test_a_regrade_that_was_staged_before_the_summary_and_published_after_it_is_not_missed(bigquery_client: bigquery.Client) -> None:
    grade(bigquery_client, FIRST)
    aggregate(FIRST)
    partitions_written(bigquery_client)
    grade(bigquery_client, FIRST, age=AGED / 2)  # newer than what was read, older than the summary itself, and as many rows
    aggregate(FIRST)
    assert partitions_written(bigquery_client) == [FIRST, MONTH_END, SEASON_END]


def test_periods_shared_with_a_date_whose_run_is_to_come_are_left_to_it(bigquery_client: bigquery.Client) -> None:
    for day in (FIRST, SECOND):
        grade(bigquery_client, day, age=timedelta())
    aggregate(FIRST)
    assert partitions_written(bigquery_client) == [FIRST]
    aggregate(SECOND)
    assert partitions_written(bigquery_client) == [SECOND, MONTH_END, SEASON_END]


def test_grades_that_are_gone_leave_no_aggregate_behind(bigquery_client: bigquery.Client) -> None:
    grade(bigquery_client, FIRST)
    aggregate(FIRST)
    partitions_written(bigquery_client)
    bigquery_client.query("DELETE FROM nba_predictions.prediction_accuracy WHERE TRUE").result(timeout=60)
    assert states(aggregate(FIRST))["aggregate_periods"] == "success"
    assert partitions_written(bigquery_client) == [FIRST, MONTH_END, SEASON_END]
    for table in ("system_daily_performance", "prediction_performance_summary"):
        assert query(bigquery_client, f"SELECT * FROM nba_predictions.{table}") == []


def hold(operation: str, day: date, seconds: float) -> threading.Timer:
    from nba_grading.airflow.context import make_leases

    lease = LeaseManager(make_leases().store, LeaseTimes(lease_s=30, rpc_s=5)).acquire(LeaseKey(operation, day), {"dag_id": "somebody_else"})
    timer = threading.Timer(seconds, lease.release)
    timer.start()
    return timer


def test_a_held_lease_of_a_period_is_waited_for_and_what_is_written_before_it_stays(bigquery_client: bigquery.Client) -> None:
    grade(bigquery_client, FIRST)
    timer = hold("performance_summary", FIRST, 15)
    run = aggregate(FIRST)
    timer.join()
    assert states(run)["aggregate_periods"] == "success"
    waits = {row["game_date"]: row["lease_wait_ms"] for row in recorded(bigquery_client, "performance_summary")}
    assert waits[FIRST] > waits[SEASON_END]


def test_a_period_whose_lease_stays_held_fails_the_run_which_names_the_holder_and_keeps_its_own_ids(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.settings import get_settings

    settings_environment.setenv("LEASE_MAX_WAIT_SECONDS", "2")
    get_settings.cache_clear()
    grade(bigquery_client, FIRST)
    timer = hold("performance_summary", MONTH_END, 60)
    try:
        run = aggregate(FIRST)
    finally:
        timer.cancel()
        timer.function()
    assert states(run)["aggregate_periods"] == "failed"
    [row] = recorded(bigquery_client, "daily_performance")
    assert row["outcome"] == "refused"
    assert "somebody_else" in row["detail"]
    [day] = query(bigquery_client, "SELECT grading_run_id FROM nba_predictions.system_daily_performance")
    assert row["grading_run_id"] == day["grading_run_id"]
    [message] = posted(emulators, before)
    assert "gave up" in message
    assert partitions_written(bigquery_client) == [FIRST]
    aggregate(FIRST)
    assert partitions_written(bigquery_client) == [MONTH_END, SEASON_END]


def test_a_period_that_cannot_be_computed_fails_the_run_with_the_reason(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.pipelines import aggregate as aggregates
    from nba_grading.warehouse.errors import StatementFailed

    def fail(*_arguments: Any, **_keywords: Any) -> None:
        raise StatementFailed("BigQuery refused the statement: no such column")

    settings_environment.setattr(aggregates, "aggregate_periods", fail)
    grade(bigquery_client, FIRST)
    run = aggregate(FIRST)
    assert states(run)["aggregate_periods"] == "failed"
    [row] = recorded(bigquery_client, "daily_performance")
    assert row["outcome"] == "failed"
    assert "no such column" in row["detail"]
    [message] = posted(emulators, before)
    assert "no such column" in message


def test_a_future_date_is_refused(bigquery_client: bigquery.Client) -> None:
    assert states(aggregate(date(2999, 1, 1)))["check_inputs"] == "failed"
    [row] = recorded(bigquery_client, "daily_performance")
    assert row["outcome"] == "refused"


def test_without_leases_every_partition_is_written_behind_its_fence(bigquery_client: bigquery.Client, emulators: StackConfig, before: int) -> None:
    grade(bigquery_client, FIRST)
    assert states(aggregate(FIRST, use_lease="off")) == dict.fromkeys(TASKS, "success")
    assert {row["leased"] for row in recorded(bigquery_client, "performance_summary")} == {False}
    titles = [message.splitlines()[0] for message in posted(emulators, before)]
    assert ["switched off" in title for title in titles] == [True, True], "one thread for each of the two tasks, whatever it wrote"
