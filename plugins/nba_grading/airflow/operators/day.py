"""The operator of a write about one past day: the weekly fits, lists and measures."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from nba_grading.airflow.errors import ParamsRefused
from nba_grading.airflow.operators.write import GuardedWriteOperator
from nba_grading.game_dates import GameDateError, resolve_past_day

if TYPE_CHECKING:
    from airflow.sdk import Context


class DayWriteOperator(GuardedWriteOperator):
    """Writes the day of the run's parameter ``day``, by default the day before the run's date in New York."""

    def find(self, context: Context) -> list[date]:
        """That day."""
        try:
            return [resolve_past_day(context["params"].get("day"), context["dag_run"].run_after or datetime.now(tz=UTC))]
        except GameDateError as error:
            raise ParamsRefused(str(error)) from None
