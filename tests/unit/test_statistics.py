"""The statistics against well-kept libraries, and against simulation: the second implementation that the SQL is held against, and what SciPy
does for us.
"""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import beta, false_discovery_control
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

from nba_grading.reviews.recalibration import Counts, fit_map, fit_systems
from nba_grading.reviews.watchlist import LEAVES_UNDER, LISTED_OVER, list_players, prior
from tests.reference_market import _fair, _shin, benjamini_hochberg, clustered_rate, figures

DAY = date(2026, 1, 11)
Row = dict[str, Any]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_and_hochberg_are_those_of_scipy(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(list(false_discovery_control(p_values)))


def test_a_p_value_that_is_missing_counts_for_nothing() -> None:
    assert benjamini_hochberg([None, 0.01, None, 0.04]) == [None, 0.02, None, 0.04]


def decided(rng: random.Random, days: int) -> list[Row]:
    """Bets of days whose win rates differ: a night is good or bad for all of them."""
    rows = []
    for day in range(days):
        rate = rng.choice((0.3, 0.5, 0.75))
        rows += [{"game_date": DAY - timedelta(days=day), "result": "won" if rng.random() < rate else "lost"} for _ in range(rng.randint(5, 40))]
    return rows


def test_the_clustered_error_is_that_of_a_bootstrap_of_dates() -> None:
    rows = decided(random.Random(5), days=120)
    rate, error, _ = clustered_rate(rows)
    assert rate is not None
    assert error is not None
    won = {day: sum(row["result"] == "won" for row in rows if row["game_date"] == day) for day in {row["game_date"] for row in rows}}
    counts = np.array([(won[day], sum(row["game_date"] == day for row in rows)) for day in won])
    generator, draws = np.random.default_rng(5), 4000
    drawn = counts[generator.integers(len(counts), size=(draws, len(counts)))].sum(axis=1)
    bootstrapped = (drawn[:, 0] / drawn[:, 1]).std()
    # The bootstrap's own Monte-Carlo error is 1 / sqrt(2 draws), 1.1 %; four of them, and a per cent for G / (G - 1).
    assert error == pytest.approx(bootstrapped, rel=0.06)
    independent = math.sqrt(rate * (1 - rate) / len(rows))
    assert error > 1.5 * independent, "bets of one night are no independent bets"


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=2, max_size=60))
def test_brier_score_and_log_loss_are_those_of_scikit_learn(bets: list[tuple[int, bool]]) -> None:
    rows = [
        {
            "game_date": DAY,
            "recommendation": "OVER",
            "result": "won" if won else "lost",
            "confidence_score": Decimal(confidence) / 1000,
            **dict.fromkeys(("absolute_error", "line_error", "price", "profit_at_price", "close_status", "clv_probability", "clv_points")),
            **{"profit": 0.0, "candidates": 1, "provenance": "same_day"},
        }
        for confidence, won in bets
    ]
    found = figures(rows, is_probability=True)
    probabilities, outcomes = [confidence / 1000 for confidence, _ in bets], [won for _, won in bets]
    assert found["brier"] == pytest.approx(brier_score_loss(outcomes, probabilities, pos_label=True))
    assert found["log_loss"] == pytest.approx(log_loss(outcomes, probabilities, labels=[False, True]))
    counts = Counts.of([{"confidence": confidence / 1000, "bets": 1, "won": int(won)} for confidence, won in bets])
    assert counts.brier(counts.confidence) == pytest.approx(found["brier"])


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50), st.floats(0, 1)), min_size=1, max_size=40, unique_by=lambda each: each[0]))
def test_the_map_is_the_isotonic_regression_of_scikit_learn(counted: list[tuple[int, int, float]]) -> None:
    rows = [{"confidence": confidence / 100, "bets": bets, "won": round(bets * share)} for confidence, bets, share in counted]
    x, y = fit_map(Counts.of(rows))
    model = IsotonicRegression(out_of_bounds="clip")
    model.fit([row["confidence"] for row in rows], [row["won"] / row["bets"] for row in rows], sample_weight=[row["bets"] for row in rows])
    asked = np.linspace(0, 1, 301)
    assert np.interp(asked, x, y) == pytest.approx(model.predict(asked))
    assert len(x) <= max(2, 2 * len(set(y.round(12)))), "of a flat stretch only the ends are kept"


