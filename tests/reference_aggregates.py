"""The aggregates a second time, one grade after another in plain Python: what the SQL is held against.

Written from the rules (docs/architecture.md, Aggregates) and not from the SQL, so that a slip in one shows in the other.
Means are rounded to the nine decimals that a NUMERIC keeps, a half away from zero, as AVG(NUMERIC) rounds in BigQuery.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.reference_grader import COMPLETE_MINUTES, cannot_be_judged, is_complete

Row = dict[str, Any]

# The last decimal of a NUMERIC.
NUMERIC_UNIT = Decimal("1e-9")


def aggregate_day(grades: Iterable[Row], predictions: Iterable[Row], box_scores: Iterable[Row], game_date: date) -> list[Row]:
    """The rows of system_daily_performance of one date, without what tells of the write itself."""
    played = complete_games(box_scores, game_date)
    waiting: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for row in predictions:
        gradable = row.get("is_active") is not False and row.get("invalidation_reason") is None
        if row["game_date"] == game_date and gradable and row["game_id"] not in played:
            waiting[row["system_id"]].add((row["game_id"], row["player_lookup"], row.get("current_points_line")))
    graded: dict[str, list[Row]] = defaultdict(list)
    for row in grades:
        if row["game_date"] == game_date:
            graded[row["system_id"]].append(row)
    return [_day(game_date, system, graded[system], len(waiting[system])) for system in sorted({*graded, *waiting})]


def complete_games(box_scores: Iterable[Row], game_date: date) -> set[str]:
    """The games of a date that have a complete box score."""
    games: dict[str, list[Row]] = defaultdict(list)
    for row in box_scores:
        if row["game_date"] == game_date:
            games[row["game_id"]].append(row)
    return {game_id for game_id, rows in games.items() if cannot_be_judged(rows) or is_complete(rows, COMPLETE_MINUTES)}


def _day(game_date: date, system_id: str, grades: list[Row], pending: int) -> Row:
    standing = [row for row in grades if not row["is_voided"]]
    bets = [row for row in grades if row["recommendation"] in ("OVER", "UNDER")]
    overs = [row for row in bets if row["recommendation"] == "OVER"]
    unders = [row for row in bets if row["recommendation"] == "UNDER"]
    high = [row for row in standing if row["confidence_score"] is not None and row["confidence_score"] >= Decimal("0.70")]
    errors = [row["absolute_error"] for row in grades if row["absolute_error"] is not None]
    pushes = sum(row["actual_margin"] == 0 for row in bets)
    right, wrong = _verdicts(grades)
    row: Row = {
        "game_date": game_date,
        "system_id": system_id,
        "predictions": len(grades) + pending,
        "graded": len(standing),
        "voided": len(grades) - len(standing),
        "pending": pending,
        "recommendations": len(bets),
        "correct": right,
        "incorrect": wrong,
        "pushes": pushes,
        "passes": len(standing) - right - wrong - pushes,
        "win_rate": _share(right, right + wrong),
        "mae": _mean(errors),
        "avg_bias": _mean(row["signed_error"] for row in grades),
        "within_3_count": sum(error <= 3 for error in errors),
        "within_3_share": _share(sum(error <= 3 for error in errors), len(errors)),
        "within_5_count": sum(error <= 5 for error in errors),
        "within_5_share": _share(sum(error <= 5 for error in errors), len(errors)),
        "avg_confidence": _mean(row["confidence_score"] for row in grades),
    }
    for name, some in (("over", overs), ("under", unders), ("high_confidence", high)):
        right, wrong = _verdicts(some)
        row |= {
            f"{name}_count": len(some),
            f"{name}_correct": right,
            f"{name}_incorrect": wrong,
            f"{name}_win_rate": _share(right, right + wrong),
        }
    return row


def aggregate_players(grades: Iterable[Row], game_date: date) -> list[Row]:
    """The rows of player_daily_performance of one date, without what tells of the write itself: every grade is added to the row of its slice."""
    rows: dict[tuple[str, str, str, str | None], Row] = {}
    for grade in grades:
        if grade["game_date"] != game_date:
            continue
        tier = _tier(grade["confidence_score"])
        row = rows.setdefault(
            (grade["system_id"], grade["player_lookup"], grade["game_id"], tier),
            {
                "game_date": game_date,
                "system_id": grade["system_id"],
                "player_lookup": grade["player_lookup"],
                "game_id": grade["game_id"],
                "confidence_tier": tier,
                **dict.fromkeys(("predictions", "voided", "hits", "misses", "over_hits", "over_misses", "errors"), 0),
                "absolute_error": None,
                "signed_error": None,
            },
        )
        row["predictions"] += 1
        row["voided"] += grade["is_voided"]
        verdict = {True: "hits", False: "misses", None: None}[grade["prediction_correct"]]
        if verdict:
            row[verdict] += 1
            row[f"over_{verdict}"] += grade["recommendation"] == "OVER"
        if grade["absolute_error"] is not None:
            row["errors"] += 1
            row["absolute_error"] = (row["absolute_error"] or 0) + grade["absolute_error"]
            row["signed_error"] = (row["signed_error"] or 0) + grade["signed_error"]
    return list(rows.values())


def period_ends(grades: Iterable[Row]) -> list[date]:
    """The last days of all periods that have a grade."""
    ends: set[date] = set()
    for day in {row["game_date"] for row in grades}:
        month = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        ends |= {day, month, date(day.year + (day.month >= 10), 9, 30)}
    return sorted(ends)


def summarize(grades: Iterable[Row], period_end_date: date) -> list[Row]:
    """The rows of one partition of prediction_performance_summary, without what tells of the write itself."""
    grades = list(grades)
    graded_dates = {row["game_date"] for row in grades}
    slices: dict[tuple[str, str, str, date, str, str], list[Row]] = defaultdict(list)
    for row in grades:
        for period_type, value, start in periods_ending(period_end_date, period_end_date in graded_dates):
            if not start <= row["game_date"] <= period_end_date:
                continue
            tier = _tier(row["confidence_score"])
            for player in ("*", row["player_lookup"]):
                for confidence in ("*",) if tier is None else ("*", tier):
                    slices[row["system_id"], period_type, value, start, player, confidence].append(row)
    return [_slice(*key, period_end_date, rows) for key, rows in sorted(slices.items())]


def periods_ending(end: date, is_graded: bool) -> Iterator[tuple[str, str, date]]:
    if is_graded:
        yield "rolling_7d", str(end), end - timedelta(days=6)
        yield "rolling_30d", str(end), end - timedelta(days=29)
    if (end + timedelta(days=1)).day == 1:
        yield "month", str(end)[:7], end.replace(day=1)
    if (end.month, end.day) == (9, 30):
        yield "season", f"{end.year - 1}-{end.year % 100:02d}", date(end.year - 1, 10, 1)


def _tier(confidence: Decimal | None) -> str | None:
    if confidence is None:
        return None
    return "high" if confidence >= Decimal("0.70") else "medium" if confidence >= Decimal("0.55") else "low"


def _slice(system_id: str, period_type: str, value: str, start: date, player: str, tier: str, end: date, rows: list[Row]) -> Row:
    hits, misses = _verdicts(rows)
    over_hits, over_misses = _verdicts(row for row in rows if row["recommendation"] == "OVER")
    under_hits, under_misses = _verdicts(row for row in rows if row["recommendation"] == "UNDER")
    return {
        "summary_key": "|".join((system_id, period_type, value, player, tier)),
        "system_id": system_id,
        "period_type": period_type,
        "period_value": value,
        "period_start_date": start,
        "period_end_date": end,
        "player_lookup": player,
        "confidence_tier": tier,
        "predictions": len(rows),
        "voided": sum(row["is_voided"] for row in rows),
        "hits": hits,
        "misses": misses,
        "hit_rate": _share(hits, hits + misses),
        "over_hit_rate": _share(over_hits, over_hits + over_misses),
        "under_hit_rate": _share(under_hits, under_hits + under_misses),
        "mae": _mean(row["absolute_error"] for row in rows),
        "bias": _mean(row["signed_error"] for row in rows),
        "unique_players": len({row["player_lookup"] for row in rows}),
        "unique_games": len({row["game_id"] for row in rows}),
    }


def _verdicts(rows: Iterable[Row]) -> tuple[int, int]:
    verdicts = [row["prediction_correct"] for row in rows]
    return verdicts.count(True), verdicts.count(False)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return (sum(known, Decimal(0)) / len(known)).quantize(NUMERIC_UNIT, ROUND_HALF_UP) if known else None
