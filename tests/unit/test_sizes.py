"""The order in which the test files run."""

from __future__ import annotations

from pathlib import Path

from tests.sizes import LONGEST_FILES


def test_the_files_that_come_first_are_there() -> None:
    assert [name for name in LONGEST_FILES if not (Path(__file__).parents[1] / f"{name}.py").exists()] == []
