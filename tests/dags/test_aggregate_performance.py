"""aggregate_performance: its operator with a context of its own, and the DAG whole, on the emulators: what is written, left alone and refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk.exceptions import TaskDeferred

from commands.stack_config import StackConfig
from nba_grading.airflow.triggers import LeaseFreeTrigger
from nba_grading.guarded_write.write import FencedOut
from nba_grading.pipelines import aggregate as aggregates
from nba_grading.pipelines.aggregate import AGGREGATES, find_stale
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.errors import StatementFailed
from tests.dags.runs import hold_lease, posted, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

FIRST, SECOND = date(2026, 1, 10), date(2026, 1, 12)
MONTH_END, SEASON_END = date(2026, 1, 31), date(2026, 9, 30)
DAYS, PLAYERS, BETS, SUMMARY, MARKET = TABLE_NAMES = [table.name for table in AGGREGATES]
OPERATIONS = [table.operation for table in AGGREGATES]
# How many of them have a partition for each date; the others have one for each last day of a period.
DAY_TABLES = 3


def publish_grades(warehouse: Warehouse, *dates: date, players: int = 2, version: int = 1) -> None:
    """Grades of these dates, all right, and their fences, as a publish with this version would have left them."""
    warehouse.dml("DELETE FROM nba_predictions.prediction_accuracy WHERE game_date IN UNNEST(@days)", {"days": list(dates)})
    warehouse.dml("DELETE FROM nba_predictions.write_fences_prediction_accuracy WHERE game_date IN UNNEST(@days)", {"days": list(dates)})
    warehouse.dml(
        "INSERT INTO nba_predictions.write_fences_prediction_accuracy (game_date, fencing_token, version, published_rows, published_keys) "
        f"SELECT day, {version}, {version}, {players}, {players} FROM UNNEST(@days) AS day",
        {"days": list(dates)},
    )
    if players:
        warehouse.dml(
            "INSERT INTO nba_predictions.prediction_accuracy (player_lookup, game_id, game_date, system_id, confidence_score, recommendation, "
            "line_value, absolute_error, signed_error, actual_margin, prediction_correct, is_voided, graded_at) "
            "SELECT CONCAT('player', CAST(n AS STRING)), CONCAT('game ', CAST(day AS STRING)), day, 'system', NUMERIC '0.6', 'OVER', "
            "NUMERIC '20.5', NUMERIC '2', NUMERIC '2', NUMERIC '1', TRUE, FALSE, CURRENT_TIMESTAMP() "
            f"FROM UNNEST(@days) AS day CROSS JOIN UNNEST(GENERATE_ARRAY(1, {players})) AS n",
            {"days": list(dates)},
        )


class Refresh:
    """The task refresh outside Airflow, each time as a new process would run it; ``written`` are the operations and dates that it wrote."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.written: list[tuple[str, list[date]]] = []
        refresh = aggregates.refresh

        def remember(warehouse: Any, claimed: Any, request: Any) -> Any:
            self.written.append((claimed.operation, claimed.dates))
            return refresh(warehouse, claimed, request)

        patch.setattr(aggregates, "refresh", remember)

    def __call__(self, event: dict[str, Any] | None = None, **context: Any) -> dict[str, int]:
        from nba_grading.airflow.operators.refresh import RefreshAggregatesOperator

        self.written.clear()
        ti = SimpleNamespace(
            dag_id="aggregate_performance", run_id="r", task_id="refresh", try_number=1, map_index=-1, xcom_push=lambda **_keywords: None
        )
        run = SimpleNamespace(run_type="asset_triggered", start_date=datetime.now(tz=UTC), run_after=datetime.now(tz=UTC))
        operator = RefreshAggregatesOperator(task_id="refresh")
        known: Any = {"ti": ti, "dag_run": run, "params": {}, **context}
        found: dict[str, int] = operator.resume(known, event) if event else operator.execute(known)
        return found


@pytest.fixture
def refresh(monkeypatch: pytest.MonkeyPatch) -> Refresh:
    return Refresh(monkeypatch)


def writes(days: list[date], ends: list[date]) -> list[tuple[str, list[date]]]:
    """These days of every table of dates, then these of every table of periods."""
    return [(operation, days if place < DAY_TABLES else ends) for place, operation in enumerate(OPERATIONS)]


def stale(warehouse: Warehouse) -> list[tuple[str, date]]:
    return [(table, day) for table, days in find_stale(warehouse).items() for day in days]


