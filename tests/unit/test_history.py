"""The checker of the stress run finds each thing that must not happen, and nothing in what may."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from proofs.dates import Dates, FencedOut, Held
from proofs.history import Event, History, check_history, read_history

KEY = "grading_2026-01-10"


def claimed(holder: str, token: int, at: float, valid_until: float, pid: int = 1, key: str = KEY) -> Event:
    return {"event": "claimed", "pid": pid, "key": key, "holder": holder, "token": token, "at": at, "valid_until": valid_until}


def ended(holder: str, at: float, how: str = "released") -> Event:
    return {"event": "ended", "pid": 1, "holder": holder, "at": at, "how": how}


def wrote(token: int | None, updated: int | None, **held: Any) -> Event:
    facts = {"rows": 5, "keys": 5, "runs": ["a"], "holds_token": token or 0, "replaced_token": 0, **held}
    return {"event": "wrote", "pid": 1, "key": KEY, "holder": "a", "token": token, "at": 0.0, "updated": updated, **facts}


def test_holders_one_after_the_other_are_fine() -> None:
    events = [claimed("a", 1, 0, 3), ended("a", 2), claimed("b", 2, 2, 5), ended("b", 3), wrote(1, 1), wrote(2, 2)]
    verdict = check_history(events, {KEY: 2})
    assert (verdict.violations, verdict.cycles) == (0, 2)


@pytest.mark.parametrize(
    ("events", "overlaps"),
    [
        ([claimed("a", 1, 0, 3), ended("a", 2), claimed("b", 2, 1.5, 5), ended("b", 3)], 1),  # before the release
        ([claimed("a", 1, 0, 3), claimed("b", 2, 2.9, 5)], 1),  # before the validity ended
        ([claimed("a", 1, 0, 3), claimed("b", 2, 3.1, 5)], 0),  # after it
        ([claimed("a", 1, 0, 3), {"event": "renewed", "holder": "a", "valid_until": 6}, claimed("b", 2, 3.1, 5)], 1),  # renewed meanwhile
        ([claimed("a", 1, 0, 9, pid=7), {"event": "died", "pid": 1, "victim": 7, "at": 1.0}, claimed("b", 2, 2, 5)], 0),  # killed before
        ([claimed("a", 1, 0, 9), claimed("b", 2, 2, 5, key="grading_2026-01-11")], 0),  # another date
        ([claimed("a", 1, 0, 9), claimed("b", 2, 1, 2), claimed("c", 3, 3, 5)], 2),  # the first still holds when the third comes
    ],
)
def test_overlapping_validity_is_found(events: list[Event], overlaps: int) -> None:
    assert check_history(events, {}).overlaps == overlaps


@pytest.mark.parametrize(("second", "regressions"), [(2, 0), (1, 1), (0, 1)])
def test_a_token_that_does_not_grow_is_found(second: int, regressions: int) -> None:
    events = [claimed("a", 1, 0, 1), claimed("b", second, 2, 3)]
    assert check_history(events, {}).token_regressions == regressions


def test_what_a_date_held_after_a_write_is_judged() -> None:
    assert check_history([wrote(1, 1, rows=10)], {KEY: 1}).duplicates == 1
    assert check_history([wrote(1, 1, runs=["a", "b"])], {KEY: 1}).mixed_dates == 1
    assert check_history([wrote(5, 1, holds_token=4)], {KEY: 1}).stale_wins == 1
    assert check_history([wrote(5, 1, replaced_token=6)], {KEY: 1}).stale_wins == 1
    assert check_history([wrote(5, 1, replaced_token=5, holds_token=9)], {KEY: 1}).stale_wins == 0
    assert check_history([wrote(None, None, holds_token=4)], {KEY: 0}).violations == 0


def test_updates_that_were_lost_are_found() -> None:
    assert check_history([wrote(1, 1), wrote(2, 1)], {KEY: 1}).lost_updates == 1  # two wrote the same number
    assert check_history([wrote(1, 1), wrote(2, 2)], {KEY: 1}).lost_updates == 1  # one is not there in the end
    assert check_history([wrote(1, 1)], {KEY: 2}).lost_updates == 0  # a writer died between its commit and its word of it


def test_a_history_is_read_back_as_it_was_told(tmp_path: Path) -> None:
    History(tmp_path, "writer0").record("claimed", key=KEY, token=1)
    History(tmp_path, "writer1").record("ended", how="lost")
    recorded = read_history(tmp_path)
    assert [(event["event"], event.get("token"), event.get("how")) for event in recorded] == [("claimed", 1, None), ("ended", None, "lost")]


def test_a_date_without_its_fence_is_found(tmp_path: Path) -> None:
    dates = Dates(tmp_path / "dates.db")
    dates.seed(KEY)
    assert dates.write_fenced(KEY, "b", 20, 1).replaced == 0
    with pytest.raises(FencedOut):
        dates.write_fenced(KEY, "a", 10, 2)
    with pytest.raises(FencedOut):
        dates.write_fenced(KEY, "a", 25, 2, seen=0)
    unfenced = dates.write_fenced(KEY, "c", 30, 2, seen=20)
    late = Held(**{**vars(unfenced), "replaced": 40})  # as a recipe without the check would have gone over it
    assert [
        check_history([wrote(30, 2, holds_token=held.token, replaced_token=held.replaced)], {KEY: 2}).stale_wins for held in (unfenced, late)
    ] == [0, 1]
    with sqlite3.connect(tmp_path / "dates.db") as connection:
        connection.execute("INSERT INTO rows VALUES (?, 0, 'd', 9)", (KEY,))
    held = dates.look(KEY, 30)
    assert (held.rows, held.keys, sorted(held.runs)) == (6, 5, ["c", "d"])
