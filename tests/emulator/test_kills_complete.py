"""Every scenario of tests/emulator/scenarios.py is played by a test file."""

from __future__ import annotations

from pathlib import Path

from tests.emulator.scenario import Scenario
from tests.emulator.scenarios import SCENARIOS


def test_every_scene_has_a_file() -> None:
    files = {path.stem.removeprefix("test_kills_") for path in Path(__file__).parent.glob("test_kills_*.py")}
    assert files - {"complete"} == SCENARIOS.keys()
    assert sorted(scenario.__name__ for scenarios in SCENARIOS.values() for scenario in scenarios) == sorted(
        scenario.__name__ for scenario in Scenario.__subclasses__()
    )
