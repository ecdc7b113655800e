"""A scenario of tests/emulator/test_kills_*.py: what a task finds at each of many places, and how its tables are looked at.

A place has a season of its own, so that each case has its dates, and their fences, to itself; ``look`` tells the parts of each, alike for
all. Of every part there are two states that are right: as it was, and as an undisturbed run leaves it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar

from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import DATASET

Parts = dict[str, Any]

FIRST_YEAR, MONTH, DAY_OF_MONTH = 1901, 9, 26


class Scenario:
    """A task, what it finds, and what is looked at. ``needs``: a part, and another that changes before it does."""

    task: str
    # How many dates a place has.
    dates = 1
    needs: ClassVar[Mapping[str, str]] = {}
    # How many cases share the tables at a time.
    at_once = 1000
    # Whether to kill after writes of leases as well; they are the same code in every task.
    kills_leases = False
    # The first words of the changing statements to be killed inside, where another task has the rest of the same code; or all.
    kills_inside: frozenset[str] = frozenset()

    def prepare(self, warehouse: Warehouse, places: Sequence[int]) -> None:
        """Fill the places."""
        raise NotImplementedError

    def params(self, place: int) -> dict[str, Any]:
        """What the task is given at a place."""
        return {"dates": self.days([place])}

    def look(self, warehouse: Warehouse, places: Sequence[int]) -> dict[int, Parts]:
        """The parts of each place."""
        raise NotImplementedError

    def assert_right(self, before: Parts, after: Parts) -> None:
        """What an undisturbed run is to have done."""

    def day(self, place: int, number: int = 0) -> date:
        """One of the dates of a place, in the last week of its season."""
        return date(FIRST_YEAR + place, MONTH, DAY_OF_MONTH) + timedelta(days=number)

    def days(self, places: Sequence[int]) -> list[date]:
        """All dates of some places."""
        return [self.day(place, number) for place in places for number in range(self.dates)]


def listed(days: Sequence[date]) -> str:
    """Literals of the dates."""
    return ", ".join(f"DATE '{day}'" for day in days)


def tables(warehouse: Warehouse) -> set[str]:
    """The names of the dataset's tables."""
    return {table.table_id for table in warehouse.client.list_tables(DATASET)}


def rows_by_date(warehouse: Warehouse, table: str, columns: str, date_column: str = "game_date") -> Mapping[date, list[tuple[Any, ...]]]:
    """The rows of each date, sorted."""
    found: defaultdict[date, list[tuple[Any, ...]]] = defaultdict(list)
    for row in _rows(warehouse, f"SELECT {date_column} AS day, {columns} FROM nba_predictions.{table}"):
        found[row[0]].append(row[1:])
    for rows in found.values():
        rows.sort(key=lambda row: [(value is not None, str(value)) for value in row])
    return found


def _rows(warehouse: Warehouse, text: str) -> Iterator[tuple[Any, ...]]:
    return (tuple(row.values()) for row in warehouse.query(text))
