"""The assets that start one DAG after another, and how a task announces the dates that it has changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from airflow.sdk import Asset

if TYPE_CHECKING:
    from airflow.sdk import Context

# Without a URI: a bigquery:// URI makes every parse of a DAG file import the Google provider.
GRADES = Asset("prediction_accuracy")

PREDICTIONS = Asset("player_prop_predictions")


def announce(context: Context, asset: Asset, dates: Iterable[date]) -> None:
    """Put the dates into the event that the task's success emits, as ``game_dates``.

    For people and other consumers: events may be merged or lost, so ``aggregate_performance`` asks the tables what is stale instead.
    """
    context["outlet_events"][asset].extra = {"game_dates": [str(day) for day in dates]}
