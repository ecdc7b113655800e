"""Say why a grade is what it is: the rows it was made of, each rule's answer, the stored grade, and what came after it.

Usage: python -m commands.explain --system ewma_v1 --player milesnash --date 2026-01-10 [--line 25.5 | --line none] [--json] [--local]

--local means the stack of `make up`; otherwise GRADING_PROJECT. Without --line every line of the player is explained.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from commands.clients import make_bigquery_client
from commands.console import CommandError, command, console, warehouse_of
from commands.stack import use_local_stack
from nba_grading.game_dates import GameDateError, parse_game_date
from nba_grading.pipelines.explain import NothingToExplain, Subject, explain_grades
from nba_grading.settings import get_settings

NO_LINE = "none"
SHOWN = ("prediction_id", "created_at", "predicted_points", "recommendation", "confidence_score")


def choose_line(explanations: list[dict[str, Any]], line: str) -> list[dict[str, Any]]:
    """Those of one line; all without one. Raises CommandError with the lines that there are."""
    if not line:
        return explanations
    try:
        wanted = None if line.lower() == NO_LINE else Decimal(line)
    except InvalidOperation:
        raise CommandError(f"LINE {line!r} is not a number: give a line such as 25.5, or none.") from None
    chosen = [each for each in explanations if each["line_value"] == wanted]
    if not chosen:
        known = ", ".join(sorted({_line(each) for each in explanations}))
        raise CommandError(f"There is no prediction at line {line}; its lines are {known}.")
    return chosen


def show(explanation: dict[str, Any]) -> str:
    """An explanation as lines of text."""
    lines = [f"game {explanation['game_id']}, line {_line(explanation)}: {explanation['state'].replace('_', ' ')}", f"  {explanation['verdict']}"]
    lines += [
        f"  candidate: {', '.join(f'{name} {row[name]}' for name in SHOWN if row[name] is not None)}; {row['why']}"
        for row in explanation["candidates"]
    ]
    lines += [f"  {sentence}" for sentence in explanation["rules"]]
    for row in explanation["stored"]:
        run = f"{row['dag_id']}/{row['run_id']} ({row['run_type']})" if row["run_id"] else "no run of grading_runs"
        lines.append(
            f"  stored: graded at {row['graded_at']:%Y-%m-%d %H:%M:%S} UTC by {run}, run {row['grading_run_id']}, token {row['fencing_token']}"
        )
    lines += [f"  differs: {name} is {each['stored']}, by the rules {each['expected']}" for name, each in explanation["differences"].items()]
    lines += [f"  later: {sentence}" for sentence in explanation["corrections"]]
    return "\n".join([*lines, f"  next step: {explanation['next_step']}"])


def _line(explanation: dict[str, Any]) -> str:
    value = explanation["line_value"]
    return NO_LINE if value is None else f"{value.normalize():f}"


@command()
def main(
    system: Annotated[str, typer.Option(metavar="SYSTEM", help="Predicting system.")] = "",
    player: Annotated[str, typer.Option(metavar="PLAYER", help="player_lookup of the player.")] = "",
    day: Annotated[str, typer.Option("--date", metavar="DATE", help="Game date, YYYY-MM-DD.")] = "",
    line: Annotated[str, typer.Option(metavar="LINE", help="One line, or none for the prediction without one; all lines if left out.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    local: Annotated[bool, typer.Option("--local", help="In the running local stack.")] = False,
) -> None:
    """Command line; exit code 0, or 1 with a sentence."""
    for name, value in (("SYSTEM", system), ("PLAYER", player), ("DATE", day)):
        if not value:
            raise CommandError(f"{name} is missing, such as `make explain SYSTEM=ewma_v1 PLAYER=milesnash DATE=2026-01-10`.")
    try:
        subject = Subject(system, player, parse_game_date(day))
    except GameDateError:
        raise CommandError(f"DATE {day!r} is not a date: give it as YYYY-MM-DD.") from None
    if local:
        use_local_stack()
    try:
        explanations = choose_line(explain_grades(warehouse_of(make_bigquery_client(get_settings())), subject), line)
    except NothingToExplain as error:
        raise CommandError(str(error)) from None
    if as_json:
        console.print_json(json.dumps(explanations, default=str))
    else:
        console.print("\n\n".join(map(show, explanations)), markup=False)


if __name__ == "__main__":
    sys.exit(main())
