"""The state of a date from its counts, its next step, and today's state in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

NOT_DONE = ("failed", "refused")
SEASON_BEGINS = (10, 1)

Day = Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """A date's state. ``letter`` marks it without colour, ``runbook`` is an anchor in the runbook, ``command`` has ``{date}`` to fill in."""

    letter: str
    label: str
    next_step: str
    runbook: str | None = None
    dag: str | None = None
    command: str | None = None


REGRADE = "make backfill FROM={date} TO={date} REGRADE=1"
GRADE = "make backfill FROM={date} TO={date}"

# A date has the first state that applies.
STATES: dict[str, State] = {
    "duplicates": State(
        "D", "duplicates", "Find what inserted the surplus rows, then grade the date again.", "duplicates-found", "grade_predictions", REGRADE
    ),
    "failed": State("F", "failed", "Open the run, fix the cause, and grade the date again.", "task-failed", "grade_predictions", GRADE),
    "ungraded": State("U", "not graded", "Grade the date.", "dates-to-heal", "grade_predictions", GRADE),
    "pending": State(
        "P",
        "partly pending",
        "Wait for complete box scores: heal_grading looks for yesterday's games every hour, and for older ones daily at 08:00 New York.",
        "dates-to-heal",
        "grade_predictions",
        REGRADE,
    ),
    "to_come": State("T", "games to come", "Nothing to do: the date is graded at 06:00 New York of the day after."),
    "graded": State("G", "graded", "Nothing to do.", None, "grade_predictions", REGRADE),
    "none": State("", "no games", "Nothing to do."),
}


def legend() -> dict[str, dict[str, Any]]:
    """The states as JSON."""
    return {name: asdict(state) for name, state in STATES.items()}


def state_of(day: Day, today: date) -> str:
    """The name in STATES for a row of ``summarize_season``; ``today`` is New York's."""
    if day["duplicates"]:
        return "duplicates"
    if day["outcome"] in NOT_DONE:
        return "failed"
    done = day["graded"] + day["voided"]
    if day["game_date"] >= today and not done:
        return "to_come" if day["gradable"] else "none"
    if ungraded_of(day):
        return "ungraded"
    if day["pending"]:
        return "pending"
    return "graded" if done else "none"


def ungraded_of(day: Day) -> int:
    """The number of predictions without a grade whose game is complete."""
    return max(0, int(day["gradable"] - day["pending"] - day["graded"] - day["voided"]))


def season_of(day: date) -> int:
    """The year a date's season begins in."""
    return day.year if (day.month, day.day) >= SEASON_BEGINS else day.year - 1


def season_range(season: int) -> tuple[date, date]:
    """First and last date of the season that begins in this year, both included."""
    return date(season, *SEASON_BEGINS), date(season + 1, *SEASON_BEGINS) - timedelta(days=1)


def focus_of(days: Sequence[Day], today: date) -> Day | None:
    """The date to report today: yesterday if it had games, else the newest earlier date that had; None without one."""
    return max((day for day in days if day["game_date"] < today and day["gradable"]), key=lambda day: day["game_date"], default=None)


def sentence(day: Day | None, today: date, findings: int | None) -> str:
    """Today's state in one sentence; ``findings`` is the number of open ones, None when unknown."""
    open_findings = {None: "open findings are unknown", 0: "no finding is open", 1: "1 finding is open"}.get(
        findings, f"{findings} findings are open"
    )
    if day is None:
        return f"No date before {today} has predictions yet; {open_findings}."
    yesterday = today - timedelta(days=1)
    lead = "" if day["game_date"] == yesterday else f"No games on {yesterday}. The last date with games: "
    done = f"{day['graded'] + day['voided']:,} of {day['gradable']:,} gradable predictions are graded"
    parts = [
        f"{day['pending']:,} {_wait(day['pending'])} for {_games(day['pending_games'])} complete box scores" if day["pending"] else "",
        f"{ungraded_of(day):,} in complete games {_are(ungraded_of(day))} not" if ungraded_of(day) else "",
        f"{day['duplicates']:,} surplus {'row repeats' if day['duplicates'] == 1 else 'rows repeat'} a key" if day["duplicates"] else "",
        f"its newest run {'failed' if day['outcome'] == 'failed' else 'was refused'}" if day["outcome"] in NOT_DONE else "",
    ]
    return f"{lead}{day['game_date']}: {', '.join([done, *filter(None, parts)])}; {open_findings}."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _games(count: int) -> str:
    return "1 game's" if count == 1 else f"{count} games'"
