"""The scenarios of docs/scale.md, and the figures that the model was to reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from proofs.simulate_assumptions import Assumptions
from proofs.simulate_designs import Result, simulate

SIZES = tuple((dates, rows) for rows in (10_000, 1_000_000) for dates in (180, 900, 10_000))
WRITERS = (4, 16, 32)
LEASE_WORKS, LEASE_LOST = "today", "today, no lease"


@dataclass(frozen=True)
class Row:
    """A line of a table: the name of the design and what was simulated."""

    name: str
    result: Result


@dataclass(frozen=True)
class Goal:
    """A figure of the design, estimated earlier by another model of the same rules, and what this one gives."""

    scenario: str
    figure: str
    result: Result


def side_by_side(assumptions: Assumptions) -> list[Row]:
    """A scenario in both designs; today also without the publish lease, or only without it where it does not work."""
    rows = [Row("before", simulate("before", assumptions))]
    if assumptions.publish_lease:
        rows.append(Row(LEASE_WORKS, simulate("today", assumptions)))
    rows.append(Row(LEASE_LOST, simulate("today", replace(assumptions, publish_lease=False))))
    return rows


def by_size(assumptions: Assumptions) -> Iterator[Row]:
    """Both designs for 180, 900 and 10,000 dates of 10 thousand and 1 million rows."""
    for dates, rows in SIZES:
        yield from side_by_side(replace(assumptions, dates=dates, rows_per_date=rows, publish_lease=True))


def by_writers(assumptions: Assumptions) -> Iterator[Row]:
    """Both designs for 4, 16 and 32 writers; today with and without the publish lease."""
    for writers in WRITERS:
        yield from side_by_side(replace(assumptions, writers=writers, publish_lease=True))


def goals(seed: int) -> Iterator[Goal]:
    """The earlier figures, for 900 dates of 10 thousand rows, and this model's at the same seconds: publish 15 s, other work 45 s."""
    figures = {4: "6.5 h, 3 aborts a publish, 0 failed", 16: "4.8 h, 10 aborts, 5 failed", 32: "4.2 h, 18 aborts, 50 failed"}
    base = Assumptions(seed=seed)
    for writers, figure in figures.items():
        yield Goal(f"before, {writers} writers, grades alone", figure, simulate("before", replace(base, writers=writers, aggregates=False)))
    for writers in figures:
        yield Goal(f"before, {writers} writers, aggregates too", "aggregates 19-27 h", simulate("before", replace(base, writers=writers)))
    single = replace(base, chunk_dates=1, aggregates=False)
    yield Goal("lease, one date a write, grades alone", "1.8 h, 0 aborts, worst wait 112 s", simulate("today", single))
    yield Goal("today, 16 writers, aggregates too", "<= 1 h, 0 aborts, 0 failed", simulate("today", base))
