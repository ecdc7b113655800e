"""The SQL of the reviews, and the percentiles of the trends, on the emulator against the second implementation, on generated rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from google.cloud import bigquery
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nba_grading.reviews.trends import trend
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import load_sql, render_sql
from tests.reference_reviews import calibration, percentile, review_systems
from tests.sizes import examples
from tests.sql.test_sql_cases import insert_rows

Row = dict[str, Any]

DAY = date(2026, 1, 10)
AGES = (0, 1, 3, 6, 7, 8, 20, 35, 36, 37, -1)
WIN_RATE = Decimal("0.524")
SYSTEMS = ("steady_v1", "lucky_v1", "wild_v1")

GENERATED = settings(
    max_examples=examples(8, full=60),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def grades_of(rng: random.Random, ages: Sequence[int]) -> list[Row]:
    rows = []
    for age in ages:
        for number in range(rng.randint(1, 40)):
            is_voided = rng.random() < 0.15
            error = None if is_voided or rng.random() < 0.1 else Decimal(rng.randint(-90, 90)) / 10
            confidence = rng.choice((None, Decimal(rng.randint(0, 100)) / 100))
            correct = None if is_voided or rng.random() < 0.2 else rng.random() < rng.choice((0.2, 0.9))
            rows.append(
                {
                    "system_id": rng.choice(SYSTEMS),
                    "player_lookup": f"p{rng.randint(0, 12)}",
                    "game_id": f"g{rng.randint(0, 1)}",
                    "game_date": DAY - timedelta(days=age),
                    "line_value": Decimal(number) / 2,
                    "is_voided": is_voided,
                    "signed_error": error,
                    "absolute_error": None if error is None else abs(error),
                    "confidence_score": confidence,
                    "confidence_decile": None if confidence is None else min(int(confidence * 10) + 1, 10),
                    "prediction_correct": correct,
                }
            )
    return rows


def assert_same(found: Sequence[Row], expected: Sequence[Row]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        assert {name: (ours[name], value) for name, value in theirs.items() if not is_same(ours[name], value)} == {}


def is_same(found: Any, expected: Any) -> bool:
    if isinstance(expected, float) and found is not None:
        return abs(float(found) - expected) < 1e-6
    return bool(found == expected)


def run(warehouse: Warehouse, name: str, **params: Any) -> list[Row]:
    return warehouse.query(render_sql(f"reviews/{name}", win_rates=load_sql("reviews/win_rates_fragment")), {"day": DAY, **params})


@GENERATED
@given(seed=st.integers(0, 2**32 - 1), ages=st.lists(st.sampled_from(AGES), min_size=1, max_size=8, unique=True))
def test_sql_and_reference_review_every_generated_history_alike(
    seed: int, ages: list[int], bigquery_client: bigquery.Client, warehouse: Warehouse
) -> None:
    bigquery_client.query("DELETE FROM nba_predictions.prediction_accuracy WHERE TRUE").result(timeout=60)
    grades = grades_of(random.Random(seed), ages)
    insert_rows(bigquery_client, "nba_predictions.prediction_accuracy", grades)
    least = {"min_days": 2, "min_errors": 5, "min_player_games": 5}
    found = run(warehouse, "review_systems", win_rate=WIN_RATE, **least)
    assert_same(found, review_systems(grades, DAY, win_rate=float(WIN_RATE), **least))
    assert_same(run(warehouse, "calibration", min_player_games=3), calibration(grades, DAY, min_player_games=3))


@GENERATED
@given(runs=st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 10_000_000), st.none() | st.booleans()), min_size=1, max_size=30))
def test_percentiles_of_the_trends_are_interpolated_per_day(
    runs: list[tuple[int, int | None, bool | None]], bigquery_client: bigquery.Client, warehouse: Warehouse
) -> None:
    bigquery_client.query("DELETE FROM nba_predictions.grading_runs WHERE TRUE").result(timeout=60)
    noon = datetime(2026, 1, 10, 17, tzinfo=UTC)
    rows = [
        {
            "grading_run_id": f"run-{number}",
            "operation": "grading",
            "started_at": noon - timedelta(days=age),
            "duration_ms": ms,
            "lease_wait_ms": ms,
            "leased": leased,
            "outcome": "graded",
        }
        for number, (age, ms, leased) in enumerate(runs)
    ]
    insert_rows(bigquery_client, "nba_predictions.grading_runs", rows)
    for name, columns, counted in (
        ("grading_duration", ("median_ms", "p95_ms"), runs),
        ("lease_wait", ("median_wait_ms", "p95_wait_ms"), [each for each in runs if each[2] is not None]),
    ):
        found = trend(warehouse, name, DAY, 3)
        days = sorted({DAY - timedelta(days=age) for age, _, _ in counted if age < 3})
        assert [row["day"] for row in found] == days
        for row in found:
            values = [float(ms) for age, ms, _ in counted if DAY - timedelta(days=age) == row["day"] and ms is not None]
            for column, share in zip(columns, (0.5, 0.95), strict=True):
                expected = percentile(values, share)
                assert (row[column] is None) if expected is None else abs(row[column] - expected) < 1e-3
