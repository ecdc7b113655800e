"""Why a grade is what it is: the rows it was made of, each rule's answer, the stored grade, and what came after it.

The rules are not written a second time: what they give comes from the statement that grades, restricted to one player.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from nba_grading.pipelines.grade import complete_minutes
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import load_sql, render_sql

NOT_COMPARED = frozenset({"graded_at", "grading_run_id", "fencing_token", "dag_id", "run_id", "run_type", "leased"})
Key = tuple[str, Decimal | None]


class NothingToExplain(LookupError):
    """No prediction has these names; the message says which are near."""


@dataclass(frozen=True)
class Subject:
    """The predictions to explain: of one system for one player on a date."""

    system_id: str
    player_lookup: str
    game_date: date

    @property
    def params(self) -> Params:
        """The query parameters that select them."""
        return {"system_id": self.system_id, "player_lookup": self.player_lookup, "game_date": self.game_date}


def explain_grades(warehouse: Warehouse, subject: Subject) -> list[dict[str, Any]]:
    """One explanation per business key, in the order of game and line. Raises NothingToExplain.

    Each has ``game_id``, ``line_value``, ``state`` (graded, voided, pending, not_gradable or outdated), ``verdict`` (a sentence), ``next_step``,
    ``candidates`` (each with ``why``), ``game``, ``player``, ``rules`` (a sentence each), ``expected`` (the grade by the rules now, or None),
    ``stored`` (grades with their run), ``differences`` (column → stored and expected), and ``corrections``.
    """
    candidates = warehouse.query_file("explain/list_candidates", subject.params)
    stored = warehouse.query_file("explain/list_stored", subject.params)
    if not candidates and not stored:
        raise NothingToExplain(_nearest(warehouse, subject))
    bound: Params = complete_minutes()
    box_params: Params = {"game_date": subject.game_date, "player_lookup": subject.player_lookup, **bound}
    teams = warehouse.query_file("explain/list_box_scores", box_params)
    text = render_sql("explain/select_expected", grades=load_sql("grading/grade_predictions").rstrip().rstrip(";"))
    names: Params = {"system_id": subject.system_id, "player_lookup": subject.player_lookup}
    expected = warehouse.query(text, {**names, **bound, "game_dates": [subject.game_date], "grading_run_id": "explain"})
    keys = sorted({*map(_candidate_key, candidates), *map(_grade_key, stored)}, key=lambda key: (key[0], key[1] is not None, key[1] or 0))
    return [
        _explain(
            key,
            [row for row in candidates if _candidate_key(row) == key],
            [row for row in teams if row["game_id"] == key[0]],
            [row for row in expected if _grade_key(row) == key],
            [row for row in stored if _grade_key(row) == key],
            int(str(bound["complete_minutes"])),
        )
        for key in keys
    ]


def _candidate_key(row: Row) -> Key:
    return row["game_id"], row["current_points_line"]


def _grade_key(row: Row) -> Key:
    return row["game_id"], row["line_value"]


def _explain(key: Key, candidates: list[Row], teams: list[Row], expected: list[Row], stored: list[Row], bound: int) -> dict[str, Any]:
    winner = next((row for row in candidates if row["key_rank"] == 1), None)
    grade, kept = (rows[0] if rows else None for rows in (expected, stored))
    player = next((row for row in teams if row["has_player"]), None)
    # The columns that both have: those of the run, and of the write itself, are not the grade's.
    differences = _differences(kept, grade) if kept and grade else {}
    facts = _Facts(winner, teams, player, grade, kept, len(stored), differences, bound)
    return {
        "game_id": key[0],
        "line_value": key[1],
        "state": facts.state,
        "verdict": facts.verdict,
        "next_step": facts.next_step,
        "candidates": [{**row, "why": _why(row, winner)} for row in candidates],
        "game": facts.game,
        "player": {name: player[name] for name in ("team_abbr", "points", "minutes_played", "is_dnp", "updated_at")} if player else None,
        "rules": facts.rules,
        "expected": grade,
        "stored": stored,
        "differences": differences,
        "corrections": _corrections(kept, candidates, player),
    }


def _why(row: Row, winner: Row | None) -> str:
    """Why a candidate is graded, or is not."""
    if row["key_rank"] == 1:
        return "graded: the newest gradable row of its key"
    if row["is_active"] is False:
        return "not gradable: is_active is FALSE"
    if row["invalidation_reason"] is not None:
        return f"not gradable: invalidated, {row['invalidation_reason'] or 'without a reason'}"
    assert winner is not None
    for name, word in (("created_at", "an older created_at"), ("prediction_id", "a smaller prediction_id"), ("updated_at", "an older updated_at")):
        if row[name] != winner[name]:
            return f"not graded: {word} than {winner['prediction_id']}"
    return "not graded: equal in created_at, prediction_id and updated_at, with smaller values"


def _differences(kept: Row, grade: Row) -> dict[str, dict[str, Any]]:
    names = [name for name in grade if name in kept and name not in NOT_COMPARED]
    return {name: {"stored": kept[name], "expected": grade[name]} for name in names if kept[name] != grade[name]}


def _corrections(kept: Row | None, candidates: Iterable[Row], player: Row | None) -> list[str]:
    """What was changed after the stored grade was made."""
    if kept is None or kept["graded_at"] is None:
        return []
    found = []
    if player and player["updated_at"] and player["updated_at"] > kept["graded_at"]:
        found.append(f"the box-score row was corrected at {player['updated_at']:%Y-%m-%d %H:%M} UTC, after the grading")
    for row in candidates:
        for name in ("created_at", "updated_at"):
            if row[name] and row[name] > kept["graded_at"]:
                found.append(f"prediction {row['prediction_id']} has {name} {row[name]:%Y-%m-%d %H:%M} UTC, after the grading")
    return found


@dataclass(frozen=True)
class _Facts:
    """What is known of one key, in sentences."""

    winner: Row | None
    teams: Sequence[Row]
    player: Row | None
    grade: Row | None
    kept: Row | None
    copies: int
    differences: Mapping[str, Any]
    bound: int

    @property
    def state(self) -> str:
        if self.differences or (self.grade is None) != (self.kept is None) or self.copies > 1:
            return "outdated" if self.kept else "ungraded"
        if self.winner is None:
            return "not_gradable"
        if self.grade is None:
            return "pending"
        return "voided" if self.grade["is_voided"] else "graded"

    @property
    def game(self) -> dict[str, Any]:
        """The state of its box score, and the minutes of each team."""
        first = self.teams[0] if self.teams else None
        if first is None:
            state = "no box score"
        elif first["is_accepted"]:
            state = "accepted as it is"
        elif first["is_unknown"]:
            state = "complete, as no row has minutes to judge it by"
        else:
            state = "complete" if first["is_complete"] else "not complete"
        minutes = [{name: row[name] for name in ("team_abbr", "box_score_rows", "minutes")} for row in self.teams]
        return {"state": state, "is_complete": bool(first and first["is_complete"]), "bound": self.bound, "teams": minutes}

    @property
    def rules(self) -> list[str]:
        """Each rule's answer."""
        row = self.winner
        if row is None:
            return ["Rule 1: no row of this key is gradable."]
        found = [f"Rule 1: {row['prediction_id']} is gradable, and the newest of its key."]
        found.append(
            f"Rule 2: matched on game {row['game_id']}, player {row['player_lookup']}: {'a row' if self.player else 'no row'} in the box score."
        )
        sums = ", ".join(f"{each['team_abbr']} {_number(each['minutes'])}" for each in self.teams) or "none"
        found.append(f"Rule 3: the game is {self.game['state']}: minutes {sums}; {self.bound} of each of two teams are needed.")
        if self.grade is None:
            return found
        return [*found, *self._graded(self.grade), self._confidence(row, self.grade)]

    @staticmethod
    def _graded(grade: Row) -> list[str]:
        played = f"{_number(grade['actual_points'])} points in {_number(grade['minutes_played'])} minutes"
        if grade["is_voided"]:
            return [f"Rule 4: did not play ({played}): void, {grade['void_reason']} by injury status {grade['pre_game_injury_status'] or 'none'}."]
        verdict = {True: "right", False: "wrong", None: "no verdict"}[grade["prediction_correct"]]
        error = f"predicted {_number(grade['predicted_points'])} - actual {grade['actual_points']} = {_number(grade['signed_error'])}"
        margin = f"actual {grade['actual_points']} - line {_number(grade['line_value'])} = {_number(grade['actual_margin'])}"
        return [f"Rule 4: played ({played}).", f"Rule 5: {error}; {margin}, so {grade['recommendation'] or 'no recommendation'} is {verdict}."]

    @staticmethod
    def _confidence(row: Row, grade: Row) -> str:
        given, kept = _number(row["confidence_score"]), _number(grade["confidence_score"])
        return f"Rule 6: confidence {given} is kept as {kept}, decile {_number(grade['confidence_decile'])}."

    @property
    def verdict(self) -> str:
        """The state in a sentence."""
        if self.copies > 1:
            return f"The key is stored {self.copies} times."
        if self.kept and self.grade is None:
            return "A grade is stored, and by the rules there is none now: " + (
                "no row is gradable." if self.winner is None else f"the game is {self.game['state']}."
            )
        if self.grade and self.kept is None:
            return "The rules give a grade, and none is stored yet."
        if self.differences:
            return f"The stored grade differs from what the rules give now, in {', '.join(self.differences)}."
        return {
            "not_gradable": "Not gradable, so there is no grade.",
            "pending": f"Pending: the game is {self.game['state']}.",
            "voided": "Voided, as stored: the player did not play.",
            "graded": "Graded, as stored.",
        }[self.state]

    @property
    def next_step(self) -> str:
        """What to do."""
        if self.copies > 1:
            return "Remove the duplicates: docs/runbook.md#duplicates-found."
        if self.state in ("outdated", "ungraded"):
            return "Grade the date again; `make preview` says before what that changes."
        return "Load the whole box score; heal_grading then grades it." if self.state == "pending" else "Nothing to do."


def _number(value: Any) -> str:
    return "none" if value is None else f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _nearest(warehouse: Warehouse, subject: Subject) -> str:
    """A sentence that names the nearest names of the date."""
    rows = warehouse.query_file("explain/list_names", {"game_date": subject.game_date})
    if not rows:
        return f"{subject.game_date} has no predictions."
    systems, players = ({row[name] for row in rows} for name in ("system_id", "player_lookup"))
    for word, given, known in (("system", subject.system_id, systems), ("player", subject.player_lookup, players)):
        if given not in known:
            near = difflib.get_close_matches(given, sorted(known), n=3, cutoff=0.5) or sorted(known)[:10]
            return f"{subject.game_date} has no prediction of {word} {given!r}; {word}s of the date are {', '.join(near)}."
    return f"{subject.system_id} has no prediction for {subject.player_lookup} on {subject.game_date}."
