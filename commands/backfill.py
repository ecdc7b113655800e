"""Grade every date of a range through Airflow, wait, and report the outcome of each.

Usage: python -m commands.backfill --from 2026-01-04 --to 2026-01-16 [--regrade]

The range is inclusive. It is a run of the DAG backfill_grades, triggered over REST: the UI shows it, the DAG's pool and leases guard it. A
date is finished once a run recorded the outcome ``graded``: it is left alone unless --regrade is given. A date whose run failed, or found no
predictions or no box scores, runs again. A run of the same range that is active already is followed instead of starting another.
AIRFLOW_API_URL says which Airflow (the local stack by default), AIRFLOW_API_TOKEN or AIRFLOW_API_USER and AIRFLOW_API_PASSWORD log in.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from commands.airflow_api import FINISHED, AirflowApi
from commands.console import CommandError, command, console, count_of
from commands.stack import local_stack
from nba_grading.game_dates import NEW_YORK, GameDateError, parse_game_date

DAG_ID = "backfill_grades"
POLL_SECONDS = 0.5
ACTIVE = ("queued", "running")
COUNTS = ("graded", "voided", "pending", "replaced", "duplicates")
GRADED = "graded"
REASONS = {"no_predictions": "predictions", "no_box_scores": "box scores", "incomplete_games": "complete games"}


@dataclass(frozen=True)
class DateResult:
    """One date: what became of it, whether this backfill had it to grade, and the row its run recorded."""

    game_date: date
    outcome: str
    ran: bool = True
    recorded: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the date needs somebody: its run failed or refused it, or left no record."""
        return self.outcome in ("failed", "refused", "not recorded") or bool(self.recorded.get("duplicates"))


