"""Bets of record and the market figures a second time, one row after another in plain Python: what the SQL is held against.

Written from the rules (docs/evaluation.md) and not from the SQL, so that a slip in one shows in the other. Points are Decimal, rates float.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.reference_aggregates import periods_ending
from tests.reference_grader import share_of

Row = dict[str, Any]

NEW_YORK = ZoneInfo("America/New_York")
BREAK_EVEN = 110 / 210
EPSILON = 2.220446049250313e-16


def provenance(prediction: Row, tip_off: datetime | None) -> str:
    """before_tip_off, same_day, late or unknown."""
    made = prediction.get("created_at")
    if made is None:
        return "unknown"
    if tip_off is not None:
        return "before_tip_off" if made < tip_off else "late"
    midnight = datetime.combine(prediction["game_date"] + timedelta(days=1), datetime.min.time(), NEW_YORK)
    return "same_day" if made < midnight.astimezone(UTC) else "late"


def candidates_of(predictions: Iterable[Row], game_date: date, tip_offs: Mapping[str, datetime]) -> list[tuple[Row, str]]:
    """The gradable predictions of a date that have a line, with their provenance."""
    return [
        (row, provenance(row, tip_offs.get(row["game_id"])))
        for row in predictions
        if row["game_date"] == game_date
        and row.get("is_active") is not False
        and row.get("invalidation_reason") is None
        and row.get("current_points_line") is not None
    ]


def left_out(
    predictions: Iterable[Row], complete_games: Collection[str], game_date: date, tip_offs: Mapping[str, datetime]
) -> dict[str, dict[str, int]]:
    """System → how many candidates of complete games are late, and unknown."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"late_candidates": 0, "unknown_candidates": 0})
    for row, how in candidates_of(predictions, game_date, tip_offs):
        if row["game_id"] in complete_games and how in ("late", "unknown"):
            counts[row["system_id"]][f"{how}_candidates"] += 1
    return counts


def settle(
    predictions: Iterable[Row], grades: Iterable[Row], game_date: date, tip_offs: Mapping[str, datetime] | None = None, offers: Sequence[Row] = ()
) -> list[Row]:
    """The rows of settled_bets of one date, without what tells of the write itself."""
    tip_offs = tip_offs or {}
    graded = {(row["game_id"], row["player_lookup"]): row for row in grades if row["game_date"] == game_date}
    groups: dict[tuple[str, str, str], list[tuple[Row, str]]] = defaultdict(list)
    for row, how in candidates_of(predictions, game_date, tip_offs):
        if how in ("before_tip_off", "same_day") and (row["game_id"], row["player_lookup"]) in graded:
            groups[row["system_id"], row["player_lookup"], row["game_id"]].append((row, how))
    settled = []
    for (_, player, game_id), rows in groups.items():
        own = [offer for offer in offers if (offer["game_id"], offer["player_lookup"]) == (game_id, player)]
        settled.append(_settled(rows, graded[game_id, player], tip_offs.get(game_id), own))
    return settled


def _settled(rows: list[tuple[Row, str]], grade: Row, tip_off: datetime | None, offers: Sequence[Row]) -> Row:
    newest = max(row["created_at"] for row, _ in rows)
    left = [(row, how) for row, how in rows if row["created_at"] == newest]
    if any(row.get("sportsbook") is not None for row, _ in left):
        left = [(row, how) for row, how in left if row.get("sportsbook") is not None]
    main = _lower_median({row["current_points_line"] for row, _ in left})
    bet, how = max(((row, how) for row, how in left if row["current_points_line"] == main), key=lambda one: _id_order(one[0]))
    recommendation, actual, predicted = bet.get("recommendation"), grade["actual_points"], bet.get("predicted_points")
    is_bet = recommendation in ("OVER", "UNDER")
    if grade["is_voided"]:
        result = "void"
    elif not is_bet:
        result = "no_bet"
    elif actual == main:
        result = "push"
    else:
        result = "won" if (actual > main) == (recommendation == "OVER") else "lost"
    stands = not grade["is_voided"]
    return {
        "system_id": bet["system_id"],
        "player_lookup": bet["player_lookup"],
        "game_id": bet["game_id"],
        "game_date": bet["game_date"],
        "prediction_id": bet.get("prediction_id"),
        "predicted_at": bet["created_at"],
        "provenance": how,
        "line_value": main,
        "sportsbook": bet.get("sportsbook"),
        "predicted_points": predicted,
        "recommendation": recommendation,
        "confidence_score": share_of(bet.get("confidence_score")),
        "edge": None if predicted is None else predicted - main,
        "actual_points": actual,
        "result": result,
        "absolute_error": abs(predicted - actual) if stands and predicted is not None else None,
        "line_error": abs(main - actual) if stands else None,
        "profit": {"won": 100 / 110, "lost": -1.0}.get(result, 0.0) if is_bet else None,
        "candidates": len(rows),
        **_prices(bet, result, tip_off, offers if is_bet else []),
        "close_status": _close_status(bet, tip_off, offers) if is_bet else None,
    }


