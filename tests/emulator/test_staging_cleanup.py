"""The staging cleanup on the emulator: what is proven goes, and everything else is kept with its reason, at a few queries for hundreds."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nba_grading.pipelines import staging_cleanup
from nba_grading.pipelines.staging_cleanup import StagingTable, drop_staging_tables, judge_staging_tables
from nba_grading.warehouse.client import Warehouse
from tests.conftest import BYTES

HOLDER = "0123456789abcdef0123456789abcdef"
PREDICTIONS = "nba_predictions.player_prop_predictions"


@pytest.fixture
def filled(warehouse: Warehouse, small_date: date) -> Warehouse:
    """A date of 120 predictions, NULL lines among them."""
    return warehouse


def stage(warehouse: Warehouse, name: str, select: str = f"SELECT * FROM {PREDICTIONS} WHERE system_id = 'system1'") -> None:
    warehouse.query(f"CREATE TABLE nba_predictions.{name} AS {select}")


def verdicts(tables: list[StagingTable]) -> dict[str, str | None]:
    return {table.name: table.kept_because for table in tables}


def test_a_table_goes_only_when_each_of_its_rows_is_in_the_main_table(filled: Warehouse) -> None:
    stage(filled, "_staging_batch_a_w1")
    stage(filled, "_staging_batch_a_w2", f"SELECT * FROM {PREDICTIONS} WHERE FALSE")
    half_a_point = "SELECT * REPLACE (COALESCE(current_points_line, 0) + NUMERIC '0.5' AS current_points_line)"
    stage(filled, "_staging_batch_a_w3", f"{half_a_point} FROM {PREDICTIONS} WHERE system_id = 'system1' AND player_lookup = 'player1'")
    stage(filled, "_staging_batch_a_w4", f"SELECT * EXCEPT (current_points_line) FROM {PREDICTIONS}")
    stage(filled, "_staging_someone_elses")
    judged = judge_staging_tables(filled, older_than_days=0)
    reported = verdicts(judged)
    assert (reported["_staging_batch_a_w1"], reported["_staging_batch_a_w2"]) == (None, None)
    assert reported["_staging_batch_a_w3"] == "1 of its 1 rows are not in player_prop_predictions, or newer than there: consolidate its batch first"
    assert "current_points_line are missing" in str(reported["_staging_batch_a_w4"])
    assert "no known kind" in str(reported["_staging_someone_elses"])
    assert {table.name: table.rows for table in judged}["_staging_batch_a_w1"] == 40

    assert drop_staging_tables(filled, judged) == 2
    left = {table.table_id for table in filled.client.list_tables("nba_predictions") if table.table_id.startswith("_staging")}
    assert left == {"_staging_batch_a_w3", "_staging_batch_a_w4", "_staging_someone_elses"}
    assert drop_staging_tables(filled, judged) == 2, "a second time is no error"


def test_a_table_with_newer_values_of_a_key_is_kept(filled: Warehouse) -> None:
    later = "SELECT * REPLACE (TIMESTAMP_ADD(created_at, INTERVAL 1 HOUR) AS created_at)"
    stage(filled, "_staging_batch_a_w1", f"{later} FROM {PREDICTIONS} WHERE system_id = 'system1'")
    assert "40 of its 40 rows" in str(verdicts(judge_staging_tables(filled, 0))["_staging_batch_a_w1"])
    filled.dml(f"UPDATE {PREDICTIONS} SET updated_at = TIMESTAMP_ADD(created_at, INTERVAL 1 HOUR) WHERE TRUE")
    assert verdicts(judge_staging_tables(filled, 0)) == {"_staging_batch_a_w1": None}


def test_a_young_table_is_kept(filled: Warehouse) -> None:
    stage(filled, "_staging_batch_a_w1")
    assert verdicts(judge_staging_tables(filled, older_than_days=7)) == {"_staging_batch_a_w1": "younger than 7 days"}


def test_the_staging_table_of_a_killed_write_goes_once_its_keys_are_published(filled: Warehouse) -> None:
    name = f"_staging_prediction_accuracy_20260110_{HOLDER}"
    stage(
        filled,
        name,
        "SELECT player_lookup, game_id, game_date, system_id, current_points_line AS line_value, created_at AS graded_at FROM " + PREDICTIONS,
    )
    assert "120 of its 120 rows" in str(verdicts(judge_staging_tables(filled, 0))[name])
    filled.dml(
        "INSERT INTO nba_predictions.prediction_accuracy (player_lookup, game_id, game_date, system_id, line_value, graded_at) "
        f"SELECT player_lookup, game_id, game_date, system_id, line_value, graded_at FROM nba_predictions.{name}"
    )
    assert verdicts(judge_staging_tables(filled, 0)) == {name: None}


def test_the_staging_tables_of_killed_aggregations_go_once_figures_as_new_are_there(filled: Warehouse) -> None:
    day, made = "DATE '2026-01-10'", "TIMESTAMP '2026-01-11 12:00:00'"
    columns = {
        "system_daily_performance": ("game_date, system_id, computed_at", f"{day}, 'a', {made}"),
        "prediction_performance_summary": (
            "period_end_date, summary_key, system_id, period_type, period_value, period_start_date, player_lookup, confidence_tier, computed_at",
            f"{day}, 'a', 'a', 'month', '2026-01', {day}, '*', '*', {made}",
        ),
    }
    for table, (names, values) in columns.items():
        filled.dml(f"INSERT INTO nba_predictions.{table} ({names}) SELECT {values}")
        stage(filled, f"_staging_{table}_20260110_{HOLDER}", f"SELECT * FROM nba_predictions.{table}")
    proven = verdicts(judge_staging_tables(filled, 0))
    assert proven == dict.fromkeys(f"_staging_{table}_20260110_{HOLDER}" for table in columns)
    for table in columns:
        filled.dml(f"UPDATE nba_predictions.{table} SET computed_at = TIMESTAMP '2026-01-11 11:00:00' WHERE TRUE")
    assert all("1 of its 1 rows" in str(why) for why in verdicts(judge_staging_tables(filled, 0)).values())


class Counting(Warehouse):
    """Counts its statements."""

    statements = 0

    def _run(self, *arguments: Any, **keywords: Any) -> Any:
        self.statements += 1
        return super()._run(*arguments, **keywords)


def test_many_tables_do_not_cost_a_query_each(filled: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two for the lists of tables, then three for each group of tables: a group has 100 of them, here 3."""
    monkeypatch.setattr(staging_cleanup, "TABLES_A_QUERY", 3)
    for number in range(4):
        stage(filled, f"_staging_batch_b_w{number}", f"SELECT * FROM {PREDICTIONS} LIMIT 1")
    counting = Counting(filled.client, maximum_bytes_billed=BYTES)
    assert sum(table.is_proven for table in judge_staging_tables(counting, 0)) == 4
    assert counting.statements == 2 + 3 * 2
