"""Grade every date of a range through Airflow, wait, and report the outcome of each.

Usage: python -m commands.backfill --from 2026-01-04 --to 2026-01-16 [--regrade]

The range is inclusive. It is an Airflow backfill like any other, created over REST: the UI shows it, the DAG's pool and lease
guard it. A date is finished once its run recorded the outcome ``graded``: it is left alone unless --regrade is given. A date
whose run failed, or found no predictions or no box scores, runs again. AIRFLOW_API_URL says which Airflow (the local stack by default),
AIRFLOW_API_TOKEN or AIRFLOW_API_USER and AIRFLOW_API_PASSWORD log in.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from commands.airflow_api import FINISHED, AirflowApi, DagRun
from commands.console import CommandError, command, console, count_of
from commands.stack import local_stack
from nba_grading.game_dates import NEW_YORK, GameDateError, parse_game_date

DAG_ID = "grade_predictions"
POLL_SECONDS = 1.0
CREATE_WAIT_SECONDS = 3600.0
CREATION_SECONDS = 60.0
COUNTS = ("graded", "voided", "pending", "replaced", "duplicates")
RECORD_TASK = "record_run"
GRADED = "graded"
REASONS = {"no_predictions": "predictions", "no_box_scores": "box scores"}


@dataclass(frozen=True)
class DateResult:
    """One date: the state of its run, whether this backfill ran it, and the row its run recorded."""

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
    """Run the DAG for every date of the range that is not graded, or for all with ``regrade``, and wait.

    ``show`` gets the state by date about once a second, ``say`` a line for each step. Raises CommandError when the DAG is paused, and
    KeyboardInterrupt with a sentence when interrupted after the start, as Airflow then continues.
    """
    if api.is_paused(DAG_ID):
        raise CommandError(f"The DAG {DAG_ID} is paused, so no run of it would start: unpause it in the UI first.")
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    try:
        graded = _start(api, dates, regrade, say)
        return _wait(api, dates, graded, show)
    except KeyboardInterrupt:
        again = f"make backfill FROM={first} TO={last}"
        raise KeyboardInterrupt(f"Interrupted. Airflow continues with the runs that were started; `{again}` waits for them again.") from None


def _start(api: AirflowApi, dates: Sequence[date], regrade: bool, say: Callable[[str], None]) -> set[date]:
    """Start a run of every date that needs one; returns the dates that are graded already and left alone."""
    runs = _runs_by_date(api, dates)
    finished = {} if regrade else {day: run for day, run in runs.items() if run.state in FINISHED}
    graded = {day for day, run in finished.items() if run.state == "success" and _recorded(api, run).get("outcome") == GRADED}
    parts = [f"{count_of(len(dates) - len(graded), 'date')} to grade"]
    active = sum(run.state not in FINISHED for run in runs.values())
    if active:
        parts.append(f"{count_of(active, 'date')} with a run that is active already")
    if graded:
        parts.append(f"{count_of(len(graded), 'date')} graded already and left alone (REGRADE=1 or --regrade grades such dates again)")
    say(f"{DAG_ID}, {dates[0]} to {dates[-1]}: {'; '.join(parts)}")
    api.clear_runs(DAG_ID, [run.run_id for day, run in finished.items() if day not in graded])
    if not regrade and all(day in runs for day in dates):
        return graded
    reasons: set[str] = set()

    def on_wait(reason: str) -> None:
        if reason not in reasons:
            reasons.add(reason)
            say(f"waiting: {reason}")

    reprocess = "completed" if regrade else "none"
    api.create_backfill(DAG_ID, *_window(dates), reprocess=reprocess, wait_s=CREATE_WAIT_SECONDS, on_wait=on_wait)
    return graded


def _wait(api: AirflowApi, dates: Sequence[date], graded: set[date], show: Callable[[list[DateResult]], None]) -> list[DateResult]:
    recorded: dict[str, dict[str, Any]] = {}
    created_by = time.monotonic() + CREATION_SECONDS
    while True:
        runs = _runs_by_date(api, dates)
        for run in runs.values():
            if run.state in FINISHED and run.run_id not in recorded:
                recorded[run.run_id] = _recorded(api, run)
        show([_result(day, runs.get(day), graded, recorded, "queued") for day in dates])
        complete = all(day in runs for day in dates) or time.monotonic() > created_by
        if complete and all(run.state in FINISHED for run in runs.values()):
            return [_result(day, runs.get(day), graded, recorded, "no run") for day in dates]
        time.sleep(POLL_SECONDS)


def summary(results: Sequence[DateResult]) -> str:
    """What the backfill did, in sentences. Raises CommandError when a date failed, or dates were to be graded and none was."""
    ran = [result for result in results if result.ran]
    failed = [str(result.game_date) for result in results if result.failed]
    graded = sum(result.outcome == GRADED for result in ran)
    lines = [f"{count_of(graded, 'date')} graded." if graded or not ran else "Nothing was graded."]
    if len(ran) < len(results):
        lines.append(f"{count_of(len(results) - len(ran), 'date')} graded earlier and left alone.")
    for outcome, reason in REASONS.items():
        days = [str(result.game_date) for result in ran if result.outcome == outcome]
        if days:
            lines.append(f"{count_of(len(days), 'date')} without grades, as there are no {reason}: {', '.join(days)}.")
    if failed:
        lines.append(
            f"{len(failed)} of {count_of(len(results), 'date')} failed or have duplicates: {', '.join(failed)}. Look at their runs in Airflow."
        )
    if failed or (ran and not graded):
        raise CommandError("\n".join(lines))
    return "\n".join(lines)


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


def _window(dates: Sequence[date]) -> tuple[datetime, datetime]:
    return datetime.combine(dates[0], time_of_day.min, NEW_YORK), datetime.combine(dates[-1], time_of_day(23, 59, 59), NEW_YORK)


def _runs_by_date(api: AirflowApi, dates: Sequence[date]) -> dict[date, DagRun]:
    runs = api.runs_between(DAG_ID, *_window(dates))
    return {run.logical_date.astimezone(NEW_YORK).date(): run for run in runs if run.logical_date}


def _recorded(api: AirflowApi, run: DagRun) -> dict[str, Any]:
    return api.result(DAG_ID, run.run_id, RECORD_TASK) or {}


def _result(day: date, run: DagRun | None, graded: set[date], recorded: dict[str, dict[str, Any]], missing: str) -> DateResult:
    return DateResult(day, run.state if run else missing, day not in graded, recorded.get(run.run_id, {}) if run else {})


def _range(first: str, last: str) -> tuple[date, date]:
    start, end = _bound("FROM", first, "first"), _bound("TO", last, "last")
    if start > end:
        raise CommandError(f"The range is reversed: FROM {start} is after TO {end}. Give the earlier date first.")
    if end > latest_date():
        raise CommandError(f"TO {end} is not over yet: the latest date that can be backfilled now is {latest_date()}.")
    return start, end


def _bound(name: str, text: str, which: str) -> date:
    example = "such as `make backfill FROM=2026-01-04 TO=2026-01-16`"
    if not text:
        raise CommandError(f"{name} is missing: give the {which} game date (--{name.lower()} without make), {example}.")
    try:
        return parse_game_date(text)
    except GameDateError:
        raise CommandError(f"{name} {text!r} is not a date: give it as YYYY-MM-DD, {example}.") from None


def latest_date() -> date:
    """The latest date that Airflow can backfill: its interval ends at 06:00 New York of the day after."""
    return (datetime.now(tz=NEW_YORK) - timedelta(days=1, hours=6)).date()


@command()
def main(
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First game date, YYYY-MM-DD.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last game date, included.")] = "",
    regrade: Annotated[bool, typer.Option("--regrade", help="Grade finished dates again as well.")] = False,
) -> None:
    """Command line; exit code 0, 1 when a date failed or none of those to grade was graded, 130 when interrupted (Airflow continues)."""
    start, end = _range(first, last)
    api = AirflowApi(os.environ.get("AIRFLOW_API_URL") or local_stack().config.url("airflow"))
    results = run_with_progress(api, start, end, regrade=regrade)
    console.print(results_table(results, f"{DAG_ID}, {start} to {end}"))
    console.print(summary(results), markup=False)


def run_with_progress(api: AirflowApi, first: date, last: date, *, regrade: bool) -> list[DateResult]:
    """Backfill with progress: a live table on a terminal, a line per finished date elsewhere."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=2, transient=True) as live:
            return backfill(
                api, first, last, regrade=regrade, say=live.console.print, show=lambda results: live.update(results_table(results[-40:], "running"))
            )
    printed: set[date] = set()

    def show(results: list[DateResult]) -> None:
        running = [result for result in results if result.ran]
        for result in running:
            if result.state in FINISHED and result.game_date not in printed:
                printed.add(result.game_date)
                counts = "".join(f" {name}={result.recorded[name]}" for name in COUNTS if result.recorded.get(name) is not None)
                console.print(f"{result.game_date} {result.outcome}{counts} ({len(printed)}/{len(running)})")

    return backfill(api, first, last, regrade=regrade, say=console.print, show=show)


if __name__ == "__main__":
    sys.exit(main())
