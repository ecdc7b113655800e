"""The grading rules a second time, one prediction after another in plain Python: what the SQL is held against.

Written from the rules (docs/grading-rules.md) and not from the SQL, so that a slip in one shows in the other.
Figures are Decimal; a NUMERIC keeps nine digits, so a confidence in percent is rounded there, half away from zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]
Key = tuple[str, str, str, Decimal | None]

# A team plays 240 player-minutes.
COMPLETE_MINUTES = 235
NINE_DIGITS = Decimal("0.000000001")
NEVER = datetime.min.replace(tzinfo=UTC)
NOT_COMPARED = ("graded_at", "grading_run_id", "fencing_token")
VOID_REASONS = {
    "OUT": "dnp_injury_confirmed",
    "DOUBTFUL": "dnp_injury_confirmed",
    "QUESTIONABLE": "dnp_late_scratch",
    "PROBABLE": "dnp_late_scratch",
}


@dataclass
class Graded:
    """The rows of prediction_accuracy, without NOT_COMPARED, and how the gradable predictions ended."""

    rows: list[Row] = field(default_factory=list)
    gradable: int = 0
    graded: int = 0
    voided: int = 0
    no_box_score: int = 0
    incomplete: int = 0
    incomplete_games: set[str] = field(default_factory=set)
    unknown_games: set[str] = field(default_factory=set)

    @property
    def pending(self) -> int:
        return self.no_box_score + self.incomplete

    @property
    def counts(self) -> dict[str, int]:
        return {
            "gradable": self.gradable,
            "graded": self.graded,
            "voided": self.voided,
            "pending": self.pending,
            "pending_no_box_score": self.no_box_score,
            "pending_incomplete": self.incomplete,
            "incomplete_games": len(self.incomplete_games),
            "unknown_games": len(self.unknown_games),
        }


def grade(
    predictions: Iterable[Row], box_scores: Iterable[Row], game_date: date, *, bound: int = COMPLETE_MINUTES, accepted: Collection[str] = ()
) -> Graded:
    """Grade one date; rows of other dates are not looked at. Rows are dicts of the input tables' columns, a missing one is NULL."""
    performances: dict[tuple[str, str], Row] = {}
    games: dict[str, list[Row]] = {}
    for box_score in box_scores:
        if box_score["game_date"] == game_date:
            games.setdefault(box_score["game_id"], []).append(box_score)
            performances[box_score["game_id"], box_score["player_lookup"]] = box_score

    done = Graded()
    for prediction in _standing(predictions, game_date):
        done.gradable += 1
        game_id = prediction["game_id"]
        if game_id not in games:
            done.no_box_score += 1
            continue
        if game_id not in accepted and cannot_be_judged(games[game_id]):
            done.unknown_games.add(game_id)
        elif game_id not in accepted and not is_complete(games[game_id], bound):
            done.incomplete += 1
            done.incomplete_games.add(game_id)
            continue
        performance = performances.get((prediction["game_id"], prediction["player_lookup"]))
        row = _row(prediction, performance or {})
        if performance is None or not _played(performance):
            done.voided += 1
            _void(row)
        else:
            done.graded += 1
            _measure(row)
        done.rows.append(row)
    return done


def cannot_be_judged(rows: Collection[Row]) -> bool:
    """Rule 3: players scored, but no row has minutes."""
    return all(row.get("minutes_played") is None for row in rows) and any((row.get("points") or 0) > 0 for row in rows)


def is_complete(rows: Iterable[Row], bound: int) -> bool:
    """Rule 3, for a game that can be judged: rows of two teams, and each team's minutes add up to the bound; 0 switches it off."""
    if bound == 0:
        return True
    minutes: dict[str, Decimal] = {}
    for row in rows:
        if row.get("team_abbr") is not None:
            minutes[row["team_abbr"]] = minutes.get(row["team_abbr"], Decimal(0)) + (row.get("minutes_played") or 0)
    return len(minutes) == 2 and min(minutes.values()) >= bound


