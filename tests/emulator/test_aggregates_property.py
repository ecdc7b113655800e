"""The SQL of the aggregates on the emulator against the second implementation, on generated grades around the ends of periods.

The grades are those that grading makes of generated predictions, by the SQL for the one side and by the reference grader for the other.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from google.cloud import bigquery
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from commands.load import load_directory
from nba_grading.guarded_write.claim import UnleasedClaim
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines import aggregate as aggregates
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import PREDICTION_PERFORMANCE_SUMMARY, SYSTEM_DAILY_PERFORMANCE, Table
from tests.emulator.test_grading_property import box_scores_of, grade_on_emulator, predictions_of, write_files
from tests.reference_aggregates import NUMERIC_UNIT, aggregate_day, summarize
from tests.reference_grader import grade
from tests.sizes import examples

Row = dict[str, Any]

# Ends of periods, and the days on which their rolling periods, months and seasons begin, or end just before.
ENDS = (date(2025, 9, 30), date(2025, 10, 31), date(2026, 2, 28), date(2026, 1, 10))
OFFSETS = (0, 1, 5, 6, 7, 28, 29, 30, 31, 363, 364, 365, -1)
WRITE_COLUMNS = ("grades_version", "computed_at", "grading_run_id", "fencing_token")
CONFIDENCES = tuple(Decimal(text) for text in ("0.549999999", "0.55", "0.699999999", "0.7", "0.2", "1"))


def batch(rng: random.Random, days: Sequence[date]) -> tuple[list[Row], list[Row], list[Row]]:
    """Predictions, box scores and grades of some days."""
    predictions, box_scores, grades = [], [], []
    for day in days:
        made = predictions_of(rng, day, rng.randint(1, 60))
        for row in made:
            row["confidence_score"] = rng.choice((*CONFIDENCES, None))
        scores = box_scores_of(rng, day)
        for row in (*made, *scores):
            row["game_id"] = f"{day}_{row['game_id']}"
        predictions, box_scores, grades = predictions + made, box_scores + scores, grades + grade(made, scores, day).rows
    return predictions, box_scores, grades


def stored(client: bigquery.Client, table: Table) -> list[Row]:
    found = client.query(f"SELECT * EXCEPT ({', '.join(WRITE_COLUMNS)}) FROM {table.full_name}").result(timeout=60)
    return [dict(row.items()) for row in found]


def assert_same(found: Sequence[Row], expected: Sequence[Row], key: str) -> None:
    ours, theirs = ({row[key]: row for row in rows} for rows in (found, expected))
    assert len(found) == len(ours)
    assert ours.keys() == theirs.keys()
    for name, row in theirs.items():
        assert ours[name].keys() == row.keys()
        assert {column: value for column, value in row.items() if not is_same(ours[name][column], value)} == {}


def is_same(found: Any, expected: Any) -> bool:
    """Equal; a mean may differ by one unit of its ninth decimal.

    The reference rounds the exact mean, as BigQuery's AVG(NUMERIC) does. The emulator averages as float, so where the exact mean
    lies half way between two NUMERICs it can come out on either side. tests/unit/test_reference_aggregates.py pins the rounding.
    """
    if isinstance(found, Decimal) and isinstance(expected, Decimal):
        return abs(found - expected) <= NUMERIC_UNIT
    return bool(found == expected)


def claim_of(table: Table, day: date) -> UnleasedClaim:
    return UnleasedClaim(LeaseKey(table.operation, day), "a test of the aggregates")


@settings(
    max_examples=examples(4, full=24),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1), end=st.sampled_from(ENDS), offsets=st.sets(st.sampled_from(OFFSETS), min_size=1, max_size=6))
def test_sql_and_reference_sum_up_every_generated_batch_alike(
    seed: int, end: date, offsets: set[int], bigquery_client: bigquery.Client, warehouse: Warehouse, tmp_path: Path
) -> None:
    for table in ("player_prop_predictions", "prediction_accuracy", "system_daily_performance", "prediction_performance_summary"):
        bigquery_client.query(f"DELETE FROM nba_predictions.{table} WHERE TRUE").result(timeout=60)
    bigquery_client.query("DELETE FROM nba_box_scores.player_game_summary WHERE TRUE").result(timeout=60)
    days = sorted(end - timedelta(days=offset) for offset in offsets)
    predictions, box_scores, grades = batch(random.Random(seed), days)
    write_files(tmp_path, predictions, box_scores)
    load_directory(bigquery_client, tmp_path)
    for day in days:
        grade_on_emulator(warehouse, day)

    aggregates.aggregate_periods(warehouse, claim_of(PREDICTION_PERFORMANCE_SUMMARY, end), WriteRequest("run"))
    assert_same(stored(bigquery_client, PREDICTION_PERFORMANCE_SUMMARY), summarize(grades, end), "summary_key")

    aggregates.aggregate_day(warehouse, claim_of(SYSTEM_DAILY_PERFORMANCE, days[0]), WriteRequest("run"))
    assert_same(stored(bigquery_client, SYSTEM_DAILY_PERFORMANCE), aggregate_day(grades, predictions, box_scores, days[0]), "system_id")
