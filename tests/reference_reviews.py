"""The figures of the reviews and trends a second time, in plain Python: what the SQL is held against.

Written from docs/reviews.md and not from the SQL. The interval is found by bisection: Wilson's are the two rates from which the observed one
lies just z standard errors away, so no formula of it is needed.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]

Z = 1.959964


def review_systems(grades: Iterable[Row], day: date, *, win_rate: float, min_days: int, min_errors: int, min_player_games: int) -> list[Row]:
    """The rows of reviews/review_systems.sql."""
    by_system: dict[str, list[Row]] = defaultdict(list)
    for row in grades:
        if day - timedelta(days=36) <= row["game_date"] <= day:
            by_system[row["system_id"]].append(row)
    rows = []
    for system, all_of_it in sorted(by_system.items()):
        week = [row for row in all_of_it if row["game_date"] > day - timedelta(days=7)]
        errors = [float(row["absolute_error"]) for row in week if row["absolute_error"] is not None]
        row = {
            "system_id": system,
            "graded_days": len({row["game_date"] for row in week}),
            "predictions": len(week),
            "voided": sum(row["is_voided"] for row in week),
            "errors": len(errors),
            "mae": _mean(errors),
            "bias": _mean([float(row["signed_error"]) for row in week if row["signed_error"] is not None]),
            **_band([row for row in all_of_it if row not in week]),
            **win_rates(week),
        }
        row["mae_verdict"] = _mae_verdict(row, min_days=min_days, min_errors=min_errors)
        row["win_rate_verdict"] = (
            "no_bets"
            if not row["decided"]
            else "too_few"
            if row["player_games"] < min_player_games
            else "low"
            if row["win_rate_high"] < win_rate
            else "ok"
        )
        rows.append(row)
    return rows


def _band(before: Sequence[Row]) -> Row:
    daily: dict[date, list[float]] = defaultdict(list)
    for row in before:
        if row["absolute_error"] is not None:
            daily[row["game_date"]].append(float(row["absolute_error"]))
    maes = [statistics.fmean(errors) for errors in daily.values()]
    mean, width = _mean(maes), 2 * statistics.stdev(maes) if len(maes) > 1 else None
    low, high = (None, None) if mean is None or width is None else (mean - width, mean + width)
    return {"band_days": len(maes), "band_mae": mean, "band_low": low, "band_high": high}


def _mae_verdict(row: Row, *, min_days: int, min_errors: int) -> str:
    if not row["errors"]:
        return "no_errors"
    if row["errors"] < min_errors or row["band_days"] < min_days or row["band_low"] is None:
        return "too_few"
    return "above" if row["mae"] > row["band_high"] + 1e-9 else "below" if row["mae"] < row["band_low"] - 1e-9 else "inside"


def calibration(grades: Iterable[Row], day: date, *, min_player_games: int) -> list[Row]:
    """The rows of reviews/calibration.sql."""
    slices: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in grades:
        in_week = day - timedelta(days=7) < row["game_date"] <= day
        if in_week and row["prediction_correct"] is not None and row["confidence_decile"] is not None:
            slices[row["system_id"], row["confidence_decile"]].append(row)
    rows = []
    for (system, decile), bets in sorted(slices.items()):
        confidence = statistics.fmean(float(row["confidence_score"]) for row in bets)
        rates = win_rates(bets)
        outside = not rates["win_rate_low"] <= confidence <= rates["win_rate_high"]
        rows.append(
            {
                "system_id": system,
                "confidence_decile": decile,
                "mean_confidence": confidence,
                **{name: value for name, value in rates.items() if name != "correct"},
                "is_off": rates["player_games"] >= min_player_games and outside,
            }
        )
    return rows


def win_rates(rows: Iterable[Row]) -> Row:
    """The columns of reviews/win_rates_fragment.sql of one slice; zeros and Nones without a decided bet."""
    games: dict[tuple[Any, ...], list[bool]] = defaultdict(list)
    for row in rows:
        if row["prediction_correct"] is not None:
            games[row["game_date"], row["game_id"], row["player_lookup"]].append(row["prediction_correct"])
    decided, correct = sum(map(len, games.values())), sum(map(sum, games.values()))
    figures: Row = {"decided": decided, "correct": correct, "player_games": len(games)}
    if not decided:
        return figures | dict.fromkeys(("effective_bets", "win_rate", "win_rate_low", "win_rate_high"))
    rate = correct / decided
    # The variance of the rate between player-games, over the one of as many independent bets: the design effect.
    surplus = [sum(verdicts) - rate * len(verdicts) for verdicts in games.values()]
    clustered, independent = math.fsum(each**2 for each in surplus) / decided**2, rate * (1 - rate) / decided
    effective = float(len(games)) if clustered < 1e-18 else decided / max(1.0, clustered / independent)
    low, high = wilson(rate, effective)
    return figures | {"effective_bets": effective, "win_rate": rate, "win_rate_low": low, "win_rate_high": high}


def wilson(rate: float, size: float) -> tuple[float, float]:
    """The two rates whose own standard error puts ``rate`` exactly Z of them away."""

    def distance(guess: float) -> float:
        return (rate - guess) ** 2 - Z**2 * guess * (1 - guess) / size

    return _root(distance, 0.0, rate), _root(distance, rate, 1.0)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    rises = function(high) > function(low)
    if function(low) == function(high) == 0:
        return low
    for _ in range(200):
        middle = (low + high) / 2
        if (function(middle) > 0) == rises:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def percentile(values: Sequence[float], share: float) -> float | None:
    """Interpolated between the two nearest values."""
    if not values:
        return None
    ordered, place = sorted(values), share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
