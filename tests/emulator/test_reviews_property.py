"""The SQL of the reviews, and the percentiles of the trends, on the emulator against the second implementation, on generated rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from google.cloud import bigquery
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from nba_grading.reviews.trends import trend
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import load_sql, render_sql
from tests.reference_reviews import calibration, compare_systems, percentile, review_systems
from tests.sizes import examples
from tests.sql.test_sql_cases import insert_rows

Row = dict[str, Any]

DAY = date(2026, 1, 10)
AGES = (0, 1, 3, 6, 7, 8, 20, 35, 36, 37, -1)
WIN_RATE, MAX_P_VALUE = Decimal("0.524"), Decimal("0.2")
SYSTEMS = ("steady_v1", "lucky_v1", "wild_v1")

GENERATED = settings(
    max_examples=examples(5, full=60),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def bets_of(rng: random.Random, ages: Sequence[int]) -> list[Row]:
    """Bets of record of some days; most players have one of each system, so that pairs have player-games in common."""
    rows = []
    for age in ages:
        for system, player, game in product(SYSTEMS, range(6), range(2)):
            if rng.random() < 0.2:
                continue
            result = rng.choice(("won", "won", "lost", "lost", "push", "void", "no_bet"))
            predicted = None if rng.random() < 0.1 else Decimal(rng.randint(100, 300)) / 10
            actual = None if result == "void" else rng.randint(5, 40)
            stands = actual is not None and predicted is not None
            rows.append(
                {
                    "system_id": system,
                    "player_lookup": f"p{player}",
                    "game_id": f"g{game}",
                    "game_date": DAY - timedelta(days=age),
                    "result": result,
                    "predicted_points": predicted,
                    "actual_points": actual,
                    "absolute_error": abs(predicted - actual) if stands else None,
                    "line_error": None if actual is None else abs(Decimal("20.5") - actual),
                    "confidence_score": rng.choice((None, Decimal(rng.randint(0, 100)) / 100)),
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
    fragments = {each: load_sql(f"statistics/{each}_fragment") for each in ("clustered_rates", "upper_tails")}
    return warehouse.query(render_sql(f"reviews/{name}", **fragments), {"day": DAY, **params})


@GENERATED
@given(seed=st.integers(0, 2**32 - 1), ages=st.lists(st.sampled_from(AGES), min_size=1, max_size=8, unique=True))
def test_sql_and_reference_review_every_generated_history_alike(
    seed: int, ages: list[int], bigquery_client: bigquery.Client, warehouse: Warehouse
) -> None:
    bigquery_client.query("DELETE FROM nba_predictions.settled_bets WHERE TRUE").result(timeout=60)
    bets = bets_of(random.Random(seed), ages)
    insert_rows(bigquery_client, "nba_predictions.settled_bets", bets)
    least = {"min_days": 2, "min_errors": 5, "min_bets": 5, "min_bet_days": 2}
    limits = {"win_rate": WIN_RATE, "max_p_value": MAX_P_VALUE}
    found = run(warehouse, "review_systems", **limits, **least)
    assert_same(found, review_systems(bets, DAY, **{name: float(value) for name, value in limits.items()}, **least))
    assert_same(run(warehouse, "calibration", min_bets=3), calibration(bets, DAY, min_bets=3))
    pairs = run(warehouse, "compare_systems", min_errors=5)
    assert_same(sorted(pairs, key=pair_of), sorted(compare_systems(bets, DAY, min_errors=5), key=pair_of))
    assert [row["p_value"] for row in pairs if row["p_value"] is not None] == sorted(row["p_value"] for row in pairs if row["p_value"] is not None)


def pair_of(row: Row) -> tuple[str, ...]:
    return tuple(sorted((row["better_id"], row["worse_id"])))


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


def test_the_upper_tail_of_the_normal_distribution_is_that_of_scipy(warehouse: Warehouse) -> None:
    """Also where the approximation changes, at 7.07, and far out."""
    text = "WITH scores AS (SELECT step / 16 AS z FROM UNNEST(GENERATE_ARRAY(-600, 600)) AS step), tails AS ({tails}) SELECT z, upper_tail FROM tails"
    rows = warehouse.query(text.format(tails=load_sql("statistics/upper_tails_fragment")))
    assert len(rows) == 1201
    for row in rows:
        assert row["upper_tail"] == pytest.approx(norm.sf(min(row["z"], 37)), rel=1e-7, abs=1e-15)
