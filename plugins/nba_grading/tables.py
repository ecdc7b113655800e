"""The tables this project writes: their names, business keys and columns, fixed here and nowhere else.

The types are in include/sql/schema; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

DATASET = "nba_predictions"


@dataclass(frozen=True)
class Table:
    """A table that guarded writes replace one game_date at a time.

    ``key`` is unique within a date with NULL equal to NULL; ``required_key`` are its columns that are never NULL;
    ``columns`` are all but fencing_token, which the publish adds.
    """

    name: str
    key: tuple[str, ...]
    required_key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """``dataset.table``."""
        return f"{DATASET}.{self.name}"

    def staging_name(self, game_date: date, holder_id: str) -> str:
        """``dataset.table`` of the staging table of one claim; found by the staging cleanup by its prefix."""
        return f"{DATASET}._staging_{self.name}_{game_date:%Y%m%d}_{holder_id}"


PREDICTION_ACCURACY = Table(
    name="prediction_accuracy",
    key=("player_lookup", "game_id", "system_id", "line_value"),
    required_key=("player_lookup", "game_id", "system_id"),
    columns=(
        "player_lookup",
        "game_id",
        "game_date",
        "system_id",
        "team_abbr",
        "opponent_team_abbr",
        "predicted_points",
        "confidence_score",
        "confidence_decile",
        "recommendation",
        "line_value",
        "line_source",
        "sportsbook",
        "actual_points",
        "minutes_played",
        "absolute_error",
        "signed_error",
        "prediction_correct",
        "predicted_margin",
        "actual_margin",
        "within_3_points",
        "within_5_points",
        "is_voided",
        "void_reason",
        "pre_game_injury_status",
        "model_version",
        "graded_at",
        "grading_run_id",
    ),
)
