"""The systems against the line, for the page: figures of a season with their edge bands, a sentence that sums them up, calibration curves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]

EDGE_BANDS = ("0-1", "1-2", "2-3", "3-5", "5+")


def market(rows: Iterable[Row]) -> dict[str, Any]:
    """Rows of ``list_market`` as ``sentence`` and ``systems``: each with its figures, its ``verdict``, and ``edges``, a row for each band or None."""
    whole: dict[str, Row] = {}
    edges: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row["slice_type"] == "all":
            whole[row["system_id"]] = row
        else:
            edges[row["system_id"]][row["slice_value"]] = row
    systems = [
        {**row, "verdict": verdict(row), "edges": [edges[system].get(band) for band in EDGE_BANDS]}
        for system, row in sorted(whole.items(), key=lambda each: (-(each[1]["skill"] if each[1]["skill"] is not None else -9.0), each[0]))
    ]
    return {"sentence": sentence(systems), "bands": EDGE_BANDS, "systems": systems}


def verdict(row: Row) -> str:
    """nearer or farther than the line, as far as the interval says; level if it contains 0; unknown without one."""
    if row["skill_low"] is None:
        return "unknown"
    return "nearer" if row["skill_low"] > 0 else "farther" if row["skill_high"] < 0 else "level"


def sentence(systems: Iterable[Mapping[str, Any]]) -> str:
    """What the figures say, in one sentence."""
    verdicts = [(each["system_id"], each["verdict"]) for each in systems]
    if not verdicts:
        return "No bets of record in this season yet."
    nearer = [system for system, found in verdicts if found == "nearer"]
    farther = sum(found == "farther" for _, found in verdicts)
    if nearer:
        return f"Nearer to the points than the line, beyond chance: {', '.join(nearer)}."
    return f"No system is nearer to the points than the line, beyond chance; {farther} of {len(verdicts)} are farther."


def calibration(rows: Iterable[Row]) -> dict[str, Any]:
    """Rows of ``list_calibration`` as ``systems``, each with its points: mean confidence and win rate (0-1) and the bets of a decile."""
    systems: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        systems[row["system_id"]].append({"confidence": row["mean_confidence"], "win_rate": row["won"] / row["bets"], "bets": row["bets"]})
    return {"systems": [{"system": system, "points": points} for system, points in sorted(systems.items())]}
