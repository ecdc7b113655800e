"""The tables this project writes: their names, business keys and columns, fixed here and nowhere else.

The types are in include/sql/schema; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

DATASET = "nba_predictions"
# Where the tables are that this project reads: its own, and the box scores.
DATASETS = (DATASET, "nba_box_scores")
# A worker of a batch writes _staging_batch_<batch>_<worker>. No underscore in a batch: the first one after it ends it, so the tables
# of batch "a" are never those of a batch "a_b".
BATCH_ID_PATTERN = "[A-Za-z0-9]+"


@dataclass(frozen=True)
class Table:
    """A table that guarded writes replace one date at a time.

    ``operation`` is whose lease guards a date of it, whoever writes: one table, one kind of lease. ``date_column`` is its partition.
    ``key`` is unique within a date with NULL equal to NULL; ``required_key`` are its columns that are never NULL; ``columns`` are
    all but fencing_token, which the publish adds where ``has_token``. ``line_column`` is the key's betting line, and ``time_column``
    says which of several rows of a key is the earliest, ``tie_column`` which of two of one moment comes first,
    ``value_time`` when a row got its values. The line and the tie are of the tables whose duplicates are looked for.
    """

    name: str
    operation: str
    key: tuple[str, ...]
    required_key: tuple[str, ...]
    columns: tuple[str, ...]
    line_column: str = "line_value"
    time_column: str = "graded_at"
    tie_column: str = "grading_run_id"
    value_time: str = "graded_at"
    date_column: str = "game_date"
    has_token: bool = True

    @property
    def full_name(self) -> str:
        """``dataset.table``."""
        return f"{DATASET}.{self.name}"

    def staging_name(self, game_date: date, holder_id: str) -> str:
        """``dataset.table`` of the staging table of one claim; found by the staging cleanup by its prefix."""
        return f"{DATASET}._staging_{self.name}_{game_date:%Y%m%d}_{holder_id}"


PREDICTION_ACCURACY = Table(
    name="prediction_accuracy",
    operation="grading",
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

PLAYER_PROP_PREDICTIONS = Table(
    name="player_prop_predictions",
    operation="consolidation",
    key=("game_id", "player_lookup", "system_id", "current_points_line"),
    required_key=("game_id", "player_lookup", "system_id"),
    line_column="current_points_line",
    time_column="created_at",
    tie_column="prediction_id",
    value_time="GREATEST(created_at, COALESCE(updated_at, created_at))",
    columns=(
        "prediction_id",
        "system_id",
        "player_lookup",
        "game_id",
        "game_date",
        "predicted_points",
        "confidence_score",
        "recommendation",
        "current_points_line",
        "line_source",
        "sportsbook",
        "is_active",
        "invalidation_reason",
        "injury_status_at_prediction",
        "model_version",
        "created_at",
        "updated_at",
    ),
    has_token=False,
)

SYSTEM_DAILY_PERFORMANCE = Table(
    name="system_daily_performance",
    operation="daily_performance",
    key=("game_date", "system_id"),
    required_key=("game_date", "system_id"),
    time_column="computed_at",
    value_time="computed_at",
    columns=(
        "game_date",
        "system_id",
        "predictions",
        "graded",
        "voided",
        "pending",
        "recommendations",
        "correct",
        "incorrect",
        "pushes",
        "passes",
        "win_rate",
        "mae",
        "avg_bias",
        "over_count",
        "over_correct",
        "over_incorrect",
        "over_win_rate",
        "under_count",
        "under_correct",
        "under_incorrect",
        "under_win_rate",
        "within_3_count",
        "within_3_share",
        "within_5_count",
        "within_5_share",
        "avg_confidence",
        "high_confidence_count",
        "high_confidence_correct",
        "high_confidence_incorrect",
        "high_confidence_win_rate",
        "grades_version",
        "computed_at",
        "grading_run_id",
    ),
)

PREDICTION_PERFORMANCE_SUMMARY = Table(
    name="prediction_performance_summary",
    operation="performance_summary",
    key=("summary_key",),
    required_key=("summary_key",),
    date_column="period_end_date",
    time_column="computed_at",
    value_time="computed_at",
    columns=(
        "summary_key",
        "system_id",
        "period_type",
        "period_value",
        "period_start_date",
        "period_end_date",
        "player_lookup",
        "confidence_tier",
        "predictions",
        "voided",
        "hits",
        "misses",
        "hit_rate",
        "over_hit_rate",
        "under_hit_rate",
        "mae",
        "bias",
        "unique_players",
        "unique_games",
        "grades_version",
        "computed_at",
        "grading_run_id",
    ),
)

TABLES = {
    table.operation: table for table in (PREDICTION_ACCURACY, PLAYER_PROP_PREDICTIONS, SYSTEM_DAILY_PERFORMANCE, PREDICTION_PERFORMANCE_SUMMARY)
}
REPAIRABLE = {table.name: table for table in (PREDICTION_ACCURACY, PLAYER_PROP_PREDICTIONS)}
GUARDED = {table.name: table for table in (*REPAIRABLE.values(), SYSTEM_DAILY_PERFORMANCE, PREDICTION_PERFORMANCE_SUMMARY)}