def confidences(system: str, *, held_out: bool, bets: int, shift: float) -> list[Row]:
    """Bets whose win rate is their confidence less ``shift``, at five confidences."""
    points = (0.5, 0.6, 0.7, 0.8, 0.9)
    return [{"system_id": system, "confidence": c, "is_held_out": held_out, "bets": bets, "won": round(bets * (c - shift))} for c in points]


def test_a_map_is_accepted_only_if_it_improves_the_days_held_out() -> None:
    rows = [
        *(row for held in (False, True) for row in confidences("overconfident", held_out=held, bets=60, shift=0.2)),
        *(row for held in (False, True) for row in confidences("calibrated", held_out=held, bets=60, shift=0)),
        # It was overconfident, and is no more: the map of the past makes it worse.
        *confidences("mended", held_out=False, bets=60, shift=0.2),
        *confidences("mended", held_out=True, bets=60, shift=0),
        *(row for held in (False, True) for row in confidences("few", held_out=held, bets=29, shift=0.2)),
        *confidences("silent_lately", held_out=False, bets=100, shift=0.2),
    ]
    fits = {fit.system_id: fit for fit in fit_systems(rows, ["calibrated", "few", "mended", "overconfident", "silent_lately", "unheard_of"])}
    assert {system: fit.accepted for system, fit in fits.items()} == {"calibrated": False, "mended": False, "overconfident": True}
    assert (fits["overconfident"].fitted_bets, fits["overconfident"].held_out_bets) == (300, 300)
    assert fits["overconfident"].calibration_error_before == pytest.approx(0.2)
    assert fits["overconfident"].calibration_error_after == pytest.approx(0)


def players(counts: list[tuple[int, int]], since: date | None = None) -> list[Row]:
    return [{"system_id": "s", "player_lookup": f"p{n:03d}", "decided": bets, "won": won, "since": since} for n, (bets, won) in enumerate(counts)]


def test_the_prior_finds_the_spread_that_made_the_players() -> None:
    generator = np.random.default_rng(3)
    rates = generator.beta(0.55 * 40, 0.45 * 40, size=4000)
    bets = generator.integers(10, 60, size=4000)
    rate, strength = prior(bets.astype(float), generator.binomial(bets, rates).astype(float))
    assert rate == pytest.approx(0.55, abs=0.01)
    assert strength == pytest.approx(40, rel=0.15)


def test_players_who_do_not_differ_are_shrunk_to_the_system() -> None:
    rate, strength = prior(np.full(50, 20.0), np.full(50, 10.0))
    assert rate == 0.5
    assert strength > 100_000
    assert prior(np.zeros(3), np.zeros(3))[0] == 0.5


def test_a_probability_is_the_posteriors_and_decides_who_is_listed() -> None:
    counts = [(40, 8), (40, 30), (14, 0), (40, 22), (40, 21), *[(30, 13 + n % 7) for n in range(40)], *[(30, 6)] * 2, *[(30, 25)] * 2]
    rows = players(counts)
    rate, strength = prior(*(np.array(column, dtype=float) for column in zip(*counts, strict=True)))
    entries = {entry.player_lookup: entry for entry in list_players(rows, DAY)}
    assert list(entries) == ["p000", "p045", "p046"], "p002 has too few bets"
    entry = entries["p000"]
    posterior = beta(rate * strength + 8, (1 - rate) * strength + 32)
    assert entry.probability == pytest.approx(posterior.cdf(0.476))
    assert entry.shrunk_win_rate == pytest.approx(posterior.mean())
    assert (entry.since, entry.until, entry.win_rate) == ("2026-01-11", None, 0.2)
    assert entry.reason.startswith("8 of 40 decided bets won; shrunk towards the system ")


