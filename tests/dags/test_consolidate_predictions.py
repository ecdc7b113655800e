"""The DAG run whole, in process, on the emulators: each way a consolidation can end, and the row of grading_runs it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from google.cloud import bigquery

from commands.stack_config import StackConfig
from nba_grading.game_dates import NEW_YORK
from tests.dags.runs import hold_lease, posted, release_once_awaited, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

TOMORROW = str(datetime.now(tz=NEW_YORK).date() + timedelta(days=1))
TARGET = "nba_predictions.player_prop_predictions"


def stage(client: bigquery.Client, worker: str, players: Sequence[str], *, day: str = TOMORROW, columns: str = "") -> str:
    """A staging table of batch b1 with a prediction of each player."""
    table = f"_staging_batch_b1_{worker}"
    rows = " UNION ALL ".join(
        f"SELECT '{player}-{worker}' AS prediction_id, 'ewma_v1' AS system_id, '{player}' AS player_lookup, 'game1' AS game_id, "
        f"DATE '{day}' AS game_date, NUMERIC '21.5' AS predicted_points, NUMERIC '20.5' AS current_points_line, "
        f"TIMESTAMP '2026-01-10 12:00:00+00' AS created_at{columns}"
        for player in players
    )
    client.query(f"CREATE TABLE nba_predictions.{table} AS {rows}").result(timeout=60)
    return table


def consolidate(**conf: Any) -> Any:
    return run_in_process("consolidate_predictions", **{"batch_id": "b1", "game_date": TOMORROW, **conf})


def recorded(client: bigquery.Client) -> dict[str, Any]:
    rows = [dict(row.items()) for row in client.query("SELECT * FROM nba_predictions.grading_runs").result(timeout=60)]
    assert len(rows) == 1, "every run leaves one row"
    return rows[0]


def forget_runs(client: bigquery.Client) -> None:
    client.query("DELETE FROM nba_predictions.grading_runs WHERE TRUE").result(timeout=60)


def stored(client: bigquery.Client) -> list[dict[str, Any]]:
    return [dict(row.items()) for row in client.query(f"SELECT * FROM {TARGET} ORDER BY player_lookup").result(timeout=60)]


def staging_tables(client: bigquery.Client) -> list[str]:
    return sorted(table.table_id for table in client.list_tables("nba_predictions") if table.table_id.startswith("_staging"))


def test_a_batch_is_merged_validated_announced_and_recorded_and_nobody_is_alerted(
    bigquery_client: bigquery.Client, emulators: StackConfig, before: int
) -> None:
    stage(bigquery_client, "w1", ["p", "q"])
    stage(bigquery_client, "w2", ["q", "r"])
    run = consolidate()
    assert states(run) == {
        **dict.fromkeys(("check_inputs", "consolidate", "validate", "record_run"), "success"),
        "repair_small_finds": "skipped",
    }
    row = recorded(bigquery_client)
    assert (row["outcome"], row["operation"], row["dag_id"]) == ("consolidated", "consolidation", "consolidate_predictions")
    assert (row["written"], row["replaced"], row["duplicates"], row["leased"], str(row["game_date"])) == (3, 0, 0, True, TOMORROW)
    assert row["detail"] == "batch b1: 2 tables, 4 rows with 3 keys, 3 of them new; 2 tables dropped"
    assert [(stored["player_lookup"], stored["prediction_id"]) for stored in stored(bigquery_client)] == [("p", "p-w1"), ("q", "q-w2"), ("r", "r-w2")]
    assert posted(emulators, before) == []
    assert staging_tables(bigquery_client) == []


def test_the_asset_says_which_date_is_in(bigquery_client: bigquery.Client) -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    stage(bigquery_client, "w1", ["p"])
    run = consolidate()
    query = select(AssetModel.name, AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
    with create_session(scoped=False) as session:
        events = [(name, extra["game_dates"]) for name, extra in session.execute(query.where(AssetEvent.source_run_id == run.run_id))]
    assert events == [("player_prop_predictions", [TOMORROW])]


def test_a_batch_without_tables_is_skipped_with_that_reason_also_when_it_is_merged_already(
    bigquery_client: bigquery.Client, emulators: StackConfig, before: int
) -> None:
    stage(bigquery_client, "w1", ["p"])
    consolidate()
    forget_runs(bigquery_client)
    run = consolidate()
    assert states(run)["consolidate"] == "skipped"
    row = recorded(bigquery_client)
    assert (row["outcome"], str(row["game_date"])) == ("no_staging_tables", TOMORROW)
    assert row["detail"] == "no table _staging_batch_b1_*: batch b1 wrote none, or all of them are merged already"
    assert posted(emulators, before) == []


@pytest.mark.parametrize(
    ("columns", "day", "expected"),
    [
        (", 'good' AS mood", TOMORROW, "_staging_batch_b1_w1 has the column mood"),
        ("", "2026-01-10", f"_staging_batch_b1_w1 has 1 of its 1 rows on other dates than {TOMORROW} (2026-01-10)"),
    ],
    ids=["unknown column", "another date"],
)
def test_a_batch_that_cannot_be_merged_whole_is_refused_before_anything_is_touched(
    columns: str, day: str, expected: str, bigquery_client: bigquery.Client, emulators: StackConfig, before: int
) -> None:
    table = stage(bigquery_client, "w1", ["p"], columns=columns, day=day)
    run = consolidate()
    assert states(run)["check_inputs"] == "failed"
    row = recorded(bigquery_client)
    assert row["outcome"] == "refused"
    assert expected in row["detail"]
    assert stored(bigquery_client) == []
    assert staging_tables(bigquery_client) == [table]
    [message] = posted(emulators, before)
    assert expected in message
    assert TOMORROW in message


def test_a_date_too_far_ahead_is_refused(bigquery_client: bigquery.Client) -> None:
    run = consolidate(game_date="2999-01-01")
    assert states(run)["check_inputs"] == "failed"
    assert recorded(bigquery_client)["outcome"] == "refused"
    assert "too far ahead" in recorded(bigquery_client)["detail"]


@pytest.mark.parametrize("conf", [{"batch_id": "b_1"}, {"batch_id": None}, {"game_date": "10.01.2026"}, {"game_date": None}])
def test_a_malformed_batch_or_date_is_refused_before_anything_runs(conf: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="Invalid input for param"):
        consolidate(**conf)


def test_a_run_whose_lease_is_held_waits_deferred_and_then_merges(bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch) -> None:
    stage(bigquery_client, "w1", ["p"])
    release_once_awaited(settings_environment, hold_lease("consolidation", date.fromisoformat(TOMORROW)))
    run = consolidate()
    assert states(run)["validate"] == "success"
    assert recorded(bigquery_client)["lease_wait_ms"] > 0


def test_a_run_without_a_lease_is_recorded_as_such_and_told(bigquery_client: bigquery.Client, emulators: StackConfig, before: int) -> None:
    stage(bigquery_client, "w1", ["p"])
    assert states(consolidate(use_lease="off"))["validate"] == "success"
    row = recorded(bigquery_client)
    assert (row["outcome"], row["leased"], row["fencing_token"]) == ("consolidated", False, 1)
    [message] = posted(emulators, before)
    assert "switched off" in message


@pytest.mark.parametrize("policy", ["alert", "fail"])
def test_duplicates_from_outside_the_guard_are_found_recorded_and_told(
    policy: str, bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.pipelines import consolidate as consolidation
    from nba_grading.settings import get_settings

    def intrude(*arguments: Any) -> Any:
        bigquery_client.query(f"INSERT INTO {TARGET} SELECT * FROM {TARGET}").result(timeout=60)
        return look(*arguments)

    look = consolidation.validate_consolidation
    settings_environment.setattr(consolidation, "validate_consolidation", intrude)
    settings_environment.setenv("GRADING_ON_DUPLICATES", policy)
    get_settings.cache_clear()
    stage(bigquery_client, "w1", ["p", "q"])
    run = consolidate()
    assert states(run)["validate"] == ("success" if policy == "alert" else "failed")
    row = recorded(bigquery_client)
    assert (row["outcome"], row["duplicates"]) == ("consolidated" if policy == "alert" else "failed", 2)
    assert "batch b1" in row["detail"]
    assert "2 keys are stored more than once" in row["detail"]
    audit = [dict(entry.items()) for entry in bigquery_client.query("SELECT * FROM nba_predictions.grading_duplicate_audit").result(timeout=60)]
    assert {(entry["player_lookup"], entry["duplicate_count"], entry["processor"]) for entry in audit} == {
        ("p", 2, "consolidation"),
        ("q", 2, "consolidation"),
    }
    [message] = posted(emulators, before)
    assert "2 keys are stored more than once, 2 surplus rows" in message
    assert "#consolidation-findings" in message


def test_a_table_that_stays_is_named_to_people_and_in_the_record(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.pipelines import consolidate as consolidation

    def write_late(*arguments: Any) -> Any:
        insert = f"INSERT INTO nba_predictions.{table} (player_lookup, system_id, game_id, game_date) "
        bigquery_client.query(insert + f"VALUES ('late', 'ewma_v1', 'game1', DATE '{TOMORROW}')").result(timeout=60)
        return drop(*arguments)

    drop = consolidation._drop_merged
    settings_environment.setattr(consolidation, "_drop_merged", write_late)
    table = stage(bigquery_client, "w1", ["p"])
    assert states(consolidate())["validate"] == "success"
    row = recorded(bigquery_client)
    assert row["outcome"] == "consolidated"
    assert f"{table} is kept: 1 of its rows" in row["detail"]
    [message] = posted(emulators, before)
    assert f"{table} is kept" in message
    assert "WARNING" in message


def test_three_failed_runs_open_the_breaker_of_consolidation_alone_and_a_success_closes_it(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    from nba_grading.pipelines import consolidate as consolidation
    from nba_grading.warehouse.errors import StatementFailed

    def fail(*_arguments: Any, **_keywords: Any) -> None:
        raise StatementFailed("BigQuery refused the statement: no such column")

    works = consolidation.consolidate_date
    stage(bigquery_client, "w1", ["p"])
    settings_environment.setattr(consolidation, "consolidate_date", fail)
    for _ in range(3):
        consolidate()
    assert "circuit breaker is open" in posted(emulators, before)[-1]
    assert states(consolidate())["check_inputs"] == "failed"
    settings_environment.setattr(consolidation, "consolidate_date", works)
    assert states(run_in_process("grade_predictions", game_date="2026-01-10"))["check_inputs"] == "skipped", "grading is not refused"
    assert states(consolidate(override_breaker=True))["validate"] == "success"
    assert "RESOLVED" in posted(emulators, before)[-1]