def _id_order(row: Row) -> tuple[bool, str]:
    return row.get("prediction_id") is not None, row.get("prediction_id") or ""


def _lower_median(lines: set[Decimal]) -> Decimal:
    return sorted(lines)[(len(lines) - 1) // 2]


def _prices(bet: Row, result: str, tip_off: datetime | None, offers: Sequence[Row]) -> Row:
    own = [offer for offer in offers if offer["sportsbook"] == bet.get("sportsbook")]
    line, side = bet["current_points_line"], "over_price" if bet.get("recommendation") == "OVER" else "under_price"
    other = "under_price" if side == "over_price" else "over_price"
    before = [offer for offer in own if offer["line"] == line and offer["captured_at"] <= bet["created_at"]]
    taken = max(before, key=lambda offer: offer["captured_at"], default=None)
    price = _price(taken[side]) if taken else None
    fair = _fair(taken[side], taken[other]) if taken else (None, None)
    close = _last_offers(own, tip_off)
    closing_line = _lower_median({offer["line"] for offer in close}) if close else None
    same = [offer for offer in close if offer["line"] == line]
    at_close = _fair(same[0][side], same[0][other])[0] if same else None
    won = {"won": _decimal_odds(price) - 1, "lost": -1.0}.get(result, 0.0) if price is not None else None
    sign = 1 if side == "over_price" else -1
    return {
        "price": price,
        "profit_at_price": won,
        "fair_probability": fair[0],
        "fair_probability_shin": fair[1],
        "closing_line": closing_line,
        "clv_points": None if closing_line is None else sign * (closing_line - line),
        "clv_probability": None if at_close is None or fair[0] is None else at_close - fair[0],
    }


def _close_status(bet: Row, tip_off: datetime | None, offers: Sequence[Row]) -> str:
    close = _last_offers([offer for offer in offers if offer["sportsbook"] == bet.get("sportsbook")], tip_off)
    if not close or tip_off is None:
        return "none"
    return "true_close" if tip_off - close[0]["captured_at"] <= timedelta(minutes=45) else "stale"


def _last_offers(offers: Sequence[Row], tip_off: datetime | None) -> list[Row]:
    in_time = [offer for offer in offers if tip_off is not None and offer["captured_at"] <= tip_off]
    last = max((offer["captured_at"] for offer in in_time), default=None)
    return [offer for offer in in_time if offer["captured_at"] == last]


def _price(american: int | None) -> int | None:
    return american if american is not None and abs(american) >= 100 else None


def _decimal_odds(american: int) -> float:
    return 1 + (american / 100 if american > 0 else 100 / -american)


def _fair(own: int | None, other: int | None) -> tuple[float | None, float | None]:
    """The probability of a side without the margin: multiplicative, and Shin's by his own equation."""
    if _price(own) is None or _price(other) is None:
        return None, None
    one, two = 1 / _decimal_odds(own or 0), 1 / _decimal_odds(other or 0)
    return one / (one + two), _shin(one, two)


def _shin(one: float, two: float) -> float:
    """Shin's probability: the share z of insiders for which the two probabilities add up to 1, found by halving."""
    total = one + two

    def probability(share: float, z: float) -> float:
        return (math.sqrt(z * z + 4 * (1 - z) * share * share / total) - z) / (2 * (1 - z))

    low, high = (0.0, 0.99) if total >= 1 else (-10.0, 0.0)
    for _ in range(200):
        middle = (low + high) / 2
        if probability(one, middle) + probability(two, middle) > 1:
            low = middle
        else:
            high = middle
    return probability(one, low)


def judge(
    bets: Iterable[Row],
    outs: Mapping[tuple[date, str], Mapping[str, int]],
    end: date,
    is_graded: bool,
    probability_systems: Collection[str] = (),
) -> list[Row]:
    """The rows of one partition of system_market_performance, without what tells of the write itself.

    ``outs``: of each date and system with a grade, how many candidates were left out.
    """
    bets = list(bets)
    found = []
    for period_type, value, start in [*periods_ending(end, is_graded), *([("day", str(end), end)] if is_graded else [])]:
        inside = [row for row in bets if start <= row["game_date"] <= end]
        systems = {system for day, system in outs if start <= day <= end}
        slices: dict[tuple[str, str, str], list[Row]] = {(system, "all", "all"): [] for system in systems}
        for row in inside:
            for slice_type, slice_value in _slices(row):
                slices.setdefault((row["system_id"], slice_type, slice_value), []).append(row)
        period = {"period_type": period_type, "period_value": value, "period_start_date": start, "period_end_date": end}
        rows = []
        for (system, slice_type, slice_value), some in slices.items():
            left = [counts for (day, of), counts in outs.items() if of == system and start <= day <= end and slice_type == "all"]
            rows.append(
                {
                    "performance_key": f"{system}|{period_type}|{value}|{slice_type}|{slice_value}",
                    "system_id": system,
                    **period,
                    "slice_type": slice_type,
                    "slice_value": slice_value,
                    **{name: sum(counts[name] for counts in left) for name in ("late_candidates", "unknown_candidates")},
                    **figures(some, is_probability=system in probability_systems),
                }
            )
        for key in {(row["slice_type"], row["slice_value"]) for row in rows}:
            same = [row for row in rows if (row["slice_type"], row["slice_value"]) == key]
            for row, corrected in zip(same, benjamini_hochberg([row["p_value"] for row in same]), strict=True):
                row["p_value_corrected"] = corrected
        found += rows
    return found


def _slices(row: Row) -> list[tuple[str, str]]:
    slices = [("all", "all")]
    if row["edge"] is not None:
        size = abs(row["edge"])
        slices.append(("edge", next((f"{low}-{high}" for low, high in ((0, 1), (1, 2), (2, 3), (3, 5)) if low <= size < high), "5+")))
    if row["recommendation"] in ("OVER", "UNDER"):
        slices.append(("direction", row["recommendation"]))
    confidence = row["confidence_score"]
    if confidence is not None:
        slices.append(("confidence", "high" if confidence >= Decimal("0.7") else "medium" if confidence >= Decimal("0.55") else "low"))
    return slices


def figures(rows: Sequence[Row], *, is_probability: bool = False) -> Row:
    """Every figure of some settled bets of one system."""
    results = [row["result"] for row in rows]
    bets = [row for row in rows if row["recommendation"] in ("OVER", "UNDER")]
    decided = [row for row in bets if row["result"] in ("won", "lost")]
    won = results.count("won")
    rate, error, days = clustered_rate(decided)
    units = sum(row["profit"] for row in bets) if bets else 0.0
    measured = [row for row in rows if row["absolute_error"] is not None]
    system_error, line_error = (sum(float(row[name]) for row in measured) for name in ("absolute_error", "line_error"))
    skill, skill_error = _skill(measured)
    closer = sum(1.0 if row["absolute_error"] < row["line_error"] else 0.5 if row["absolute_error"] == row["line_error"] else 0.0 for row in measured)
    priced = [row for row in decided if row["price"] is not None]
    at_price = sum(row["profit_at_price"] for row in bets if row["profit_at_price"] is not None)
    true_closes = [row for row in bets if row["close_status"] == "true_close"]
    moved = [row["clv_probability"] for row in true_closes if row["clv_probability"] is not None]
    return {
        "settled": len(rows),
        "candidates": sum(row["candidates"] for row in rows),
        "before_tip_off": sum(row["provenance"] == "before_tip_off" for row in rows),
        "days": days,
        "bets": len(bets),
        "won": won,
        "lost": results.count("lost"),
        "push": results.count("push"),
        "void": sum(row["result"] == "void" for row in bets),
        "no_bet": results.count("no_bet"),
        "win_rate": rate,
        "low": None if error is None or rate is None else max(0.0, rate - 1.96 * error),
        "high": None if error is None or rate is None else min(1.0, rate + 1.96 * error),
        "p_value": None if error is None or rate is None else _p_value(rate, error),
        "p_value_corrected": None,
        "units": units,
        "roi": units / len(decided) if decided else None,
        "max_drawdown": _drawdown(bets),
        "errors": len(measured),
        "mae": system_error / len(measured) if measured else None,
        "line_mae": line_error / len(measured) if measured else None,
        "skill": skill,
        "skill_low": None if skill is None or skill_error is None else skill - 1.96 * skill_error,
        "skill_high": None if skill is None or skill_error is None else skill + 1.96 * skill_error,
        "closer_share": closer / len(measured) if measured else None,
        **_forecast([row for row in decided if row["confidence_score"] is not None] if is_probability else []),
        "priced": len(priced),
        "units_at_price": at_price if priced else None,
        "roi_at_price": at_price / len(priced) if priced else None,
        "true_closes": len(true_closes),
        "stale_closes": sum(row["close_status"] == "stale" for row in bets),
        "has_closing_coverage": bool(bets) and len(true_closes) >= len(bets) / 2,
        "clv_points": sum(float(row["clv_points"]) for row in true_closes) / len(true_closes) if true_closes else None,
        "clv_probability": sum(moved) / len(moved) if moved else None,
    }


def _by_date(rows: Iterable[Row]) -> list[tuple[date, list[Row]]]:
    days: dict[date, list[Row]] = defaultdict(list)
    for row in rows:
        days[row["game_date"]].append(row)
    return sorted(days.items())


def clustered_rate(decided: Sequence[Row]) -> tuple[float | None, float | None, int]:
    """The win rate, its standard error clustered by date, and the number of dates."""
    days = _by_date(decided)
    if not decided:
        return None, None, 0
    rate = sum(row["result"] == "won" for row in decided) / len(decided)
    if len(days) < 2:
        return rate, None, len(days)
    squares = sum((sum(row["result"] == "won" for row in rows) - rate * len(rows)) ** 2 for _, rows in days)
    return rate, math.sqrt(len(days) / (len(days) - 1) * squares) / len(decided), len(days)


def _skill(measured: Sequence[Row]) -> tuple[float | None, float | None]:
    """1 - mae / line_mae, and the standard error of that ratio, clustered by date (linearised)."""
    days = [(sum(float(row["absolute_error"]) for row in rows), sum(float(row["line_error"]) for row in rows)) for _, rows in _by_date(measured)]
    line = sum(of_line for _, of_line in days)
    if not line:
        return None, None
    ratio = sum(of_system for of_system, _ in days) / line
    if len(days) < 2:
        return 1 - ratio, None
    return 1 - ratio, math.sqrt(len(days) / (len(days) - 1) * sum((system - ratio * of_line) ** 2 for system, of_line in days)) / line


def _p_value(rate: float, error: float) -> float:
    """Of a true win rate of no more than 110/210, one-sided. An error that is rounding alone is none."""
    if error < 1e-12:
        return 0.0 if rate > BREAK_EVEN else 1.0 if rate < BREAK_EVEN else 0.5
    return 0.5 * math.erfc((rate - BREAK_EVEN) / error / math.sqrt(2))


def _drawdown(bets: Sequence[Row]) -> float | None:
    units = peak = fall = 0.0
    for _, rows in _by_date(bets):
        units += sum(row["profit"] for row in rows)
        peak = max(peak, units)
        fall = max(fall, peak - units)
    return fall


def _forecast(rows: Sequence[Row]) -> Row:
    if not rows:
        return {"brier": None, "log_loss": None, "calibration_error": None}
    pairs = [(min(max(float(row["confidence_score"]), EPSILON), 1 - EPSILON), row["result"] == "won") for row in rows]
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for row in rows:
        bins[min(int(row["confidence_score"] * 10), 9)].append((float(row["confidence_score"]), row["result"] == "won"))
    gaps = [abs(sum(confidence - won for confidence, won in some)) for some in bins.values()]
    return {
        "brier": sum((confidence - won) ** 2 for confidence, won in pairs) / len(pairs),
        "log_loss": -sum(math.log(confidence if won else 1 - confidence) for confidence, won in pairs) / len(pairs),
        "calibration_error": sum(gaps) / len(rows),
    }


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Each p-value corrected for the number of them; None stays None and does not count."""
    known = sorted(value for value in p_values if value is not None)
    corrected: dict[float, float] = {}
    least = 1.0
    for place in range(len(known), 0, -1):
        least = min(least, known[place - 1] * len(known) / place)
        corrected[known[place - 1]] = least
    return [None if value is None else corrected[value] for value in p_values]
