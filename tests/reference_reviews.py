"""The figures of the reviews and trends a second time, in plain Python: what the SQL is held against.

Written from docs/reviews.md and not from the SQL. ``bets`` are rows of settled_bets.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import combinations
from typing import Any

from tests.reference_market import benjamini_hochberg, clustered_rate

Row = dict[str, Any]


def review_systems(
    bets: Iterable[Row], day: date, *, win_rate: float, min_days: int, min_errors: int, min_bets: int, min_bet_days: int, max_p_value: float
) -> list[Row]:
    """The rows of reviews/review_systems.sql."""
    by_system: dict[str, list[Row]] = defaultdict(list)
    for row in bets:
        if day - timedelta(days=36) <= row["game_date"] <= day:
            by_system[row["system_id"]].append(row)
    rows = []
    for system, all_of_it in sorted(by_system.items()):
        week = [row for row in all_of_it if row["game_date"] > day - timedelta(days=7)]
        measured = [row for row in week if row["absolute_error"] is not None]
        row = {
            "system_id": system,
            "graded_days": len({row["game_date"] for row in week}),
            "settled": len(week),
            "voided": sum(row["result"] == "void" for row in week),
            "errors": len(measured),
            "mae": _mean([float(row["absolute_error"]) for row in measured]),
            "line_mae": _mean([float(row["line_error"]) for row in measured]),
            "bias": _mean(_signed(measured)),
            **_band([row for row in all_of_it if row not in week]),
            "deviation": statistics.stdev(_signed(measured)) if len(measured) > 1 else None,
            **_deviation_band([row for row in all_of_it if row not in week]),
            **_rates(week),
        }
        enough = row["errors"] >= min_errors
        row["mae_verdict"] = _verdict(row["errors"], row["mae"], row["band_low"], row["band_high"], enough and row["band_days"] >= min_days)
        deviation_days = row.pop("deviation_days")
        enough = enough and deviation_days >= min_days
        row["deviation_verdict"] = _verdict(row["errors"], row["deviation"], row["deviation_low"], row["deviation_high"], enough)
        rows.append(row)
    judged = [row for row in rows if row["decided"] >= min_bets and row["bet_days"] >= max(min_bet_days, 2)]
    corrected = benjamini_hochberg([_low_p_value(row, win_rate) for row in judged])
    for row in rows:
        row["low_p_value"] = None
        row["win_rate_verdict"] = "too_few" if row["decided"] else "no_bets"
    for row, p_value in zip(judged, corrected, strict=True):
        assert p_value is not None
        row["low_p_value"] = p_value
        row["win_rate_verdict"] = "low" if p_value <= max_p_value else "ok"
    for row in rows:
        del row["error"]
    return rows


def _low_p_value(row: Row, target: float) -> float:
    """Of a true win rate of at least the target, one-sided."""
    if row["error"] < 1e-12:
        return 0.0 if row["win_rate"] < target else 1.0
    return 0.5 * math.erfc((target - row["win_rate"]) / row["error"] / math.sqrt(2))


def _band(before: Sequence[Row]) -> Row:
    daily: dict[date, list[float]] = defaultdict(list)
    for row in before:
        if row["absolute_error"] is not None:
            daily[row["game_date"]].append(float(row["absolute_error"]))
    maes = [statistics.fmean(errors) for errors in daily.values()]
    mean, width = _mean(maes), 2 * statistics.stdev(maes) if len(maes) > 1 else None
    low, high = (None, None) if mean is None or width is None else (mean - width, mean + width)
    return {"band_days": len(maes), "band_mae": mean, "band_low": low, "band_high": high}


def _deviation_band(before: Sequence[Row]) -> Row:
    daily: dict[date, list[Row]] = defaultdict(list)
    for row in before:
        if row["absolute_error"] is not None:
            daily[row["game_date"]].append(row)
    deviations = [statistics.stdev(_signed(rows)) for rows in daily.values() if len(rows) > 1]
    if len(deviations) < 2:
        return {"deviation_days": len(deviations), "deviation_low": None, "deviation_high": None}
    mean, width = statistics.fmean(deviations), 2 * statistics.stdev(deviations)
    return {"deviation_days": len(deviations), "deviation_low": mean - width, "deviation_high": mean + width}


def _signed(rows: Sequence[Row]) -> list[float]:
    return [float(row["predicted_points"] - row["actual_points"]) for row in rows]


def _verdict(errors: int, value: float | None, low: float | None, high: float | None, is_enough: bool) -> str:
    if not errors:
        return "no_errors"
    if not is_enough or low is None or high is None:
        return "too_few"
    if value is None:
        return "inside"
    return "above" if value > high + 1e-9 else "below" if value < low - 1e-9 else "inside"


def calibration(bets: Iterable[Row], day: date, *, min_bets: int) -> list[Row]:
    """The rows of reviews/calibration.sql."""
    slices: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in bets:
        in_week = day - timedelta(days=7) < row["game_date"] <= day
        if in_week and row["result"] in ("won", "lost") and row["confidence_score"] is not None:
            slices[row["system_id"], min(int(row["confidence_score"] * 10) + 1, 10)].append(row)
    rows = []
    for (system, decile), some in sorted(slices.items()):
        confidence = statistics.fmean(float(row["confidence_score"]) for row in some)
        rates = _rates(some)
        outside = rates["win_rate_low"] is not None and not rates["win_rate_low"] <= confidence <= rates["win_rate_high"]
        rows.append(
            {
                "system_id": system,
                "confidence_decile": decile,
                "mean_confidence": confidence,
                **{name: rates[name] for name in ("decided", "win_rate", "win_rate_low", "win_rate_high")},
                "is_off": rates["decided"] >= min_bets and outside,
            }
        )
    return rows


def compare_systems(bets: Iterable[Row], day: date, *, min_errors: int) -> list[Row]:
    """The rows of reviews/compare_systems.sql, in no order."""
    errors: dict[str, dict[tuple[Any, ...], float]] = defaultdict(dict)
    for row in bets:
        if day - timedelta(days=7) < row["game_date"] <= day and row["absolute_error"] is not None:
            errors[row["system_id"]][row["game_date"], row["game_id"], row["player_lookup"]] = float(row["absolute_error"])
    rows = []
    for one, other in combinations(sorted(errors), 2):
        common = sorted(errors[one].keys() & errors[other].keys())
        if len(common) < max(min_errors, 1):
            continue
        differences = [(key[0], errors[other][key] - errors[one][key]) for key in common]
        mean = statistics.fmean(each for _, each in differences)
        days: dict[date, float] = defaultdict(float)
        for game_date, each in differences:
            days[game_date] += each - mean
        error = math.sqrt(len(days) / (len(days) - 1) * sum(each**2 for each in days.values())) / len(common) if len(days) > 1 else None
        better, worse = (one, other) if mean >= 0 else (other, one)
        rows.append(
            {
                "better_id": better,
                "worse_id": worse,
                "player_games": len(common),
                "difference": abs(mean),
                "difference_low": None if error is None else abs(mean) - 1.96 * error,
                "difference_high": None if error is None else abs(mean) + 1.96 * error,
                "p_value": None if not error or error < 1e-12 else math.erfc(abs(mean) / error / math.sqrt(2)),
            }
        )
    for row, corrected in zip(rows, benjamini_hochberg([row["p_value"] for row in rows]), strict=True):
        row["p_value"] = corrected
    return rows


def _rates(rows: Iterable[Row]) -> Row:
    """The columns of statistics/clustered_rates_fragment.sql of one slice, and the standard error; zeros and Nones without a decided bet."""
    decided = [row for row in rows if row["result"] in ("won", "lost")]
    rate, error, days = clustered_rate(decided)
    return {
        "decided": len(decided),
        "won": sum(row["result"] == "won" for row in decided),
        "bet_days": days,
        "win_rate": rate,
        "win_rate_low": None if rate is None or error is None else max(0.0, rate - 1.96 * error),
        "win_rate_high": None if rate is None or error is None else min(1.0, rate + 1.96 * error),
        "error": error,
    }


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
