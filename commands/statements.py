"""The commands' own statements, in commands/sql."""

from __future__ import annotations

from pathlib import Path

from nba_grading.warehouse.sql import SqlFolder

COMMANDS_SQL = SqlFolder(Path(__file__).parent / "sql")
