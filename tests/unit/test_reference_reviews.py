"""The second implementation against figures from elsewhere, so that both cannot be wrong alike."""

from __future__ import annotations

import pytest

from tests.reference_reviews import percentile, wilson, win_rates


@pytest.mark.parametrize(
    ("rate", "size", "low", "high"),
    [
        # https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval: the centre is (p + z²/2n) / (1 + z²/n).
        (0.5, 100, 0.403830, 0.596170),
        (0.1, 10, 0.017875, 0.404150),
        (0.0, 10, 0.0, 0.277533),
        (1.0, 10, 0.722467, 1.0),
    ],
)
def test_wilsons_interval(rate: float, size: int, low: float, high: float) -> None:
    assert wilson(rate, size) == pytest.approx((low, high), abs=2e-5)


def bets(*games: tuple[bool, ...]) -> list[dict[str, object]]:
    return [
        {"game_date": 1, "game_id": 1, "player_lookup": player, "prediction_correct": verdict}
        for player, verdicts in enumerate(games)
        for verdict in verdicts
    ]


def test_one_bet_per_player_and_game_is_one_effective_bet_each() -> None:
    assert win_rates(bets((True,), (False,), (True,)))["effective_bets"] == pytest.approx(3)


def test_bets_that_always_end_alike_are_one() -> None:
    assert win_rates(bets((True, True, True), (False, False, False)))["effective_bets"] == pytest.approx(2)


def test_percentiles_are_interpolated() -> None:
    assert (percentile([1, 2, 4], 0.5), percentile([10, 20], 0.95), percentile([], 0.5)) == (2, pytest.approx(19.5), None)
