"""The tables that this project writes: their names, business keys, and what guards them.

Columns and types are those of include/sql/schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache

from nba_grading.warehouse.sql import load_sql, tables_named

DATASET = "nba_predictions"
# The datasets that this project reads: its own, the box scores, and what is optional.
DATASETS = (DATASET, "nba_box_scores", "nba_reference", "nba_odds")
# A worker of a batch writes _staging_batch_<batch>_<worker>. A batch id has no underscore, as the next underscore ends it: the tables of
# batch "a" are never taken for those of a batch "a_b".
BATCH_ID_PATTERN = "[A-Za-z0-9]+"
_COLUMN = re.compile(r"^    (\w+) [A-Z]", re.MULTILINE)


@dataclass(frozen=True)
class Table:
    """A table that guarded writes replace by date.

    ``operation`` names the lease that guards a date of the table, for every writer. ``date_column`` is the partition column. ``key`` is
    unique within a date, with NULL equal to NULL; ``required_key`` are its columns that are never NULL. ``line_column`` is the betting line
    of the key. ``time_column`` and then ``tie_column`` order the rows of a key; ``value_time`` is when a row got its values. The line and
    the tie column are used only for tables that are checked for duplicates.
    """

    name: str
    operation: str
    key: tuple[str, ...]
    required_key: tuple[str, ...]
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
    def columns(self) -> tuple[str, ...]:
        """All columns in the table's order, but fencing_token, which the publish adds if ``has_token``."""
        return _columns_of(self.name)

    @property
    def fences(self) -> str:
        """``dataset.table`` of its fences."""
        return f"{DATASET}.write_fences_{self.name}"

    def staging_name(self, first: date, write_id: str) -> str:
        """``dataset.table`` of the staging table of one write, by its first date; the staging cleanup finds it by its prefix."""
        return f"{DATASET}._staging_{self.name}_{first:%Y%m%d}_{write_id}"


@cache
def _columns_of(table: str) -> tuple[str, ...]:
    return tuple(name for name in _COLUMN.findall(load_sql(f"schema/create_{table}")) if name != "fencing_token")


PREDICTION_ACCURACY = Table(
    name="prediction_accuracy",
    operation="grading",
    key=("player_lookup", "game_id", "system_id", "line_value"),
    required_key=("player_lookup", "game_id", "system_id"),
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
    has_token=False,
)

SYSTEM_DAILY_PERFORMANCE = Table(
    name="system_daily_performance",
    operation="daily_performance",
    key=("game_date", "system_id"),
    required_key=("game_date", "system_id"),
    time_column="computed_at",
    value_time="computed_at",
)

PLAYER_DAILY_PERFORMANCE = Table(
    name="player_daily_performance",
    operation="player_performance",
    key=("game_date", "system_id", "player_lookup", "game_id", "confidence_tier"),
    required_key=("game_date", "system_id", "player_lookup", "game_id"),
    time_column="computed_at",
    value_time="computed_at",
)

PREDICTION_PERFORMANCE_SUMMARY = Table(
    name="prediction_performance_summary",
    operation="performance_summary",
    key=("summary_key",),
    required_key=("summary_key",),
    date_column="period_end_date",
    time_column="computed_at",
    value_time="computed_at",
)

SETTLED_BETS = Table(
    name="settled_bets",
    operation="settlement",
    key=("system_id", "player_lookup", "game_id"),
    required_key=("system_id", "player_lookup", "game_id"),
    time_column="computed_at",
    value_time="computed_at",
)

SYSTEM_MARKET_PERFORMANCE = Table(
    name="system_market_performance",
    operation="market_performance",
    key=("performance_key",),
    required_key=("performance_key",),
    date_column="period_end_date",
    time_column="computed_at",
    value_time="computed_at",
)

CONFIDENCE_CALIBRATION = Table(
    name="confidence_calibration",
    operation="recalibration",
    key=("system_id",),
    required_key=("system_id",),
    date_column="fitted_on",
    time_column="computed_at",
    value_time="computed_at",
)

PLAYER_WATCHLIST = Table(
    name="player_watchlist",
    operation="watchlist",
    key=("system_id", "player_lookup"),
    required_key=("system_id", "player_lookup"),
    date_column="as_of",
    time_column="computed_at",
    value_time="computed_at",
)

PLAYER_VARIANCE = Table(
    name="player_variance",
    operation="variance",
    key=("player_lookup", "measure", "system_id"),
    required_key=("player_lookup", "measure", "system_id"),
    date_column="as_of",
    time_column="computed_at",
    value_time="computed_at",
)

GUARDED = {
    table.name: table
    for table in (
        PREDICTION_ACCURACY,
        PLAYER_PROP_PREDICTIONS,
        SYSTEM_DAILY_PERFORMANCE,
        PLAYER_DAILY_PERFORMANCE,
        PREDICTION_PERFORMANCE_SUMMARY,
        SETTLED_BETS,
        SYSTEM_MARKET_PERFORMANCE,
        CONFIDENCE_CALIBRATION,
        PLAYER_WATCHLIST,
        PLAYER_VARIANCE,
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
