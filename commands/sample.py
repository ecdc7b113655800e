"""Write a generated sample of both input files: realistic numbers, and every special case of the grading rules.

Usage: python -m commands.sample DIRECTORY [--seed 7] [--dates 10] [--predictions 3000]

The same seed gives identical files. From 2026-01-04 on, each date has five to eight games of twenty players and about
``--predictions`` rows of eight systems, each with its own bias and spread; half of the systems give their confidence in percent. A system
predicts a player at several lines half a point apart. Every date but the last has, among the ordinary rows:

- predictions: no line (NO_LINE, and OVER without one), PASS, HOLD, no recommendation, no predicted points, no confidence, confidences
  outside 0-100; is_active FALSE and NULL; invalidated rows; duplicate keys: an older row, a row of the same created_at
  with another prediction_id, and a newer row that is inactive;
- box scores: a player without a row, is_dnp, points NULL, points 0 with minutes 0 or NULL, points above 0 with minutes 0, whole-number
  minutes; each injury status, for players who played as well;
- one star who scores 26, with lines of 25.5 and 26.0 (a push); on every third date a postponed game without any box score.

The minutes of each team add up to 240, or 265 after an overtime, but for one game on each of three dates, whose predictions are pending: on
the third date a box score that was loaded at half-time, on the sixth one with half of its rows, on the seventh one of a single team.

The last date has one game, which is not played yet: all of its predictions, at most 640, are pending.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import cycle, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from commands.console import CommandError, command, console, progress_bar
from commands.input_tables import BOX_SCORES, PREDICTIONS, InputTable

FIRST_DATE = date(2026, 1, 4)
FEWEST_DATES = 2
FEWEST_PREDICTIONS = 200
PLAYERS_PER_TEAM = 10
STAR_POINTS = 26
MOST_PREDICTIONS_OF_ONE_GAME = 640
# Index of the date → what its last game's box score lacks.
INCOMPLETE = {2: "second half", 5: "half of the rows", 6: "a team"}
TEAM_MINUTES, OVERTIME_MINUTES = 240, 25

TEAMS = (
    *("ATL", "BKN", "BOS", "CHA", "CHI", "CLE", "DAL", "DEN", "DET", "GSW", "HOU", "IND", "LAC", "LAL", "MEM"),
    *("MIA", "MIL", "MIN", "NOP", "NYK", "OKC", "ORL", "PHI", "PHX", "POR", "SAC", "SAS", "TOR", "UTA", "WAS"),
)
FIRST_NAMES = ("aaron", "ben", "caleb", "damon", "eli", "frank", "gary", "hugo", "isaac", "jalen", "kevin", "luka", "miles", "nico", "omar")
LAST_NAMES = (
    *("abbott", "barnes", "carter", "dawson", "ellis", "foster", "graham", "hayes", "irving", "jordan"),
    *("knight", "lawson", "mercer", "nash", "owens", "porter", "quinn", "rivers", "stone", "turner"),
)
INJURY_STATUSES = ("OUT", "DOUBTFUL", "QUESTIONABLE", "PROBABLE", "AVAILABLE", None, "out", "questionable")
BOX_SCORE_ODDITIES = ("missing", "dnp", "no_points", "zero_in_zero", "zero_in_null", "points_in_zero", "whole_minutes")
WRONG_CONFIDENCES = (Decimal("-0.1"), Decimal("100.5"), Decimal(-5), Decimal(150))

Row = dict[str, Any]


@dataclass(frozen=True)
class System:
    """A predicting system: how far off it is on average and by spread, its scale of confidence, and the edge it bets on (points)."""

    system_id: str
    bias: float
    spread: float
    in_percent: bool
    edge: float


SYSTEMS = (
    System("catboost_v8", -0.2, 2.4, True, 1.0),
    System("ensemble_v1", 0.1, 2.6, False, 1.0),
    System("ewma_v1", 0.6, 3.8, False, 1.5),
    System("moving_avg_v1", 1.1, 4.4, True, 1.5),
    System("season_avg_v1", -0.9, 4.0, False, 2.0),
    System("similarity_v1", 0.4, 3.4, True, 1.0),
    System("xgboost_v1", -0.5, 2.8, False, 0.5),
    System("zone_matchup_v1", 2.2, 5.0, True, 2.5),
)


@dataclass(frozen=True)
class Player:
    """A player of one game: the points that are expected of them, their injury status, and what is odd about their box score."""

    lookup: str
    team: str
    opponent: str
    game_id: str
    expected: float
    injury_status: str | None = None
    oddity: str | None = None
    is_star: bool = False


def write_sample(directory: Path, *, seed: int = 7, dates: int = 10, predictions: int = 3000) -> None:
    """Write both files as Parquet, the directory too if it is missing. Raises CommandError for too small a sample or an unwritable directory."""
    if dates < FEWEST_DATES or predictions < FEWEST_PREDICTIONS:
        raise CommandError(f"A sample has at least {FEWEST_DATES} dates of {FEWEST_PREDICTIONS} predictions, not {dates} of {predictions}.")
    rng = random.Random(seed)
    skills = _skills(rng)
    prediction_rows: list[Row] = []
    box_score_rows: list[Row] = []
    with progress_bar() as progress:
        task = progress.add_task("generating", total=dates)
        for index in range(dates):
            game_date = FIRST_DATE + timedelta(days=index)
            is_last = index == dates - 1
            players = _players(rng, game_date, skills, games=1 if is_last else rng.randint(5, 8))
            unplayed = {player.game_id for player in players} if is_last else {players[-1].game_id} if index % 3 == 1 else set()
            wanted = min(predictions, MOST_PREDICTIONS_OF_ONE_GAME) if is_last else predictions
            prediction_rows += _predictions(rng, game_date, players, wanted)
            box_scores = _box_scores(rng, game_date, [player for player in players if player.game_id not in unplayed])
            box_score_rows += box_scores if is_last else _damaged(box_scores, players[-1].game_id, INCOMPLETE.get(index))
            progress.advance(task)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for spec, rows in ((PREDICTIONS, prediction_rows), (BOX_SCORES, box_score_rows)):
            pq.write_table(_table(spec, rows), directory / f"{spec.stem}.parquet")
    except OSError as error:
        raise CommandError(f"{directory}: the sample cannot be written there: {error}") from error


def _table(spec: InputTable, rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=pa.schema(list(spec.columns.items())))


def _skills(rng: random.Random) -> dict[str, list[tuple[str, float]]]:
    """Team → its players with the points expected of each: few score many, most score few."""
    names = [first + last for first in FIRST_NAMES for last in LAST_NAMES]
    rng.shuffle(names)
    given = iter(names)
    return {team: [(name, 2.5 + rng.gammavariate(1.5, 6.0)) for name in islice(given, PLAYERS_PER_TEAM)] for team in TEAMS}


def _players(rng: random.Random, game_date: date, skills: dict[str, list[tuple[str, float]]], games: int) -> list[Player]:
    """Everybody in the date's games, game by game; the first of them is the star, who is never odd."""
    teams = rng.sample(TEAMS, 2 * games)
    pairs = list(zip(teams[::2], teams[1::2], strict=True))
    drawn = [
        (name, team, opponent, f"{game_date:%Y%m%d}_{away}_{home}", expected)
        for away, home in pairs
        for team, opponent in ((away, home), (home, away))
        for name, expected in skills[team]
    ]
    odd = rng.sample(range(1, len(drawn)), max(2 * len(BOX_SCORE_ODDITIES), len(drawn) // 6))
    oddities = dict(zip(odd, cycle(BOX_SCORE_ODDITIES), strict=False))
    statuses = dict(zip(odd, cycle(INJURY_STATUSES), strict=False))
    statuses.update({index: rng.choice(INJURY_STATUSES) for index in rng.sample(range(1, len(drawn)), len(drawn) // 8) if index not in statuses})
    star = Player(*drawn[0][:4], expected=float(STAR_POINTS), is_star=True)
    return [star] + [Player(*fields, statuses.get(index), oddities.get(index)) for index, fields in enumerate(drawn) if index > 0]


def _box_scores(rng: random.Random, game_date: date, players: Sequence[Player]) -> list[Row]:
    corrected_at = datetime.combine(game_date + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=7)
    rows = [
        {
            "player_lookup": player.lookup,
            "game_id": player.game_id,
            "game_date": game_date,
            "team_abbr": player.team,
            "opponent_team_abbr": player.opponent,
            **_performance(rng, player),
            "updated_at": corrected_at + timedelta(minutes=rng.randint(0, 90)),
        }
        for player in players
        if player.oddity != "missing"
    ]
    for _, game in groupby(rows, key=itemgetter("game_id")):
        minutes = TEAM_MINUTES + (OVERTIME_MINUTES if rng.random() < 0.1 else 0)
        for _, team in groupby(game, key=itemgetter("team_abbr")):
            _share_out(minutes, list(team))
    return rows


def _share_out(minutes: int, team: Sequence[Row]) -> None:
    """Scale the minutes of those who played, so that the team's add up; whole minutes stay whole."""
    scaled = [row for row in team if row["minutes_played"] and row["minutes_played"] % 1]
    left = minutes - sum(row["minutes_played"] or 0 for row in team if row not in scaled)
    given = sum(row["minutes_played"] for row in scaled)
    for row in scaled:
        row["minutes_played"] = (row["minutes_played"] * left / given).quantize(Decimal("0.01"))
    scaled[-1]["minutes_played"] += left - sum(row["minutes_played"] for row in scaled)


def _damaged(rows: list[Row], game_id: str, lacks: str | None) -> list[Row]:
    """The box scores of a date in which that of one game lacks something."""
    game = [row for row in rows if row["game_id"] == game_id]
    if lacks == "second half":
        for row in game:
            if row["minutes_played"]:
                row.update(minutes_played=(row["minutes_played"] / 2).quantize(Decimal("0.01")), points=row["points"] and row["points"] // 2)
        return rows
    gone = (
        game[::2] if lacks == "half of the rows" else [row for row in game if row["team_abbr"] == game[0]["team_abbr"]] if lacks == "a team" else []
    )
    return [row for row in rows if row not in gone]


def _performance(rng: random.Random, player: Player) -> Row:
    # Never whole: whole minutes are an oddity, and stay as they are when the team's are shared out.
    minutes = Decimal(10 * rng.randint(160, 320) + rng.randint(1, 9)).scaleb(-2)
    # A gamma around the expectation is skewed to the right, as points are.
    points = STAR_POINTS if player.is_star else round(rng.gammavariate(6.0, player.expected / 6.0))
    ordinary: Row = {"points": points, "minutes_played": minutes, "is_dnp": rng.choice((False, False, None))}
    odd: dict[str, Row] = {
        "dnp": {"points": rng.choice((0, None)), "minutes_played": None, "is_dnp": True},
        "no_points": {"points": None},
        "zero_in_zero": {"points": 0, "minutes_played": Decimal(0)},
        "zero_in_null": {"points": 0, "minutes_played": None},
        "points_in_zero": {"points": points + 1, "minutes_played": Decimal(0)},
        "whole_minutes": {"minutes_played": Decimal(math.ceil(minutes))},
    }
    return {**ordinary, **odd.get(player.oddity or "", {})}


def _predictions(rng: random.Random, game_date: date, players: Sequence[Player], wanted: int) -> list[Row]:
    stars = [(player, system) for player in players if player.is_star for system in SYSTEMS]
    others = [(player, system) for player in players if not player.is_star for system in SYSTEMS]
    rng.shuffle(others)
    lines = 1 + math.ceil(wanted / len(stars + others))
    noon = datetime.combine(game_date, datetime.min.time(), UTC) + timedelta(hours=12)
    rows: list[Row] = []
    for number, (player, system) in enumerate(stars + others):
        if len(rows) >= wanted:
            break
        created_at = noon + timedelta(seconds=number)
        rows += _ladder(rng, game_date, player, system, lines, created_at)
    _make_odd(rng, rows, kept=len(stars) * (lines + 1))
    return rows


def _ladder(rng: random.Random, game_date: date, player: Player, system: System, lines: int, created_at: datetime) -> Iterator[Row]:
    """One system's predictions for one player: a row per line half a point apart, sometimes one more without a line."""
    predicted = max(Decimal(0), _decimal(player.expected + rng.gauss(system.bias, system.spread), 1))
    lowest = max(Decimal("0.5"), (_decimal(player.expected * 2, 0) - lines // 2) / 2)
    ladder: list[Decimal | None] = [lowest + Decimal(step) / 2 for step in range(lines)]
    if player.is_star or rng.random() < 0.06:
        ladder.append(None)
    for line in ladder:
        confidence = min(0.99, max(0.02, rng.gauss(0.6, 0.15)))
        yield {
            "prediction_id": _id(rng),
            "system_id": system.system_id,
            "player_lookup": player.lookup,
            "game_id": player.game_id,
            "game_date": game_date,
            "predicted_points": predicted,
            "confidence_score": _decimal(confidence * 100, 0) if system.in_percent else _decimal(confidence, 3),
            "recommendation": "NO_LINE" if line is None else _recommendation(rng, predicted - line, system),
            "current_points_line": line,
            "line_source": None if line is None else rng.choice(("ACTUAL_PROP", "ACTUAL_PROP", "ESTIMATED_AVG")),
            "sportsbook": None if line is None else rng.choice(("DRAFTKINGS", "FANDUEL", "PRIZEPICKS", None)),
            "is_active": True,
            "invalidation_reason": None,
            "injury_status_at_prediction": player.injury_status,
            "model_version": f"{system.system_id}.{1 + created_at.day % 2}",
            "created_at": created_at,
            "updated_at": None,
        }


def _recommendation(rng: random.Random, edge: Decimal, system: System) -> str:
    if abs(edge) < system.edge:
        return rng.choice(("PASS", "PASS", "PASS", "HOLD"))
    return "OVER" if edge > 0 else "UNDER"


def _make_odd(rng: random.Random, rows: list[Row], kept: int) -> None:
    """Turn about every seventh row after the first ``kept`` into an odd case, each case equally often; some add a second row of their key."""
    changes: list[Callable[[Row], Row]] = [
        lambda _: {"is_active": False},
        lambda _: {"is_active": None},
        lambda _: {"invalidation_reason": rng.choice(("game_postponed", "game_cancelled"))},
        lambda _: {"recommendation": None},
        lambda _: {"predicted_points": None},
        lambda _: {"confidence_score": None},
        lambda _: {"confidence_score": rng.choice(WRONG_CONFIDENCES)},
    ]
    doubles: list[Callable[[Row], Row]] = [
        lambda row: {"created_at": row["created_at"] - timedelta(hours=rng.randint(1, 5))},
        lambda row: {"created_at": row["created_at"]},
        lambda row: {"created_at": row["created_at"] + timedelta(hours=1), "is_active": False},
    ]
    chosen = rng.sample(range(kept, len(rows)), max(2 * len(changes + doubles), (len(rows) - kept) // 7))
    for index, number in zip(chosen, cycle(range(len(changes + doubles))), strict=False):
        row = rows[index]
        if number < len(changes):
            row.update(changes[number](row))
        else:
            other = (row["predicted_points"] or Decimal(0)) + Decimal("1.7")
            rows.append({**row, "prediction_id": _id(rng), "predicted_points": other, **doubles[number - len(changes)](row)})
    # Nobody can bet OVER without a line, but it has been seen.
    next(row for row in rows if row["current_points_line"] is None)["recommendation"] = "OVER"


def _id(rng: random.Random) -> str:
    return f"{rng.getrandbits(128):032x}"


def _decimal(value: float, places: int) -> Decimal:
    return Decimal(f"{value:.{places}f}")


@command()
def main(
    directory: Path,
    seed: Annotated[int, typer.Option(help="Another seed, another sample.")] = 7,
    dates: Annotated[int, typer.Option(help="Days from 2026-01-04 on.")] = 10,
    predictions: Annotated[int, typer.Option(help="About how many on each date.")] = 3000,
) -> None:
    """Command line; exit code 0, or 1 with a sentence."""
    write_sample(directory, seed=seed, dates=dates, predictions=predictions)
    console.print(f"wrote {PREDICTIONS.stem}.parquet and {BOX_SCORES.stem}.parquet of {dates} dates to {directory}")


if __name__ == "__main__":
    sys.exit(main())