def rows(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    return warehouse.query(f"SELECT * FROM nba_predictions.{table}")


def recorded(warehouse: Warehouse) -> list[tuple[str, date | None, str]]:
    found = warehouse.query("SELECT operation, game_date, outcome FROM nba_predictions.grading_runs")
    return sorted((row["operation"], row["game_date"] or date.min, row["outcome"]) for row in found)


def predictions_by_period(warehouse: Warehouse) -> dict[tuple[str, str], int]:
    found = warehouse.query("SELECT * FROM nba_predictions.prediction_performance_summary WHERE player_lookup = '*' AND confidence_tier = '*'")
    return {(row["period_type"], row["period_value"]): row["predictions"] for row in found}


def test_a_date_and_its_periods_are_written_with_a_row_for_each_partition_and_nobody_is_alerted(
    warehouse: Warehouse, emulators: StackConfig, before: int
) -> None:
    publish_grades(warehouse, FIRST)
    run = run_in_process("aggregate_performance")
    assert states(run) == {"refresh": "success", "record_run": "success"}
    [day] = rows(warehouse, DAYS)
    assert (day["game_date"], day["predictions"], day["correct"], day["win_rate"], day["mae"]) == (FIRST, 2, 2, 1.0, Decimal(2))
    partitions = [(operation, day) for operation, days in writes([FIRST], [FIRST, MONTH_END, SEASON_END]) for day in days]
    assert recorded(warehouse) == sorted((operation, day, "aggregated") for operation, day in partitions)
    records = rows(warehouse, "grading_runs")
    assert {(row["run_id"], row["leased"], row["dag_id"]) for row in records} == {(run.run_id, True, "aggregate_performance")}
    [record] = [row for row in records if row["operation"] == "daily_performance"]
    assert (record["grading_run_id"], record["fencing_token"], record["written"]) == (day["grading_run_id"], day["fencing_token"], 1)
    periods = [("rolling_7d", "2026-01-10"), ("rolling_30d", "2026-01-10"), ("month", "2026-01"), ("season", "2025-26")]
    assert predictions_by_period(warehouse) == dict.fromkeys(periods, 2)
    assert posted(emulators, before) == []
    assert [table.table_id for table in warehouse.client.list_tables("nba_predictions") if table.table_id.startswith("_staging")] == []


def test_the_days_are_written_before_the_periods_and_a_second_run_finds_nothing_to_write(warehouse: Warehouse, refresh: Refresh) -> None:
    publish_grades(warehouse, FIRST, SECOND)
    assert refresh() == {DAYS: 2, PLAYERS: 2, BETS: 2, SUMMARY: 4, MARKET: 4}
    assert refresh.written == writes([FIRST, SECOND], [FIRST, SECOND, MONTH_END, SEASON_END])
    assert refresh() == dict.fromkeys(TABLE_NAMES, 0)
    assert refresh.written == []
    assert len(recorded(warehouse)) == 14


def test_what_is_stale_is_refreshed_whatever_the_event_says(warehouse: Warehouse, refresh: Refresh) -> None:
    from nba_grading.airflow.assets import GRADES

    publish_grades(warehouse, FIRST)
    events = {GRADES: [SimpleNamespace(extra={"game_dates": [str(SECOND), "2019-01-01"]})]}
    refresh(triggering_asset_events=events)
    assert refresh.written[0] == (OPERATIONS[0], [FIRST])
    assert stale(warehouse) == []


@pytest.mark.parametrize("operation", OPERATIONS[1:DAY_TABLES])
def test_a_held_day_keeps_the_periods_waiting_and_once_it_is_free_everything_is_made_fresh(
    operation: str, warehouse: Warehouse, refresh: Refresh
) -> None:
    publish_grades(warehouse, FIRST, SECOND)
    with hold_lease(operation, FIRST):
        with pytest.raises(TaskDeferred) as deferred:
            refresh()
        assert refresh.written[-1] == (operation, [SECOND]), "the other day is written, and no table after it"
        assert rows(warehouse, SUMMARY) == []
    arguments = cast(LeaseFreeTrigger, deferred.value.trigger).serialize()[1]
    assert arguments["game_date"] == str(FIRST)
    publish_grades(warehouse, SECOND, players=3, version=2)  # of the day that the event says is written
    event = {name: arguments[name] for name in ("game_date", "waiting_since", "written")}
    refresh({**event, "waiting_since": event["waiting_since"] - 5})
    assert stale(warehouse) == []
    assert predictions_by_period(warehouse)["month", "2026-01"] == 5
    waits = {row["game_date"]: row["lease_wait_ms"] for row in rows(warehouse, "grading_runs") if row["operation"] == operation}
    assert waits[SECOND] == 0 < 5000 <= waits[FIRST]


def test_a_day_that_stays_held_fails_the_run_which_names_the_holder_and_the_next_one_writes_what_is_left(
    warehouse: Warehouse, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    set_settings(settings_environment, LEASE_MAX_WAIT_SECONDS="1")
    publish_grades(warehouse, FIRST, SECOND)
    with hold_lease("daily_performance", FIRST):
        run = run_in_process("aggregate_performance")
    assert states(run) == {"refresh": "failed", "record_run": "success"}
    assert recorded(warehouse) == [("daily_performance", date.min, "refused"), ("daily_performance", SECOND, "aggregated")]
    [row] = [row for row in rows(warehouse, "grading_runs") if row["outcome"] == "refused"]
    assert "somebody_else" in row["detail"]
    [message] = posted(emulators, before)
    assert "gave up" in message
    assert rows(warehouse, SUMMARY) == []
    assert states(run_in_process("aggregate_performance"))["refresh"] == "success"
    assert stale(warehouse) == []
    assert "RESOLVED" in posted(emulators, before)[-1]


def test_a_partition_that_is_refused_fails_the_task_before_the_periods_and_the_others_of_its_table_are_kept(
    warehouse: Warehouse, refresh: Refresh
) -> None:
    publish_grades(warehouse, FIRST, SECOND)
    warehouse.dml(
        f"INSERT INTO nba_predictions.write_fences_{PLAYERS} (game_date, fencing_token, version) VALUES (DATE '{FIRST}', 9000000000000000000, 0)"
    )
    with pytest.raises(FencedOut, match=f"{PLAYERS} {FIRST}"):
        refresh()
    assert [operation for operation, _ in refresh.written] == OPERATIONS[:2]
    assert [row["game_date"] for row in rows(warehouse, PLAYERS) if row["player_lookup"] == "player1"] == [SECOND]
    assert rows(warehouse, SUMMARY) == []
    assert (OPERATIONS[1], SECOND, "aggregated") in recorded(warehouse)


def test_failed_runs_open_the_breaker_of_the_aggregates_and_a_success_closes_it(
    warehouse: Warehouse, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    def fail(*_arguments: Any, **_keywords: Any) -> None:
        raise StatementFailed("BigQuery refused the statement: no such column")

    set_settings(settings_environment, GRADING_BREAKER_FAILURES="2")
    publish_grades(warehouse, FIRST)
    with settings_environment.context() as broken:
        broken.setattr(aggregates, "refresh", fail)
        for _ in range(2):
            assert states(run_in_process("aggregate_performance"))["refresh"] == "failed"
    assert recorded(warehouse) == [("daily_performance", date.min, "failed")] * 2
    alerts = posted(emulators, before)
    assert ["circuit breaker is open" in message for message in alerts] == [False, True]
    assert "no such column" in alerts[1]

    assert states(run_in_process("aggregate_performance"))["refresh"] == "failed"
    assert [outcome for *_, outcome in recorded(warehouse)] == ["failed", "failed", "refused"]
    assert rows(warehouse, DAYS) == []
    assert states(run_in_process("aggregate_performance", override_breaker=True)) == {"refresh": "success", "record_run": "success"}
    assert stale(warehouse) == []
    assert all("RESOLVED" in message for message in posted(emulators, before)[2:])
    assert len(posted(emulators, before)) == 4, "the failure and the breaker, and the end of each"


def test_without_leases_every_partition_is_written_behind_its_fence_and_one_message_says_so(
    warehouse: Warehouse, emulators: StackConfig, before: int
) -> None:
    publish_grades(warehouse, FIRST)
    assert states(run_in_process("aggregate_performance", use_lease="off"))["refresh"] == "success"
    records = rows(warehouse, "grading_runs")
    assert (len(records), {row["leased"] for row in records}) == (9, {False})
    [message] = posted(emulators, before)
    assert "switched off" in message


def set_settings(environment: pytest.MonkeyPatch, **settings: str) -> None:
    from nba_grading.settings import get_settings

    for name, value in settings.items():
        environment.setenv(name, value)
    get_settings.cache_clear()
