"""The reference of the aggregates against means computed by hand, so that it and the SQL cannot be wrong alike."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.reference_aggregates import aggregate_day

GAME_DATE = date(2026, 1, 10)


def grade(signed_error: str, confidence: str) -> dict[str, Any]:
    return {
        "game_date": GAME_DATE,
        "system_id": "system1",
        "recommendation": "OVER",
        "is_voided": False,
        "prediction_correct": True,
        "actual_margin": Decimal(1),
        "confidence_score": Decimal(confidence),
        "signed_error": Decimal(signed_error),
        "absolute_error": abs(Decimal(signed_error)),
    }


@pytest.mark.parametrize(
    ("signed_errors", "bias", "mae"),
    [
        # (0 + 0.000000001) / 2 = 0.0000000005: the last digit kept is even, so that rounding half to even would give 0.
        (("0", "0.000000001"), "0.000000001", "0.000000001"),
        (("0", "-0.000000001"), "-0.000000001", "0.000000001"),
        # 2.0000000015: half to even would give the same.
        (("2.000000001", "2.000000002"), "2.000000002", "2.000000002"),
        # 4 / 3 = 1.3333333333…, 5 / 3 = 1.6666666666…: no halves.
        (("1", "1", "2"), "1.333333333", "1.333333333"),
        (("-1", "-2", "-2"), "-1.666666667", "1.666666667"),
    ],
)
def test_a_mean_is_rounded_to_nine_decimals_half_away_from_zero(signed_errors: tuple[str, ...], bias: str, mae: str) -> None:
    [row] = aggregate_day([grade(error, "0.6") for error in signed_errors], [], [], GAME_DATE)
    assert (row["avg_bias"], row["mae"]) == (Decimal(bias), Decimal(mae))


def test_a_mean_confidence_is_rounded_alike() -> None:
    # (0.5 + 0.500000001) / 2 = 0.5000000005
    [row] = aggregate_day([grade("1", "0.5"), grade("1", "0.500000001")], [], [], GAME_DATE)
    assert row["avg_confidence"] == Decimal("0.500000001")
