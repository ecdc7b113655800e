"""Every scene of tests/emulator/scenes.py is played by a test file."""

from __future__ import annotations

from pathlib import Path

from tests.emulator.scenario import Scene
from tests.emulator.scenarios import SCENES


def test_every_scene_has_a_file() -> None:
    files = {path.stem.removeprefix("test_kills_") for path in Path(__file__).parent.glob("test_kills_*.py")}
    assert files - {"complete"} == SCENES.keys()
    assert sorted(scene.__name__ for scenes in SCENES.values() for scene in scenes) == sorted(scene.__name__ for scene in Scene.__subclasses__())