@dataclass(frozen=True)
class Backfill:
    """A run of backfill_grades, and the dates of its range."""

    api: AirflowApi
    run_id: str
    dates: Sequence[date]

    @property
    def again(self) -> str:
        """The command that follows the run."""
        return f"make backfill FROM={self.dates[0]} TO={self.dates[-1]}"

    def wait(self, show: Callable[[dict[date, str], int], None]) -> list[DateResult]:
        """Wait for the end; ``show`` gets the outcome of each date that is finished, and how many are to be, about twice a second."""
        chunks: list[list[str]] | None = None
        others: dict[str, list[str]] = {}
        while True:
            state = self.api.run(DAG_ID, self.run_id).state
            if chunks is None and (chunks := self._result("plan")) is not None:
                others = self._result("plan", "others")
            if chunks is not None:
                show(self._progress(len(chunks), others), sum(map(len, chunks)) + len(others["no_predictions"]))
            if state in FINISHED:
                return self._results(set(others.get("graded", ())))
            time.sleep(POLL_SECONDS)

    def _progress(self, chunks: int, others: dict[str, list[str]]) -> dict[date, str]:
        found = dict.fromkeys(others["no_predictions"], "no_predictions")
        for number in range(chunks):
            found |= self._result("grade", "progress", number) or {}
        return {parse_game_date(day): outcome for day, outcome in found.items()}

    def _results(self, left_alone: set[str]) -> list[DateResult]:
        recorded = {row["game_date"]: row for row in self._result("report", "dates") or ()}
        return [self._result_of(day, recorded.get(str(day)), str(day) not in left_alone) for day in self.dates]

    def _result_of(self, day: date, row: dict[str, Any] | None, ran: bool) -> DateResult:
        return DateResult(day, str(row["outcome"]) if row else "not recorded" if ran else GRADED, ran, row or {})

    def _result(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        return self.api.result(DAG_ID, self.run_id, task_id, key, map_index)


def start_backfill(api: AirflowApi, first: date, last: date, *, regrade: bool, say: Callable[[str], None] = lambda line: None) -> Backfill:
    """Trigger a run for the range, or find the active one of the same range. Raises CommandError when the DAG is paused."""
    if api.is_paused(DAG_ID):
        raise CommandError(f"The DAG {DAG_ID} is paused, so no run of it would start: unpause it in the UI first.")
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    conf = {"from_date": str(first), "to_date": str(last), "regrade": regrade}
    active = next((run.run_id for run in api.runs(DAG_ID, *ACTIVE) if conf.items() <= run.conf.items()), None)
    if active:
        say(f"{DAG_ID}, {first} to {last}: following the run {active}, which is active already")
        return Backfill(api, active, dates)
    run_id = api.trigger(DAG_ID, conf)
    say(f"{DAG_ID}, {first} to {last}: started {run_id}")
    return Backfill(api, run_id, dates)


def summary(results: Sequence[DateResult]) -> str:
    """What the backfill did, in sentences. Raises CommandError when a date failed, or dates were to be graded and none was."""
    ran = [result for result in results if result.ran]
    failed = [result for result in results if result.failed]
    graded = sum(result.outcome == GRADED for result in ran)
    lines = [f"{count_of(graded, 'date')} graded." if graded or not ran else "Nothing was graded."]
    if len(ran) < len(results):
        lines.append(f"{count_of(len(results) - len(ran), 'date')} graded earlier and left alone.")
    for outcome, reason in REASONS.items():
        days = [str(result.game_date) for result in ran if result.outcome == outcome]
        if days:
            lines.append(f"{count_of(len(days), 'date')} without grades, as there are no {reason}: {', '.join(days)}.")
    if failed:
        names = ", ".join(str(each.game_date) for each in failed)
        lines.append(f"{len(failed)} of {count_of(len(results), 'date')} failed or have duplicates: {names}.")
        lines += [f"{each.game_date}: {_reason(each)}" for each in failed]
    if failed or (ran and not graded):
        raise CommandError("\n".join(lines))
    return "\n".join(lines)


def _reason(result: DateResult) -> str:
    """Why a date failed, as its run recorded it."""
    if duplicates := result.recorded.get("duplicates"):
        return f"{count_of(duplicates, 'duplicate row')} in the grades"
    return str(result.recorded.get("detail") or f"nothing was recorded: see the run of {DAG_ID} in Airflow")


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


def date_range(first: str, last: str, command: str = "backfill") -> tuple[date, date]:
    """The dates of --from and --to of a make target; raises CommandError with a sentence."""
    start, end = _bound("FROM", first, "first", command), _bound("TO", last, "last", command)
    if start > end:
        raise CommandError(f"The range is reversed: FROM {start} is after TO {end}. Give the earlier date first.")
    if end > latest_date():
        raise CommandError(f"TO {end} is not over yet: the latest date that can be graded now is {latest_date()}.")
    return start, end


def _bound(name: str, text: str, which: str, command: str) -> date:
    example = f"such as `make {command} FROM=2026-01-04 TO=2026-01-16`"
    if not text:
        raise CommandError(f"{name} is missing: give the {which} game date (--{name.lower()} without make), {example}.")
    try:
        return parse_game_date(text)
    except GameDateError:
        raise CommandError(f"{name} {text!r} is not a date: give it as YYYY-MM-DD, {example}.") from None


def latest_date() -> date:
    """The latest date whose games are over in New York."""
    return (datetime.now(tz=NEW_YORK) - timedelta(days=1)).date()


@command()
def main(
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First game date, YYYY-MM-DD.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last game date, included.")] = "",
    regrade: Annotated[bool, typer.Option("--regrade", help="Grade finished dates again as well.")] = False,
) -> None:
    """Command line; exit code 0, 1 when a date failed or none of those to grade was graded, 130 when interrupted (Airflow continues)."""
    start, end = date_range(first, last)
    api = AirflowApi(os.environ.get("AIRFLOW_API_URL") or local_stack().config.url("airflow"))
    results = run_with_progress(api, start, end, regrade=regrade)
    console.print(results_table(results, f"{DAG_ID}, {start} to {end}"))
    console.print(summary(results), markup=False)


def run_with_progress(api: AirflowApi, first: date, last: date, *, regrade: bool) -> list[DateResult]:
    """Backfill with progress: a bar, and a line for each finished date. An interrupt leaves the run going and says how to follow it."""
    backfill = start_backfill(api, first, last, regrade=regrade, say=lambda line: console.print(line, markup=False))
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TextColumn("dates"), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
    finished: dict[date, str] = {}
    with bar or nullcontext():
        task = bar.add_task("grading", total=None) if bar else None

        def show(outcomes: dict[date, str], total: int) -> None:
            for day in sorted(outcomes.keys() - finished.keys()):
                finished[day] = outcomes[day]
                console.print(f"{day} {outcomes[day]} ({len(finished)}/{total})", markup=False)
            if bar and task is not None:
                bar.update(task, completed=len(finished), total=total)

        try:
            return backfill.wait(show)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"Interrupted. Airflow continues with the run {backfill.run_id}; `{backfill.again}` follows it again.") from None


if __name__ == "__main__":
    sys.exit(main())
