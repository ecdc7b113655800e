"""Predict what a backfill takes on BigQuery's documented rules: one date a write, as before, beside sets of dates, as today.

Usage: python -m proofs.simulate [--dates 900] [--rows 10000] [--writers 16] [--no-lease] [--assume NAME=VALUE …] [--json]
       python -m proofs.simulate --tables [--plot FILE.svg]      (the tables and the plot of docs/scale.md, half a minute)
       python -m proofs.simulate --local FILE.json               (the local stack, from its measured seconds)

A discrete-event simulation; nothing is contacted. Prints hours, aborts, failed dates, the worst wait to publish, jobs, bytes and
dollars. Its seconds are assumed until they are measured (proofs/simulate_assumptions.py has all values and their sources).
With --local, FILE.json has measured values by those names, such as task_overhead_seconds, staging_seconds, audit_seconds, publish_seconds;
where it also has backfill_seconds, the exit code is 1 when the prediction is off by more than 25 %.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from commands.console import CommandError, command, console
from proofs.simulate_assumptions import Assumptions, LocalMeasurement, read_measurements, with_values
from proofs.simulate_designs import Result, simulate
from proofs.simulate_scenarios import Goal, Row, by_size, by_writers, goals, side_by_side

DEFAULT = Assumptions()
LOCAL_TOLERANCE = 0.25


def results_table(title: str, rows: Iterable[Row]) -> Table:
    """A line for each simulated backfill, as a Markdown table."""
    columns = (
        "design", "dates", "rows a date", "writers", "graded, h", "all, h", "aborts a publish", "failed dates",
        "worst wait, s", "jobs", "billed, GB", "cost, $",
    )  # fmt: skip
    table = Table(*columns, title=title, box=box.MARKDOWN)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        each = row.result
        table.add_row(
            row.name,
            f"{each.dates:,}",
            f"{each.rows_per_date:,}",
            str(each.writers),
            f"{each.grading_hours:.2f}",
            f"{each.hours:.2f}",
            f"{each.aborts_per_publish:.1f}",
            f"{each.failed_dates:,}",
            f"{each.worst_wait_seconds:,.0f}",
            f"{each.jobs:,}",
            f"{each.bytes_billed / 1e9:,.0f}",
            f"{each.dollars:,.2f}",
        )
    return table


def goals_table(found: Iterable[Goal]) -> Table:
    """The earlier figures beside this model's."""
    table = Table("scenario", "earlier figure", "this model", title="earlier figures", box=box.MARKDOWN)
    for goal in found:
        table.add_row(goal.scenario, goal.figure, _sentence(goal.result))
    return table


def _sentence(result: Result) -> str:
    hours = f"{result.grading_hours:.2f} h"
    if result.hours > result.grading_hours:
        hours += f", all {result.hours:.2f} h"
    return f"{hours}; {result.aborts_per_publish:.1f} aborts, {result.failed_dates} failed, worst wait {result.worst_wait_seconds:.0f} s"


def local_prediction(measured: LocalMeasurement) -> dict[str, Any]:
    """Seconds of the local backfill as predicted: grades, and all; as measured, and their ratio, where they were measured."""
    result = simulate("today", measured.assumptions)
    predicted = result.hours * 3600
    found: dict[str, Any] = {
        "predicted_grading_seconds": result.grading_hours * 3600,
        "predicted_seconds": predicted,
        "jobs": result.jobs,
        "assumptions": asdict(measured.assumptions),
    }
    if measured.backfill_seconds is not None:
        ratio = predicted / measured.backfill_seconds
        found |= {"measured_seconds": measured.backfill_seconds, "ratio": ratio, "within_tolerance": abs(ratio - 1) <= LOCAL_TOLERANCE}
    return found


def _scenario(named: dict[str, Any], others: list[str]) -> Assumptions:
    values = dict(named)
    for each in others:
        name, separator, value = each.partition("=")
        if not separator:
            raise CommandError(f"--assume {each}: it must be NAME=VALUE.")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            raise CommandError(f"--assume {each}: {value!r} is neither a number nor true or false.") from None
    try:
        return with_values(DEFAULT, values)
    except ValueError as error:
        raise CommandError(f"{error}.") from error


