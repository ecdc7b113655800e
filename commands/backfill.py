"""Grade every date of a range through Airflow, wait, and say what became of each.

Usage: python -m commands.backfill --from 2026-01-04 --to 2026-01-16 [--regrade]

The range is inclusive. It is an Airflow backfill like any other, created over REST: the UI shows it, the DAG's pool and lease
guard it. Dates whose run has finished are left alone unless --regrade is given; failed ones run again. AIRFLOW_API_URL says
which Airflow (the local stack by default), AIRFLOW_API_TOKEN or AIRFLOW_API_USER and AIRFLOW_API_PASSWORD log in.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from rich.live import Live
from rich.table import Table

from commands.airflow_api import FINISHED, AirflowApi, DagRun
from commands.console import CommandError, console, sentences
from commands.stack import default_config
from nba_grading.game_dates import NEW_YORK, GameDateError, parse_game_date

DAG_ID = "grade_predictions"
POLL_SECONDS = 1.0
CREATE_WAIT_SECONDS = 3600.0
CREATION_SECONDS = 60.0
COUNTS = ("graded", "voided", "pending", "replaced", "duplicates")


@dataclass(frozen=True)
class DateResult:
    """What became of one date: the state of its run, whether this backfill ran it, and the row its run recorded."""

    game_date: date
    state: str
    ran: bool
    recorded: dict[str, Any]

    @property
    def outcome(self) -> str:
        """graded, no_predictions, no_box_scores, failed, or the state of a run that has not finished."""
        if self.state not in FINISHED:
            return self.state
        return "failed" if self.state == "failed" else str(self.recorded.get("outcome", "not recorded"))

    @property
    def failed(self) -> bool:
        """Whether the date needs somebody: its run failed, or left no record."""
        return self.outcome in ("failed", "not recorded", "no run") or bool(self.recorded.get("duplicates"))


def backfill(
    api: AirflowApi,
    first: date,
    last: date,
    *,
    regrade: bool,
    show: Callable[[list[DateResult]], None] = lambda results: None,
    say: Callable[[str], None] = lambda line: None,
) -> list[DateResult]:
    """Run the DAG for every date of the range and wait for all; ``show`` gets the state by date about once a second."""
    if api.is_paused(DAG_ID):
        raise CommandError(f"The DAG {DAG_ID} is paused, so no run of it would start: unpause it in the UI first.")
    start, end = datetime.combine(first, time_of_day.min, NEW_YORK), datetime.combine(last, time_of_day(23, 59, 59), NEW_YORK)
    before = {run.run_id: run.state for run in api.runs_between(DAG_ID, start, end)}
    busy = [run_id for run_id, state in before.items() if state not in FINISHED]
    if busy:
        say(f"{len(busy)} run(s) of the range are going on already; waiting for them as well")
    waits: set[str] = set()

    def on_wait(reason: str) -> None:
        if reason not in waits:
            waits.add(reason)
            say(f"waiting: {reason}")

    api.create_backfill(DAG_ID, start, end, reprocess="completed" if regrade else "failed", wait_s=CREATE_WAIT_SECONDS, on_wait=on_wait)
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    recorded: dict[str, dict[str, Any]] = {}
    created_by = time.monotonic() + CREATION_SECONDS
    while True:
        runs = {_game_date(run): run for run in api.runs_between(DAG_ID, start, end)}
        results = [_result(day, runs.get(day), before, recorded, regrade) for day in dates]
        for run in runs.values():
            if run.state in FINISHED and run.run_id not in recorded:
                recorded[run.run_id] = api.result(DAG_ID, run.run_id, "record_run") or {}
        show(results)
        complete = all(day in runs for day in dates) or time.monotonic() > created_by
        if complete and all(run.state in FINISHED for run in runs.values()):
            results = [_result(day, runs.get(day), before, recorded, regrade, "no run") for day in dates]
            show(results)
            return results
        time.sleep(POLL_SECONDS)


def results_table(results: Iterable[DateResult], title: str) -> Table:
    """A table by date."""
    table = Table("game_date", *COUNTS, "outcome", title=title)
    for column in table.columns[1 : 1 + len(COUNTS)]:
        column.justify = "right"
    for result in results:
        numbers = [f"{result.recorded[name]:,}" if result.recorded.get(name) is not None else "" for name in COUNTS]
        note = "" if result.ran else " (earlier run)"
        table.add_row(str(result.game_date), *numbers, result.outcome + note, style="red" if result.failed else None)
    return table


def _game_date(run: DagRun) -> date | None:
    return run.logical_date.astimezone(NEW_YORK).date() if run.logical_date else None


def _result(
    day: date, run: DagRun | None, before: dict[str, str], recorded: dict[str, dict[str, Any]], regrade: bool, missing: str = "queued"
) -> DateResult:
    if run is None:
        return DateResult(day, missing, True, {})
    ran = regrade or before.get(run.run_id) != "success"
    return DateResult(day, run.state, ran, recorded.get(run.run_id, {}))


def _range(first: str, last: str) -> tuple[date, date]:
    try:
        start, end = parse_game_date(first), parse_game_date(last)
    except GameDateError as error:
        raise CommandError(str(error)) from None
    if start > end:
        raise CommandError(f"The range is reversed: --from {start} is after --to {end}. Give the earlier date first.")
    if end > latest_date():
        raise CommandError(f"--to {end} is not over yet: the latest date that can be backfilled now is {latest_date()}.")
    return start, end


def latest_date() -> date:
    """The latest date that Airflow can backfill: its interval ends at 06:00 New York of the day after."""
    return (datetime.now(tz=NEW_YORK) - timedelta(days=1, hours=6)).date()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit code 0, 1 when a date failed or could not be asked for, 130 when interrupted (Airflow goes on)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", required=True, metavar="DATE", help="first game date")
    parser.add_argument("--to", dest="last", required=True, metavar="DATE", help="last game date, included")
    parser.add_argument("--regrade", action="store_true", help="grade finished dates again as well")
    given = parser.parse_args(arguments)
    with sentences() as outcome:
        first, last = _range(given.first, given.last)
        api = AirflowApi(os.environ.get("AIRFLOW_API_URL") or default_config().url("airflow"))
        results = run_with_progress(api, first, last, regrade=given.regrade)
        console.print(results_table(results, f"{DAG_ID}, {first} to {last}"))
        failed = [str(result.game_date) for result in results if result.failed]
        if failed:
            raise CommandError(
                f"{len(failed)} of {len(results)} dates failed or hold duplicates: {', '.join(failed)}. Look at their runs in Airflow."
            )
    return outcome.code


def run_with_progress(api: AirflowApi, first: date, last: date, *, regrade: bool) -> list[DateResult]:
    """Backfill with a line of progress: a live table on a terminal, a line per finished date elsewhere."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=2, transient=True) as live:
            return backfill(
                api, first, last, regrade=regrade, say=live.console.print, show=lambda results: live.update(results_table(results[-40:], "running"))
            )
    told: set[date] = set()

    def tell(results: list[DateResult]) -> None:
        for result in results:
            if result.recorded and result.game_date not in told:
                told.add(result.game_date)
                counts = " ".join(f"{name}={result.recorded[name]}" for name in COUNTS if result.recorded.get(name) is not None)
                console.print(f"{result.game_date} {result.outcome} {counts} ({len(told)}/{len(results)})")

    return backfill(api, first, last, regrade=regrade, say=console.print, show=tell)


if __name__ == "__main__":
    sys.exit(main())