def test_a_system_that_loses_every_bet_has_every_player_with_enough_of_them_on_its_list() -> None:
    entries = list_players(players([(15, 0), (14, 0), (30, 0)]), DAY)
    assert [(entry.player_lookup, round(entry.probability, 6)) for entry in entries] == [("p000", 1.0), ("p002", 1.0)]
    assert list_players(players([(30, 30), (30, 30)]), DAY) == []


def test_who_is_listed_stays_down_to_the_lower_bound_and_leaves_under_it() -> None:
    others = [(30, 8 + n % 16) for n in range(60)]
    before = date(2026, 1, 4)
    found = {}
    for won in range(31):
        rows = [*players([(30, won)], since=before), *[{**row, "player_lookup": f"q{row['player_lookup']}"} for row in players(others)]]
        [entry] = [each for each in list_players(rows, DAY) if each.player_lookup == "p000"]
        found[won] = entry
        assert entry.since == "2026-01-04"
        assert (entry.until is None) == (entry.probability >= LEAVES_UNDER)
    assert any(LEAVES_UNDER <= entry.probability <= LISTED_OVER for entry in found.values()), "listed, and would not enter"
    assert found[30].until == "2026-01-11"


def test_a_listed_player_without_bets_leaves() -> None:
    rows = [*players([(0, 0)], since=date(2026, 1, 4)), *[{**row, "player_lookup": f"q{n}"} for n, row in enumerate(players([(30, 17)] * 20))]]
    [entry] = list_players(rows, DAY)
    assert (entry.until, entry.win_rate) == ("2026-01-11", None)
    assert entry.reason.startswith("no decided bet in 90 days")


@given(st.floats(0.02, 0.98), st.floats(1.0, 1.15))
def test_shins_equation_for_two_outcomes_takes_half_of_the_margin_off_each(fair: float, total: float) -> None:
    margin = total - 1
    one, two = fair + margin / 2, 1 - fair + margin / 2
    assume(one < 1 and two < 1)
    assert _shin(one, two) == pytest.approx((1 + one - two) / 2, abs=1e-6)


def test_a_fair_price_by_hand() -> None:
    # -110 both ways: 11/21 each. -150 and +130: 0.6 and 0.43478, together 1.03478.
    assert _fair(-110, -110) == pytest.approx((0.5, 0.5))
    assert _fair(-150, 130) == pytest.approx((0.6 / (0.6 + 100 / 230), (1 + 0.6 - 100 / 230) / 2))
    assert _fair(-110, None) == (None, None)


def test_the_example_of_the_docs_by_hand() -> None:
    nights = {1: "won won won lost", 2: "won lost lost lost push", 3: "won won lost void"}
    rows = [
        {
            "game_date": date(2026, 1, night),
            "recommendation": "OVER",
            "result": result,
            "profit": {"won": 100 / 110, "lost": -1.0}.get(result, 0.0),
            "candidates": 1,
            "provenance": "same_day",
            **dict.fromkeys(("absolute_error", "line_error", "price", "profit_at_price", "close_status", "clv_probability", "clv_points")),
        }
        for night, results in nights.items()
        for result in results.split()
    ]
    found = figures(rows)
    assert (found["bets"], found["won"], found["lost"], found["push"], found["void"], found["days"]) == (13, 6, 5, 1, 1, 3)
    by_hand = {"win_rate": 0.5455, "low": 0.222, "high": 0.869, "p_value": 0.448, "units": 0.455, "roi": 0.041, "max_drawdown": 2.091}
    assert {name: found[name] for name in by_hand} == pytest.approx(by_hand, abs=6e-4)
