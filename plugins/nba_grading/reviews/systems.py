"""Reviews of the predicting systems by their bets of record: the milestone check of one, the weekly table of all, and which of them drift.
See docs/reviews.md.

SQL computes the values and verdicts (include/sql/reviews). This module has the thresholds that are no settings, decides what is due on a
day, and says which verdicts open and resolve a drift.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import load_sql, render_sql

WEEK = timedelta(days=7)
MONDAY = 0
# With fewer a verdict would reflect chance: the week's errors, the days of the band, the decided bets of record and their dates.
MIN_ERRORS = 100
MIN_BAND_DAYS = 10
MIN_BETS = 100
MIN_BET_DAYS = 4
MIN_DECILE_BETS = 30
# A win rate is low, and two systems differ, at these p-values; they are corrected for the number of systems and pairs.
MAX_LOW_P_VALUE = Decimal("0.025")
MAX_PAIR_P_VALUE = 0.05
# Real systems vary by 0.03 to 0.15 from day to day, in predictions per game.
MAX_VOLUME_VARIATION = Decimal("0.25")

DriftKind = Literal["mae-out-of-band", "error-spread-out-of-band", "win-rate-low"]
# For each kind: the column of its verdict, the verdicts that mean drift, and the one that means none. Others change nothing.
_VERDICTS: Mapping[DriftKind, tuple[str, frozenset[str], str]] = {
    "mae-out-of-band": ("mae_verdict", frozenset({"above", "below"}), "inside"),
    "error-spread-out-of-band": ("deviation_verdict", frozenset({"above", "below"}), "inside"),
    "win-rate-low": ("win_rate_verdict", frozenset({"low"}), "ok"),
}
DRIFT_KINDS: tuple[DriftKind, ...] = tuple(_VERDICTS)


@dataclass(frozen=True)
class Targets:
    """A system's targets: its highest MAE and the baseline's MAE, in points, and its lowest win rate, as a share."""

    mae: Decimal
    baseline_mae: Decimal
    win_rate: Decimal


def due_milestones(milestones: Mapping[str, date], day: date) -> list[str]:
    """The systems whose milestone is on the morning after ``day``, by name."""
    return sorted(system for system, set_date in milestones.items() if set_date == day + timedelta(days=1))


def is_weekly_due(day: date, weekly: bool | None) -> bool:
    """Whether the weekly table is made on the morning after ``day``: as the parameter ``weekly`` says, else on Mondays."""
    return weekly if weekly is not None else (day + timedelta(days=1)).weekday() == MONDAY


def review_milestone(warehouse: Warehouse, system_id: str, day: date, targets: Targets) -> Row:
    """The one row of reviews/review_milestone.sql over the 7 days that end on ``day``; zeros and NULLs for a system without any rows."""
    params: Params = {
        "day": day,
        "system_id": system_id,
        "mae": targets.mae,
        "win_rate": targets.win_rate,
        "max_variation": MAX_VOLUME_VARIATION,
    }
    [row] = _run(warehouse, "review_milestone", params)
    return row


def review_systems(warehouse: Warehouse, day: date, targets: Targets) -> list[Row]:
    """A row per system of reviews/review_systems.sql, by name, with ``calibration``: its rows of reviews/calibration.sql.

    Empty when no system has a bet of record in the 37 days that end on ``day``.
    """
    params: Params = {
        "day": day,
        "win_rate": targets.win_rate,
        "min_days": MIN_BAND_DAYS,
        "min_errors": MIN_ERRORS,
        "min_bets": MIN_BETS,
        "min_bet_days": MIN_BET_DAYS,
        "max_p_value": MAX_LOW_P_VALUE,
    }
    deciles: dict[str, list[Row]] = defaultdict(list)
    for row in _run(warehouse, "calibration", {"day": day, "min_bets": MIN_DECILE_BETS}):
        deciles[row["system_id"]].append(row)
    return [{**row, "calibration": deciles[row["system_id"]]} for row in _run(warehouse, "review_systems", params)]


def compare_systems(warehouse: Warehouse, day: date) -> list[Row]:
    """The rows of reviews/compare_systems.sql: pairs of systems over the player-games that both predicted in the week, surest first."""
    return _run(warehouse, "compare_systems", {"day": day, "min_errors": MIN_ERRORS})


def is_drifting(row: Mapping[str, Any], kind: DriftKind) -> bool | None:
    """Whether the system of a row of ``review_systems`` drifts; None when there are too few data to say."""
    column, named, cleared = _VERDICTS[kind]
    return True if row[column] in named else False if row[column] == cleared else None


def gone_systems(rows: Iterable[Mapping[str, Any]], systems: Iterable[str]) -> list[str]:
    """Those of ``systems`` without a row: they have had no bet of record for more than a month."""
    return sorted(set(systems) - {row["system_id"] for row in rows})


def _run(warehouse: Warehouse, name: str, params: Params) -> list[Row]:
    fragments = {each: load_sql(f"statistics/{each}_fragment") for each in ("clustered_rates", "upper_tails")}
    return warehouse.query(render_sql(f"reviews/{name}", **fragments), params)
