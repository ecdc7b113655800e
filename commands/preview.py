"""Say what a regrade of a range would change, through Airflow, as two tables: by change, and by system.

Usage: python -m commands.preview --from 2026-01-04 --to 2026-01-16

The range is inclusive. It is a run of the DAG preview_regrade, triggered over REST; nothing is published. AIRFLOW_API_URL and the login are
those of `make backfill`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.airflow_api import FINISHED, AirflowApi
from commands.backfill import date_range
from commands.console import CommandError, command, console, count_of
from commands.stack import local_stack

DAG_ID, TASK_ID = "preview_regrade", "preview"
POLL_SECONDS = 0.5
FIGURES = ("mae", "avg_bias", "win_rate")
UNCHANGED = "unchanged"


def run_preview(api: AirflowApi, conf: Mapping[str, Any]) -> dict[str, Any]:
    """Trigger a run, wait for it, and return its result. Raises CommandError when the DAG is paused or the run fails."""
    if api.is_paused(DAG_ID):
        raise CommandError(f"The DAG {DAG_ID} is paused, so no run of it would start: unpause it in the UI first.")
    run_id = api.trigger(DAG_ID, dict(conf))
    console.print(f"{DAG_ID}, {conf['from_date']} to {conf['to_date']}: started {run_id}", markup=False)
    try:
        with console.status("staging and comparing"):
            while (state := api.run(DAG_ID, run_id).state) not in FINISHED:
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted. Airflow continues with the run {run_id}; its task {TASK_ID} has the result as an XCom.") from None
    result = api.result(DAG_ID, run_id, TASK_ID)
    if state != "success" or result is None:
        raise CommandError(f"The run {run_id} of {DAG_ID} ended as {state}: open its task {TASK_ID} in Airflow; the log says why.")
    return dict(result)


def changes_table(result: Mapping[str, Any]) -> Table:
    """Keys by change, over all dates, and the dates that have some."""
    table = Table("change", "keys", "dates", title=f"what a regrade of {count_of(len(result['dates']), 'date')} would change")
    for column in table.columns[1:]:
        column.justify = "right"
    for change, keys in result["changes"].items():
        dates = sum(1 for row in result["by_date"] if row.get(change))
        table.add_row(change.replace("_", " "), f"{keys:,}", str(dates), style=None if change == UNCHANGED or not keys else "yellow")
    return table


def systems_table(result: Mapping[str, Any]) -> Table:
    """Keys that change and the figures before and after, by system."""
    table = Table("system", "changed keys", *(f"{name} {side}" for name in FIGURES for side in ("before", "after")), title="by system")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in result["by_system"]:
        changed = sum(row.get(change, 0) for change in result["changes"] if change != UNCHANGED)
        figures = [_figure(row[side][name]) for name in FIGURES for side in ("stored", "staged")]
        table.add_row(row["system_id"], f"{changed:,}", *figures, style="yellow" if changed else None)
    return table


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def summary(result: Mapping[str, Any]) -> str:
    """What a regrade would do, in sentences."""
    keys = sum(count for change, count in result["changes"].items() if change != UNCHANGED)
    changed = [row["game_date"] for row in result["by_date"] if any(row.get(change) for change in result["changes"] if change != UNCHANGED)]
    lines = [f"{count_of(keys, 'key')} of {count_of(len(changed), 'date')} would change; nothing was published."]
    lines += [f"{day}: a regrade would be refused. {reason}" for day, reason in result["refused"].items()]
    if changed:
        lines.append(f"To publish: `make backfill FROM={changed[0]} TO={changed[-1]} REGRADE=1`.")
    return "\n".join(lines)


@command()
def main(
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First game date, YYYY-MM-DD.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last game date, included.")] = "",
) -> None:
    """Command line; exit code 0, 1 with a sentence, 130 when interrupted (Airflow continues)."""
    start, end = date_range(first, last, "preview")
    api = AirflowApi(os.environ.get("AIRFLOW_API_URL") or local_stack().config.url("airflow"))
    result = run_preview(api, {"from_date": str(start), "to_date": str(end)})
    console.print(changes_table(result))
    console.print(systems_table(result))
    console.print(summary(result), markup=False)


if __name__ == "__main__":
    sys.exit(main())
