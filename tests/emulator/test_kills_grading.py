"""Kills in the tasks of this file's scenarios: see tests/emulator/kills.py."""

from __future__ import annotations

import pytest

from nba_grading.warehouse.client import Warehouse
from tests.emulator.kills import Run, assert_a_killed_task_is_finished_by_the_same_task_again
from tests.emulator.scenario import Scenario
from tests.emulator.scenarios import SCENARIOS


# With FULL_TESTS=1 some hundred statements each, a minute at most on an idle machine.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", [scenario() for scenario in SCENARIOS["grading"]], ids=lambda scenario: scenario.task)
def test_a_killed_task_is_finished_by_the_same_task_again(scenario: Scenario, warehouse: Warehouse, run: Run) -> None:
    assert_a_killed_task_is_finished_by_the_same_task_again(scenario, warehouse, run)