@command()
def main(
    dates: Annotated[int, typer.Option(min=1, help="Dates to grade.")] = DEFAULT.dates,
    rows: Annotated[int, typer.Option(min=0, help="Predictions a date.")] = DEFAULT.rows_per_date,
    writers: Annotated[int, typer.Option(min=1, help="Writers at once: slots of the pool.")] = DEFAULT.writers,
    chunk: Annotated[int, typer.Option(min=1, help="Dates a write, today.")] = DEFAULT.chunk_dates,
    publish_seconds: Annotated[float, typer.Option(min=0, help="Seconds of a publish today, without its rows.")] = DEFAULT.publish_seconds,
    publish_seconds_per_million: Annotated[
        float, typer.Option(min=0, help="Further seconds for each million rows.")
    ] = DEFAULT.publish_seconds_per_million,
    publish_seconds_before: Annotated[float, typer.Option(min=0, help="Seconds of a publish before.")] = DEFAULT.publish_seconds_before,
    staging_seconds: Annotated[float, typer.Option(min=0, help="Seconds to stage the grades of a write.")] = DEFAULT.staging_seconds,
    audit_seconds: Annotated[float, typer.Option(min=0, help="Seconds of an audit.")] = DEFAULT.audit_seconds,
    task_overhead: Annotated[float, typer.Option(min=0, help="Seconds Airflow takes to start a task.")] = DEFAULT.task_overhead_seconds,
    slots: Annotated[int, typer.Option(min=1, help="BigQuery slots.")] = DEFAULT.slots,
    no_lease: Annotated[bool, typer.Option("--no-lease", help="The publish lease does not work.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random waits.")] = DEFAULT.seed,
    assume: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Any other assumption; can be repeated.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="The tables of docs/scale.md.")] = False,
    plot: Annotated[Path | None, typer.Option(help="File for the plot of docs/scale.md, .svg or .png.")] = None,
    local: Annotated[Path | None, typer.Option(help="Predict the local backfill from this file of measured values.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Command line; exit code 1 with a sentence, or when a local prediction is off by more than 25 %."""
    if plot and plot.suffix not in (".svg", ".png"):
        raise CommandError(f"--plot {plot}: the name must end in .svg or .png.")
    if local:
        return _show_local(local, as_json)
    named = {
        "dates": dates,
        "rows_per_date": rows,
        "writers": writers,
        "chunk_dates": chunk,
        "publish_seconds": publish_seconds,
        "publish_seconds_per_million": publish_seconds_per_million,
        "publish_seconds_before": publish_seconds_before,
        "staging_seconds": staging_seconds,
        "audit_seconds": audit_seconds,
        "task_overhead_seconds": task_overhead,
        "slots": slots,
        "publish_lease": not no_lease,
        "seed": seed,
    }
    scenario = _scenario(named, assume or [])
    if tables:
        _show_tables(scenario, as_json)
    else:
        _show({f"{scenario.dates:,} dates": side_by_side(scenario)}, scenario, as_json)
    if plot:
        from proofs.simulate_plot import draw

        draw(scenario, plot)
        if not as_json:
            console.print(f"written: {plot}", style="dim", markup=False)
    return 0


def _show(titled: dict[str, list[Row]], scenario: Assumptions, as_json: bool, earlier: Iterable[Goal] = ()) -> None:
    found = list(earlier)
    if as_json:
        tables = {title: [{"name": row.name, **asdict(row.result)} for row in rows] for title, rows in titled.items()}
        print(json.dumps({"assumptions": asdict(scenario), "tables": tables, "goals": [asdict(goal) for goal in found]}, indent=2))
        return
    for title, rows in titled.items():
        console.print(results_table(title, rows))
    if found:
        console.print(goals_table(found))


def _show_tables(scenario: Assumptions, as_json: bool) -> None:
    titled = {"by dates and rows": list(by_size(scenario)), "by writers": list(by_writers(scenario))}
    _show(titled, scenario, as_json, goals(scenario.seed))


def _show_local(path: Path, as_json: bool) -> int:
    try:
        found = local_prediction(read_measurements(path))
    except ValueError as error:
        raise CommandError(f"--local: {error}.") from error
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        console.print(f"predicted: grades {found['predicted_grading_seconds']:.0f} s, all {found['predicted_seconds']:.0f} s, {found['jobs']} jobs")
        if "ratio" in found:
            verdict = "within" if found["within_tolerance"] else "not within"
            console.print(f"measured: all {found['measured_seconds']:.0f} s; ratio {found['ratio']:.2f}, {verdict} {LOCAL_TOLERANCE:.0%}")
    return 0 if found.get("within_tolerance", True) else 1


if __name__ == "__main__":
    sys.exit(main())
