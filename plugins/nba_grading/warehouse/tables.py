"""The tables that this project writes: their names, business keys and columns.

The types are in include/sql/schema; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from nba_grading.warehouse.sql import tables_named

DATASET = "nba_predictions"
# The datasets that this project reads: its own, and the box scores.
DATASETS = (DATASET, "nba_box_scores")
# A worker of a batch writes _staging_batch_<batch>_<worker>. A batch id has no underscore, as the next underscore ends it: the tables of
# batch "a" are never taken for those of a batch "a_b".
BATCH_ID_PATTERN = "[A-Za-z0-9]+"


@dataclass(frozen=True)
class Table:
    """A table that guarded writes replace by date.

    ``operation`` names the lease that guards a date of the table, for every writer. ``date_column`` is the partition column. ``key`` is
    unique within a date, with NULL equal to NULL; ``required_key`` are its columns that are never NULL. ``columns`` are all columns but
    fencing_token, which the publish adds if ``has_token``. ``line_column`` is the betting line of the key. ``time_column`` and then
    ``tie_column`` order the rows of a key; ``value_time`` is when a row got its values. The line and the tie column are used only for
    tables that are checked for duplicates.
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

    @property
    def fences(self) -> str:
        """``dataset.table`` of its fences."""
        return f"{DATASET}.write_fences_{self.name}"

    def staging_name(self, first: date, write_id: str) -> str:
        """``dataset.table`` of the staging table of one write, by its first date; the staging cleanup finds it by its prefix."""
        return f"{DATASET}._staging_{self.name}_{first:%Y%m%d}_{write_id}"


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
    value_time="GREATEST(COALESCE(updated_at, created_at), COALESCE(created_at, updated_at))",
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

PLAYER_DAILY_PERFORMANCE = Table(
    name="player_daily_performance",
    operation="player_performance",
    key=("game_date", "system_id", "player_lookup", "game_id", "confidence_tier"),
    required_key=("game_date", "system_id", "player_lookup", "game_id"),
    time_column="computed_at",
    value_time="computed_at",
    columns=(
        "game_date",
        "system_id",
        "player_lookup",
        "game_id",
        "confidence_tier",
        "predictions",
        "voided",
        "hits",
        "misses",
        "over_hits",
        "over_misses",
        "errors",
        "absolute_error",
        "signed_error",
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

GUARDED = {
    table.name: table
    for table in (
        PREDICTION_ACCURACY,
        PLAYER_PROP_PREDICTIONS,
        SYSTEM_DAILY_PERFORMANCE,
        PLAYER_DAILY_PERFORMANCE,
        PREDICTION_PERFORMANCE_SUMMARY,
    )
}
TABLES = {table.operation: table for table in GUARDED.values()}
REPAIRABLE = {table.name: table for table in (PREDICTION_ACCURACY, PLAYER_PROP_PREDICTIONS)}
# What reads a view reads the tables behind it.
VIEWS = {
    f"{DATASET}.gradable_predictions": (PLAYER_PROP_PREDICTIONS.full_name,),
    f"{DATASET}.game_completeness": ("nba_box_scores.player_game_summary", f"{DATASET}.accepted_games"),
}


def source_tables(text: str) -> tuple[str, ...]:
    """The tables that a SELECT reads, as ``dataset.table``, each once and in order; a view counts as the tables behind it, fences do not count."""
    named = {table for name in tables_named(text, DATASETS) for table in VIEWS.get(name, (name,))}
    return tuple(sorted(named - {table.fences for table in GUARDED.values()}))
