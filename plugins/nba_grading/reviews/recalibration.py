"""Recalibration: a map from a system's confidence to the share of its bets of record that were won. See docs/evaluation.md.

SQL counts bets and wins per confidence; SciPy fits an isotonic map on all but the last two weeks and judges it on those. A fit is a version:
one row of ``confidence_calibration`` per system and day, written by the guarded write. Nothing here applies a map.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.publish import write_dates
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import Write
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.sql import load_sql
from nba_grading.warehouse.tables import CONFIDENCE_CALIBRATION

log = get_logger(__name__)

# Decided bets of record in the 60 days; with fewer a map would follow chance.
MIN_BETS = 300
BINS = 10
# Fits are made anew: a day may lose those of systems that no longer have enough bets.
ANY_SHRINK = 1.0


@dataclass(frozen=True)
class Fit:
    """A fitted map of one system and how it did on the days held out; ``points`` is a JSON array of [confidence, win rate]."""

    system_id: str
    points: str
    fitted_bets: int
    held_out_bets: int
    brier_before: float
    brier_after: float
    calibration_error_before: float
    calibration_error_after: float

    @property
    def accepted(self) -> bool:
        """Whether the map improves both scores on the days held out."""
        return self.brier_after < self.brier_before and self.calibration_error_after < self.calibration_error_before


@dataclass(frozen=True)
class Counts:
    """Bets by confidence, ascending: three arrays of one length."""

    confidence: np.ndarray
    bets: np.ndarray
    won: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Counts:
        """From rows of reviews/count_confidences.sql."""
        ordered = sorted(rows, key=itemgetter("confidence"))
        return cls(*(np.array([row[name] for row in ordered], dtype=float) for name in ("confidence", "bets", "won")))

    @property
    def total(self) -> int:
        """How many bets there are."""
        return int(self.bets.sum())

    def brier(self, probability: np.ndarray) -> float:
        """Mean squared difference of a probability, one for each confidence, and the outcome."""
        return float(np.sum(self.won * (1 - probability) ** 2 + (self.bets - self.won) * probability**2) / self.bets.sum())

    def calibration_error(self, probability: np.ndarray) -> float:
        """Mean difference of probability and win rate over ten bins of equal width, weighted by their bets."""
        bins = np.minimum(np.floor(probability * BINS).astype(int), BINS - 1)
        gaps = np.bincount(bins, weights=self.bets * probability - self.won, minlength=BINS)
        return float(np.abs(gaps).sum() / self.bets.sum())


def recalibrate(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Fit the systems of GRADING_PROBABILITY_SYSTEMS on the bets up to the one claimed day, and store the fits.

    Raises what ``write_dates`` raises. The facts of the day name the fitted and the accepted systems.
    """
    [day] = claimed.dates
    systems = list(get_settings().grading_probability_systems)
    fits = fit_systems(warehouse.query_file("reviews/count_confidences", {"day": day, "systems": systems}), systems) if systems else []
    for fit in fits:
        log.info("confidence_recalibrated", day=day, **asdict(fit), accepted=fit.accepted)
    rows = json.dumps([{**asdict(fit), "accepted": fit.accepted} for fit in fits])
    params = {"fits": rows, "grading_run_id": request.grading_run_id}
    write = Write(CONFIDENCE_CALIBRATION, load_sql("reviews/store_calibrations"), params, request.grading_run_id, max_shrink=ANY_SHRINK)
    written = write_dates(warehouse, claimed, write)
    facts = {"fitted": [fit.system_id for fit in fits], "accepted": [fit.system_id for fit in fits if fit.accepted]}
    return WriteReport(written, {day: facts})


def fit_systems(rows: Sequence[Row], systems: Iterable[str]) -> list[Fit]:
    """A fit of each of these systems with enough decided bets; ``rows`` are those of reviews/count_confidences.sql."""
    fits = []
    for system_id in systems:
        counts = [row for row in rows if row["system_id"] == system_id]
        fitted, held_out = (Counts.of([row for row in counts if row["is_held_out"] is held]) for held in (False, True))
        if fitted.total + held_out.total < MIN_BETS or not fitted.total or not held_out.total:
            # A name in the setting that no system has comes here too, with no bets.
            log.warning("too_few_bets_to_recalibrate", system=system_id, bets=fitted.total, held_out=held_out.total, least=MIN_BETS)
            continue
        fits.append(_fit(system_id, fitted, held_out))
    return fits


def _fit(system_id: str, fitted: Counts, held_out: Counts) -> Fit:
    x, y = fit_map(fitted)
    mapped = np.interp(held_out.confidence, x, y)
    return Fit(
        system_id=system_id,
        points=json.dumps([[float(confidence), float(rate)] for confidence, rate in zip(x, y, strict=True)]),
        fitted_bets=fitted.total,
        held_out_bets=held_out.total,
        brier_before=held_out.brier(held_out.confidence),
        brier_after=held_out.brier(mapped),
        calibration_error_before=held_out.calibration_error(held_out.confidence),
        calibration_error_after=held_out.calibration_error(mapped),
    )


def fit_map(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Confidences and win rates of the isotonic map: those at which it bends, ascending; linear between two, flat outside."""
    rates = isotonic_regression(counts.won / counts.bets, weights=counts.bets).x
    bends = np.ones(len(rates), dtype=bool)
    # Of a flat stretch the two ends suffice.
    bends[1:-1] = (rates[1:-1] != rates[:-2]) | (rates[1:-1] != rates[2:])
    return counts.confidence[bends], rates[bends]
