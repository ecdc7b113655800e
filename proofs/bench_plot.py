"""The plot of `make bench`: ratios to DuckDB itself, and the time of grading as the table grows. Equal results give equal files."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from proofs.bench_figures import RATIO, BenchFigures

OURS, FLOOR, LIMIT = "#1f77b4", "#7f7f7f", "#d62728"


def draw(figures: BenchFigures, path: Path) -> None:
    """Write the plot in the format of the file's extension; only SVG is deterministic."""
    with mpl.rc_context({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
        shown = [
            ("grade", figures.largest("grade")),
            ("re-grade, full table", figures.largest("regrade", figures.most_held)),
            ("remove duplicates", figures.largest("dedup")),
            ("consolidate", figures.largest("consolidate")),
            ("season", figures.largest("season")),
        ]
        bars = left.barh([f"{name}\n{each.rows:,} rows" for name, each in shown], [each.ratio for _, each in shown], color=OURS)
        left.bar_label(bars, fmt="%.2fx", padding=3)
        left.axvline(RATIO, color=LIMIT, linewidth=1, linestyle="--", label=f"{RATIO:g}x")
        left.axvline(1, color=FLOOR, linewidth=1, label="DuckDB itself")
        left.invert_yaxis()
        left.set_title("times DuckDB itself")
        left.legend(frameon=False, loc="lower right")

        rows = figures.largest("grade").rows
        grades = sorted((each for each in figures.measurements if each.operation == "grade" and each.rows == rows), key=lambda each: each.held)
        copies = sorted(figures.copies, key=lambda each: each.held)
        positions = range(len(grades))
        right.plot(positions, [each.ours for each in grades], color=OURS, marker="o", label="grade, ours")
        right.plot(positions, [each.floor for each in grades], color=FLOOR, marker="o", label="grade, DuckDB itself")
        right.plot(positions, [each.ours_s for each in copies], color=LIMIT, marker="s", linestyle="--", label="the emulator's copy of the table")
        right.set_xticks(list(positions), [f"{each.held:,}" for each in grades])
        right.set_ylim(bottom=0)
        right.set_xlabel("rows that the table held before")
        right.set_ylabel("seconds")
        right.set_title(f"grading {rows:,} predictions as the table grows")
        right.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)
    if path.suffix == ".svg":  # as pre-commit leaves a text file
        path.write_text("\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()) + "\n", encoding="utf-8")
