"""Measure grading, repair, consolidation and a season's aggregates as ratios to DuckDB itself, and to the old row-by-row way.

Usage: python -m proofs.bench [--quick] [--repeats 3] [--no-check] [--out FILE.json] [--plot FILE.svg]

No cloud and no Airflow: BigQuery emulators of its own, with their tables on disk, hold synthetic rows; the project's own functions run
on them through REST. The floor is DuckDB with the same functions, statements and rows, on a file of its own (duckdb_floor.py). After
each operation the rows of both are compared. Then backfills are measured through a whole Airflow (season.py), but not with --quick. Takes about
ten minutes. Prints every value, each target met or missed, and ends with
``bench: grade=…x regrade_in_3m=…x dedup=…x consolidate=…x season=…x row_by_row=…x`` and the line of the season. Exit code 1 when rows
differ or a target is missed; with --no-check or --quick, whose ratios mean nothing, only when rows differ.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.console import CommandError, command, console, progress_bar
from commands.stack_config import EMULATOR_VENV, ROOT
from proofs.backends import preload
from proofs.bench_figures import BenchFigures, RowByRow, targets
from proofs.bench_runs import FULL, QUICK, measure
from proofs.figures import Target, exit_code
from proofs.season import PREDICTIONS, SIZES, SeasonFigures, measure_season, print_season

STATE = ROOT / ".local" / "bench"
LIBRARIES = ("google-cloud-bigquery", "duckdb", "sqlglot", "pyarrow")


def figures_table(figures: BenchFigures) -> Table:
    """A row for each operation, size and table."""
    table = Table(
        "operation", "rows", "table held", "ours s", "DuckDB s", "ratio", "CPU ratio", "compared", "different", title="ours, and DuckDB itself"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    last = ""
    for each in figures.measurements:
        if last and last != each.operation:
            table.add_section()
        last = each.operation
        seconds = (f"{each.ours:.2f}", f"{each.floor:.2f}", f"{each.ratio:.2f}x", f"{each.cpu_ratio:.2f}x")
        table.add_row(each.operation, f"{each.rows:,}", f"{each.held:,}", *seconds, f"{each.compared_rows:,}", f"{each.different_rows:,}")
    return table


def remarks(figures: BenchFigures) -> list[str]:
    """Further results, one sentence each."""
    copies = ", ".join(f"{each.ours_s:.2f} s of {each.rows:,} rows ({each.floor_s:.2f} s in DuckDB itself)" for each in figures.copies)
    memory = ", ".join(f"{name} {mib:,.0f} MiB" for name, mib in figures.memory_mib.items())
    return [
        *(_old_way(each) for each in figures.row_by_row),
        f"the emulator's own copy of the table: {copies}",
        f"the same number of staging tables with a row or two each: consolidated in {figures.few_rows_consolidate_s:.2f} s",
        f"an empty statement through the emulator: {1000 * figures.statement_s:.0f} ms",
        f"peak memory: {memory}",
    ]


def _old_way(old: RowByRow) -> str:
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in old.seconds.items())
    return f"row by row: {old.total:.1f} s for {old.rows:,} rows ({parts}); ours {old.ours_s:.2f} s, {old.ratio:.1f}x faster"


def report_of(figures: BenchFigures, season: SeasonFigures | None, results: Sequence[Target], load_before: Sequence[float]) -> dict[str, Any]:
    """The JSON report: all samples, ratios and targets, and the machine."""
    return {
        "measured_at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "libraries": {name: version(name) for name in LIBRARIES},
            "emulator": sorted(path.name.removesuffix(".dist-info") for path in EMULATOR_VENV.glob("lib/*/site-packages/bqemulator-*.dist-info")),
            "load_average_before": list(load_before),
            "load_average_after": list(os.getloadavg()),
        },
        **asdict(figures),
        "measurements": [{**asdict(each), "ratio": each.ratio, "cpu_ratio": each.cpu_ratio} for each in figures.measurements],
        "row_by_row": [{**asdict(each), "ratio": each.ratio} for each in figures.row_by_row],
        "targets": [asdict(target) for target in results],
        "season_backfill": asdict(season) if season else None,
        "line": figures.line(),
    }


@command()
def main(
    quick: Annotated[bool, typer.Option("--quick", help="A few hundred rows, to check that it works; its ratios mean nothing.")] = False,
    repeats: Annotated[int | None, typer.Option(min=1, help=f"Samples of each operation; {FULL.repeats} by default.")] = None,
    out: Annotated[Path, typer.Option(help="File for the JSON report.")] = ROOT / ".local" / "bench.json",
    plot: Annotated[Path | None, typer.Option(help="File for a plot, .svg or .png.")] = None,
    no_check: Annotated[bool, typer.Option("--no-check", help="Exit code 0 although a target is missed: for a busy machine.")] = False,
) -> int:
    """Command line; exit code 1 when rows differ, a target is missed, or with a sentence."""
    sizes = QUICK if quick else FULL
    sizes = replace(sizes, repeats=repeats or sizes.repeats)
    if plot and plot.suffix not in (".svg", ".png"):
        raise CommandError(f"--plot {plot}: the name must end in .svg or .png.")
    preload()
    load_before = os.getloadavg()
    with progress_bar() as progress:
        task = progress.add_task("measuring", total=sizes.steps)
        figures = measure(STATE, sizes, lambda: progress.advance(task))
    season = None if quick else measure_season(SIZES, PREDICTIONS)
    results = [*targets(figures), *(season.targets() if season else [])]
    console.print(figures_table(figures))
    if season:
        print_season(season)
    for remark in remarks(figures):
        console.print(remark, markup=False)
    for target in results:
        console.print(str(target), style="green" if target.met else "red", markup=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report_of(figures, season, results, load_before), indent=2) + "\n", encoding="utf-8")
    console.print(f"written: {out}", style="dim", markup=False)
    if plot:
        from proofs.bench_plot import draw

        draw(figures, plot)
        console.print(f"written: {plot}", style="dim", markup=False)
    console.print(figures.line(), markup=False)
    if season:
        console.print(season.line(), markup=False)
    return 1 if figures.different_rows else exit_code(results, no_check=no_check or quick)


if __name__ == "__main__":
    sys.exit(main())
