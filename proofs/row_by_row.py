"""Grading as the replaced system did it: fetch a date to Python, grade it in a loop, delete the date, load it as JSON.

The only place that loops over rows. `make bench` measures it, and checks that its grades are the same.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from google.cloud import bigquery

from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.sql import literal
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY
from proofs import PROOFS_SQL

VOID_REASONS = {
    "OUT": "dnp_injury_confirmed",
    "DOUBTFUL": "dnp_injury_confirmed",
    "QUESTIONABLE": "dnp_late_scratch",
    "PROBABLE": "dnp_late_scratch",
}
BEGINNING = datetime.min.replace(tzinfo=UTC)


def grade_row_by_row(warehouse: Warehouse, game_date: date) -> Mapping[str, float]:
    """Grade a date; returns the seconds of ``fetch``, ``grade`` and ``load``. Unguarded, for a benchmark only."""
    moments = [time.perf_counter()]
    predictions, box_scores = (
        warehouse.query(PROOFS_SQL.render("select_rows_of_date", columns="*", table=table, date_column="game_date", game_date=literal(game_date)))
        for table in (PLAYER_PROP_PREDICTIONS.full_name, "nba_box_scores.player_game_summary")
    )
    moments.append(time.perf_counter())
    grades = grade_rows(predictions, box_scores, datetime.now(tz=UTC))
    moments.append(time.perf_counter())
    warehouse.dml(PROOFS_SQL.load("delete_date"), {"game_date": game_date})
    _load(warehouse.client, grades)
    moments.append(time.perf_counter())
    return {name: after - before for name, before, after in zip(("fetch", "grade", "load"), moments, moments[1:], strict=False)}


def grade_rows(predictions: Sequence[Row], box_scores: Sequence[Row], graded_at: datetime) -> list[Row]:
    """Rows of prediction_accuracy for one date's rows of the two input tables."""
    performances = {(row["game_id"], row["player_lookup"]): row for row in box_scores}
    games = {row["game_id"] for row in box_scores}
    newest: dict[tuple[Any, ...], Row] = {}
    for row in predictions:
        if row["is_active"] is False or row["invalidation_reason"] is not None:
            continue
        key = (row["game_id"], row["player_lookup"], row["system_id"], row["current_points_line"])
        if key not in newest or _age(row) > _age(newest[key]):
            newest[key] = row
    return [_grade(row, performances.get((row["game_id"], row["player_lookup"])), graded_at) for row in newest.values() if row["game_id"] in games]


def _age(row: Row) -> tuple[datetime, str]:
    return row["created_at"] or BEGINNING, row["prediction_id"] or ""


def _grade(prediction: Row, performance: Row | None, graded_at: datetime) -> Row:
    points = performance["points"] if performance else None
    minutes = performance["minutes_played"] if performance else None
    voided = performance is None or bool(performance["is_dnp"]) or points is None or (points == 0 and not minutes)
    predicted, line, recommendation = prediction["predicted_points"], prediction["current_points_line"], prediction["recommendation"]
    error = None if voided or predicted is None else predicted - points
    margin = None if voided or line is None else points - line
    confidence = _share(prediction["confidence_score"])
    status = prediction["injury_status_at_prediction"]
    return {
        "player_lookup": prediction["player_lookup"],
        "game_id": prediction["game_id"],
        "game_date": prediction["game_date"],
        "system_id": prediction["system_id"],
        "team_abbr": performance["team_abbr"] if performance else None,
        "opponent_team_abbr": performance["opponent_team_abbr"] if performance else None,
        "predicted_points": predicted,
        "confidence_score": confidence,
        "confidence_decile": None if confidence is None else min(int((confidence * 10).to_integral_value(ROUND_FLOOR)) + 1, 10),
        "recommendation": recommendation,
        "line_value": line,
        "line_source": prediction["line_source"],
        "sportsbook": prediction["sportsbook"],
        "actual_points": points,
        "minutes_played": minutes,
        "absolute_error": None if error is None else abs(error),
        "signed_error": error,
        "prediction_correct": (margin > 0) == (recommendation == "OVER") if margin and recommendation in ("OVER", "UNDER") else None,
        "predicted_margin": None if voided or line is None or predicted is None else predicted - line,
        "actual_margin": margin,
        "within_3_points": None if error is None else abs(error) <= 3,
        "within_5_points": None if error is None else abs(error) <= 5,
        "is_voided": voided,
        "void_reason": VOID_REASONS.get((status or "").strip().upper(), "dnp_unknown") if voided else None,
        "pre_game_injury_status": status,
        "model_version": prediction["model_version"],
        "graded_at": graded_at,
        "grading_run_id": "row by row",
    }


def _share(confidence: Decimal | None) -> Decimal | None:
    if confidence is None or not 0 <= confidence <= 100:
        return None
    return confidence / 100 if confidence > 1 else confidence


def _load(client: bigquery.Client, grades: Sequence[Row]) -> None:
    lines = "\n".join(json.dumps(grade, default=str) for grade in grades)
    config = bigquery.LoadJobConfig(source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON, write_disposition="WRITE_APPEND")
    client.load_table_from_file(io.BytesIO(lines.encode()), PREDICTION_ACCURACY.full_name, job_config=config).result()
