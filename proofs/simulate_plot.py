"""The plot of `make simulate`: hours by dates, and aborts by writers. Equal assumptions give equal files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from proofs.simulate_assumptions import Assumptions
from proofs.simulate_designs import Result, simulate

BEFORE, TODAY, UNLEASED = "#d62728", "#1f77b4", "#7f7f7f"
DATES = (32, 180, 900, 2500)
WRITERS = (2, 4, 8, 16, 24, 32)


def draw(assumptions: Assumptions, path: Path) -> None:
    """Write the plot in the format of the file's extension; only SVG is deterministic."""
    leased, unleased = replace(assumptions, publish_lease=True), replace(assumptions, publish_lease=False)
    with mpl.rc_context({"svg.hashsalt": "simulate", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
        for rows, line in ((10_000, "-"), (1_000_000, "--")):
            scenarios = [replace(leased, dates=dates, rows_per_date=rows) for dates in DATES]
            left.plot(DATES, [simulate("before", each).hours for each in scenarios], line, color=BEFORE, marker="o", label=f"before, {rows:,} rows")
            left.plot(DATES, [simulate("today", each).hours for each in scenarios], line, color=TODAY, marker="o", label=f"today, {rows:,} rows")
        left.set_xscale("log")
        left.set_yscale("log")
        left.set_xticks(list(DATES), [f"{dates:,}" for dates in DATES])
        left.set_yticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
        left.minorticks_off()
        left.set_xlabel("dates")
        left.set_ylabel("hours")
        left.set_title(f"hours until all is graded and aggregated, {assumptions.writers} writers")
        left.legend(frameon=False)

        lines: list[tuple[str, str, list[Result]]] = [
            ("before", BEFORE, [simulate("before", replace(leased, writers=writers, aggregates=False)) for writers in WRITERS]),
            ("today, no lease", UNLEASED, [simulate("today", replace(unleased, writers=writers, aggregates=False)) for writers in WRITERS]),
            ("today", TODAY, [simulate("today", replace(leased, writers=writers, aggregates=False)) for writers in WRITERS]),
        ]
        for label, color, results in lines:
            right.plot(WRITERS, [each.aborts_per_publish for each in results], color=color, marker="o", label=label)
        right.set_xticks(list(WRITERS))
        right.set_xlabel("writers")
        right.set_ylabel("aborts a publish")
        right.set_title(f"cancelled transactions, {assumptions.dates:,} dates, grades alone")
        right.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)
    if path.suffix == ".svg":  # as pre-commit leaves a text file
        path.write_text("\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()) + "\n", encoding="utf-8")
