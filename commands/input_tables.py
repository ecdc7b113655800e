"""The tables that people load: the columns of their files, and what must be in them. A test compares them with include/sql/schema."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

NUMERIC = pa.decimal128(38, 9)
TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class InputTable:
    """An input table: its file stem, its dataset, its columns in table order, those that must be there and not NULL, and a key to be unique.

    A load replaces the dates of ``date_column`` that are in the file. An optional file may be left out; its table is then left as it is.
    """

    stem: str
    dataset: str
    columns: dict[str, pa.DataType]
    required: tuple[str, ...]
    unique: tuple[str, ...] = ()
    date_column: str = "game_date"
    is_optional: bool = False

    @property
    def full_name(self) -> str:
        """``dataset.table``."""
        return f"{self.dataset}.{self.stem}"

    def dates_of(self, rows: pa.Table) -> list[date]:
        """The dates in these rows, in order; in UTC where they are of a time."""
        dates: list[date] = sorted(pc.unique(rows[self.date_column].cast(pa.date32())).to_pylist())
        return dates


PREDICTIONS = InputTable(
    stem="player_prop_predictions",
    dataset="nba_predictions",
    columns={
        "prediction_id": pa.string(),
        "system_id": pa.string(),
        "player_lookup": pa.string(),
        "game_id": pa.string(),
        "game_date": pa.date32(),
        "predicted_points": NUMERIC,
        "confidence_score": NUMERIC,
        "recommendation": pa.string(),
        "current_points_line": NUMERIC,
        "line_source": pa.string(),
        "sportsbook": pa.string(),
        "is_active": pa.bool_(),
        "invalidation_reason": pa.string(),
        "injury_status_at_prediction": pa.string(),
        "model_version": pa.string(),
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
    },
    required=("system_id", "player_lookup", "game_id", "game_date"),
)
BOX_SCORES = InputTable(
    stem="player_game_summary",
    dataset="nba_box_scores",
    columns={
        "player_lookup": pa.string(),
        "game_id": pa.string(),
        "game_date": pa.date32(),
        "team_abbr": pa.string(),
        "opponent_team_abbr": pa.string(),
        "points": pa.int64(),
        "minutes_played": NUMERIC,
        "is_dnp": pa.bool_(),
        "updated_at": TIMESTAMP,
    },
    required=("player_lookup", "game_id", "game_date", "points"),
    unique=("game_id", "player_lookup"),
)
GAMES = InputTable(
    stem="games",
    dataset="nba_reference",
    columns={"game_id": pa.string(), "game_date": pa.date32(), "tip_off_at": TIMESTAMP, "status": pa.string()},
    required=("game_id", "game_date"),
    unique=("game_id",),
    is_optional=True,
)
PROP_LINES = InputTable(
    stem="prop_lines",
    dataset="nba_odds",
    columns={
        "game_id": pa.string(),
        "player_lookup": pa.string(),
        "sportsbook": pa.string(),
        "line": NUMERIC,
        "over_price": pa.int64(),
        "under_price": pa.int64(),
        "captured_at": TIMESTAMP,
    },
    required=("game_id", "player_lookup", "sportsbook", "line", "captured_at"),
    unique=("game_id", "player_lookup", "sportsbook", "line", "captured_at"),
    date_column="captured_at",
    is_optional=True,
)
INPUT_TABLES = (PREDICTIONS, BOX_SCORES, GAMES, PROP_LINES)
