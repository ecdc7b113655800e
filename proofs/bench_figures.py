"""The results of `make bench`: ratios of medians, their targets, and the closing line. No clock, no database."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proofs.figures import Target

RATIO = 3.0
ROW_BY_ROW_RATIO = 20.0
# The targets apply from this number of rows on; below it, the emulator's 30 ms per statement dominate.
PROMISED_ROWS = 263_274


@dataclass(frozen=True)
class Sample:
    """Seconds that one operation took: elapsed, and processor time of its processes."""

    clock_s: float
    cpu_s: float


@dataclass(frozen=True)
class Measurement:
    """One operation on both backends, one sample per run.

    ``rows`` are those it writes or reads, ``held`` the other rows of the table. ``compared_rows`` were compared between the backends
    afterwards; ``different_rows`` were missing on one of them.
    """

    operation: str
    rows: int
    held: int
    ours_samples: Sequence[Sample]
    floor_samples: Sequence[Sample]
    compared_rows: int
    different_rows: int

    @property
    def ours(self) -> float:
        """Median seconds through the emulator."""
        return _median(self.ours_samples)

    @property
    def floor(self) -> float:
        """Median seconds of DuckDB itself."""
        return _median(self.floor_samples)

    @property
    def ratio(self) -> float:
        """Median through the emulator, divided by the median of DuckDB itself."""
        return self.ours / self.floor

    @property
    def cpu_ratio(self) -> float:
        """The same ratio for processor time, which depends less on other load."""
        ours, floor = (statistics.median(each.cpu_s for each in samples) for samples in (self.ours_samples, self.floor_samples))
        return ours / floor


@dataclass(frozen=True)
class Copy:
    """Copying the whole table of grades once: its rows, and the median seconds through the emulator and in DuckDB itself."""

    held: int
    rows: int
    ours_s: float
    floor_s: float


@dataclass(frozen=True)
class RowByRow:
    """The old way on a date: seconds of its parts, and of the guarded write for the same date and table."""

    rows: int
    seconds: Mapping[str, float]
    ours_s: float
    different_rows: int

    @property
    def total(self) -> float:
        """Seconds of all parts."""
        return sum(self.seconds.values())

    @property
    def ratio(self) -> float:
        """Its seconds, divided by those of the guarded write."""
        return self.total / self.ours_s


@dataclass(frozen=True)
class BenchFigures:
    """All results. ``statement_s`` is the time of one empty statement through the emulator; memory is the peak in MiB by process."""

    measurements: Sequence[Measurement]
    copies: Sequence[Copy]
    row_by_row: Sequence[RowByRow]
    few_rows_consolidate_s: float
    statement_s: float
    memory_mib: Mapping[str, float]

    def largest(self, operation: str, held: int | None = None) -> Measurement:
        """The measurement of an operation with the most rows, in a table that held this many others (default: the fewest)."""
        of_operation = [each for each in self.measurements if each.operation == operation and held in (None, each.held)]
        return max(of_operation, key=lambda each: (each.rows, -each.held))

    @property
    def most_held(self) -> int:
        """Rows that the fullest table held."""
        return max(each.held for each in self.measurements if each.operation == "grade")

    def growth_s(self, operation: str) -> float:
        """Seconds that grading the largest date takes longer in the fullest table than in an empty one: grade or regrade."""
        return self.largest(operation, self.most_held).ours - self.largest(operation).ours

    @property
    def copy_growth_s(self) -> float:
        """Seconds that the emulator's own copy takes longer of the fullest table than of the emptiest."""
        seconds = {each.held: each.ours_s for each in self.copies}
        return seconds[max(seconds)] - seconds[min(seconds)]

    @property
    def different_rows(self) -> int:
        """Rows that differ between the backends, in all comparisons; 0 passes."""
        return sum(each.different_rows for each in self.measurements) + sum(each.different_rows for each in self.row_by_row)

    @property
    def old_way(self) -> RowByRow:
        """The old way on the largest date it was measured on."""
        return max(self.row_by_row, key=lambda each: each.rows)

    def line(self) -> str:
        """The closing line."""
        ratios = {
            "grade": self.largest("grade").ratio,
            f"regrade_in_{_short(self.most_held)}": self.largest("regrade", self.most_held).ratio,
            **{name: self.largest(name).ratio for name in ("dedup", "consolidate", "season")},
            "row_by_row": self.old_way.ratio,
        }
        return "bench: " + " ".join(f"{name}={ratio:.2f}x" for name, ratio in ratios.items())


def targets(figures: BenchFigures) -> list[Target]:
    """Every target. Ratios are compared as shown, to hundredths, at the sizes they apply to, in a table without other rows. A fuller table
    has a target of its own, as the emulator copies it.
    """
    promised = [
        each for each in figures.measurements if each.operation in ("grade", "dedup", "consolidate") and each.rows >= PROMISED_ROWS and not each.held
    ]
    ratios = [
        Target(
            f"{each.operation} of {each.rows:,} rows ≤ {RATIO:g}x DuckDB itself",
            _judged(each.ratio, RATIO),
            round(each.ratio, 2) <= RATIO,
        )
        for each in promised
    ]
    old = figures.old_way
    allowed = figures.copy_growth_s
    return [
        *ratios,
        *(
            Target(
                f"{operation} costs no more in a table of {figures.most_held:,} than the emulator's own copy does",
                f"{growth:+.2f} s, the copy {allowed:+.2f} s" + ("" if growth <= allowed else f", {growth - allowed:.2f} s too many"),
                growth <= allowed,
            )
            for operation in ("grade", "regrade")
            for growth in [figures.growth_s(operation)]
        ),
        Target(
            f"≥ {ROW_BY_ROW_RATIO:g}x faster than row by row, {old.rows:,} rows",
            f"{old.ratio:.1f}x" + ("" if old.ratio >= ROW_BY_ROW_RATIO else f", {ROW_BY_ROW_RATIO - old.ratio:.1f}x too few"),
            old.ratio >= ROW_BY_ROW_RATIO,
        ),
        Target("every row equal on both backends", f"{figures.different_rows:,} differ", figures.different_rows == 0),
    ]


def _median(samples: Sequence[Sample]) -> float:
    return statistics.median(each.clock_s for each in samples)


def _judged(ratio: float, limit: float) -> str:
    return f"{ratio:.2f}x" + ("" if round(ratio, 2) <= limit else f", {ratio - limit:.2f}x too many")


def _short(rows: int) -> str:
    """3,000,000 as 3m, 300,000 as 300k, 250 as 250."""
    for unit, letter in ((1_000_000, "m"), (1_000, "k")):
        if rows >= unit and rows % unit == 0:
            return f"{rows // unit}{letter}"
    return str(rows)
