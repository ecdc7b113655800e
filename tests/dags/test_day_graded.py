"""The event that the alarm from outside listens for: yesterday is graded, or has nothing to grade; by whichever DAG, and for no other day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from nba_grading.events import subscribe, unsubscribe
from nba_grading.game_dates import resolve_past_day
from nba_grading.warehouse.client import Warehouse
from tests.dags.runs import insert_box_scores, insert_predictions, run_in_process

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")


@pytest.fixture
def heard() -> Iterator[list[tuple[date, str]]]:
    """Date and outcome of each event so far."""
    events: list[tuple[date, str]] = []

    def observe(event: str, facts: Mapping[str, Any]) -> None:
        if event == "day_graded":
            events.append((facts["game_date"], facts["outcome"]))

    subscribe(observe)
    yield events
    unsubscribe(observe)


@pytest.fixture
def yesterday() -> date:
    """In New York."""
    return resolve_past_day(None, datetime.now(tz=UTC))


def test_a_day_without_games_is_one_as_well_and_an_earlier_day_is_none(warehouse: Warehouse, yesterday: date, heard: list[tuple[date, str]]) -> None:
    run_in_process("grade_predictions", game_date=str(yesterday - timedelta(days=1)))
    assert heard == []
    run_in_process("grade_predictions")
    assert heard == [(yesterday, "no_predictions")]


def test_a_day_that_waits_for_its_box_scores_is_none_until_a_backfill_grades_it(
    warehouse: Warehouse, yesterday: date, heard: list[tuple[date, str]]
) -> None:
    insert_predictions(warehouse, [yesterday])
    run_in_process("grade_predictions")
    assert heard == []
    insert_box_scores(warehouse, [yesterday])
    run_in_process("backfill_grades", from_date=str(yesterday - timedelta(days=1)), to_date=str(yesterday))
    assert heard == [(yesterday, "graded")]
