"""Time series: each system's MAE and win rate over seven days, and the trend of each data-quality check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

WINDOW = timedelta(days=7)

Row = Mapping[str, Any]


def systems(rows: Iterable[Row]) -> dict[str, Any]:
    """Rows of ``list_system_days`` as ``dates`` and, per system, ``mae`` (points) and ``win_rate`` (0-1) over the seven days up to each date.

    None where a system has no row on the date, or nothing to average in those days.
    """
    by_system: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_system[row["system_id"]].append(row)
    dates = sorted({row["game_date"] for days in by_system.values() for row in days})
    curves = []
    for system, days in sorted(by_system.items()):
        on = {
            row["game_date"]: _window([other for other in days if row["game_date"] - WINDOW < other["game_date"] <= row["game_date"]]) for row in days
        }
        points = [on.get(day, (None, None)) for day in dates]
        curves.append({"system": system, "mae": [point[0] for point in points], "win_rate": [point[1] for point in points]})
    return {"dates": dates, "systems": curves}


def _window(days: Sequence[Row]) -> tuple[float | None, float | None]:
    weighed = [(float(day["mae"]), int(day["graded"])) for day in days if day["mae"] is not None and day["graded"]]
    weight = sum(graded for _, graded in weighed)
    mae = sum(error * graded for error, graded in weighed) / weight if weight else None
    right, wrong = (sum(int(day[name] or 0) for day in days) for name in ("correct", "incorrect"))
    return mae, right / (right + wrong) if right + wrong else None


def quality(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows of ``list_quality`` as one entry per check, worst first: its newest result and its ``trend``, (day, value, status), oldest first."""
    by_check: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_check[row["check_name"]].append(row)
    worst_first = {"broken": 0, "failed": 1, "warned": 2}
    entries = [{**results[-1], "trend": [(row["day"], row["value"], row["status"]) for row in results]} for results in by_check.values()]
    return sorted(entries, key=lambda entry: (worst_first.get(entry["status"], 3), entry["check_name"]))