def _standing(predictions: Iterable[Row], game_date: date) -> list[Row]:
    """Rule 1: one prediction per key, the newest, then the one with the greatest id; a NULL is older and smaller than anything."""
    standing: dict[Key, Row] = {}
    for prediction in predictions:
        if prediction["game_date"] != game_date or prediction.get("is_active") is False or prediction.get("invalidation_reason") is not None:
            continue
        key = (prediction["game_id"], prediction["player_lookup"], prediction["system_id"], prediction.get("current_points_line"))
        if key not in standing or _age(prediction) > _age(standing[key]):
            standing[key] = prediction
    return list(standing.values())


def _age(prediction: Row) -> tuple[datetime, bool, str]:
    prediction_id = prediction.get("prediction_id")
    return prediction.get("created_at") or NEVER, prediction_id is not None, prediction_id or ""


def _row(prediction: Row, performance: Row) -> Row:
    confidence = share_of(prediction.get("confidence_score"))
    return {
        "player_lookup": prediction["player_lookup"],
        "game_id": prediction["game_id"],
        "game_date": prediction["game_date"],
        "system_id": prediction["system_id"],
        "team_abbr": performance.get("team_abbr"),
        "opponent_team_abbr": performance.get("opponent_team_abbr"),
        "predicted_points": prediction.get("predicted_points"),
        "confidence_score": confidence,
        "confidence_decile": _decile(confidence),
        "recommendation": prediction.get("recommendation"),
        "line_value": prediction.get("current_points_line"),
        "line_source": prediction.get("line_source"),
        "sportsbook": prediction.get("sportsbook"),
        "actual_points": performance.get("points"),
        "minutes_played": performance.get("minutes_played"),
        "absolute_error": None,
        "signed_error": None,
        "prediction_correct": None,
        "predicted_margin": None,
        "actual_margin": None,
        "within_3_points": None,
        "within_5_points": None,
        "is_voided": None,
        "void_reason": None,
        "pre_game_injury_status": prediction.get("injury_status_at_prediction"),
        "model_version": prediction.get("model_version"),
    }


def _played(performance: Row) -> bool:
    """Rule 4, for a player who has a row: whether they played."""
    if performance.get("is_dnp") or performance.get("points") is None:
        return False
    return bool(performance["points"] or performance.get("minutes_played"))


def _void(row: Row) -> None:
    status = (row["pre_game_injury_status"] or "").strip().upper()
    row["is_voided"] = True
    row["void_reason"] = VOID_REASONS.get(status, "dnp_unknown")


def _measure(row: Row) -> None:
    """Rule 5."""
    predicted, actual, line = row["predicted_points"], row["actual_points"], row["line_value"]
    row["is_voided"] = False
    if predicted is not None:
        row["signed_error"] = predicted - actual
        row["absolute_error"] = abs(predicted - actual)
        row["within_3_points"] = abs(predicted - actual) <= 3
        row["within_5_points"] = abs(predicted - actual) <= 5
    if line is None:
        return
    row["actual_margin"] = actual - line
    if predicted is not None:
        row["predicted_margin"] = predicted - line
    if actual == line:
        return
    if row["recommendation"] == "OVER":
        row["prediction_correct"] = actual > line
    elif row["recommendation"] == "UNDER":
        row["prediction_correct"] = actual < line


def share_of(confidence: Decimal | None) -> Decimal | None:
    """Rule 6: 0-1 stands, above 1 is a percentage, anything outside 0-100 is nothing."""
    if confidence is None or confidence < 0 or confidence > 100:
        return None
    return confidence if confidence <= 1 else (confidence / 100).quantize(NINE_DIGITS, ROUND_HALF_UP)


def _decile(share: Decimal | None) -> int | None:
    if share is None:
        return None
    return next((decile for decile in range(1, 10) if share < Decimal(decile) / 10), 10)
