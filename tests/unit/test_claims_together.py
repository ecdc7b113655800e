"""Writers of sets of dates that overlap never wait for each other in a circle: by a model of every order, and by threads.

The argument: a writer takes the leases of its dates without waiting, so whoever holds a date waits for at most the turn to publish. The
holder of the turn waits for nothing, so it ends, and the next one has the turn.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from nba_grading.guarded_write.claim import claim_dates
from nba_grading.leases import waiting
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey, LeaseStore
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from nba_grading.leases.times import LeaseTimes
from tests.unit.fake_store import FakeStore

# Every order of the steps

TURN = "turn"


class Step(NamedTuple):
    """Take a lease: wait for it while it is held, or go on without."""

    lease: str
    waits: bool


Program = tuple[Step, ...]
# How many steps a writer has done, and what it holds; None when it has released everything.
Progress = tuple[int, frozenset[str]] | None
Progresses = tuple[Progress, ...]


def ours(dates: str) -> Program:
    """Each date if it is free, and then the turn."""
    return (*(Step(day, waits=False) for day in dates), Step(TURN, waits=True))


def waiting_for_dates(dates: str) -> Program:
    return (*(Step(day, waits=True) for day in dates), Step(TURN, waits=True))


def turn_before_dates(dates: str) -> Program:
    """The turn after the first date, and the others, which are waited for, in the turn."""
    first, *others = dates
    return (Step(first, waits=False), Step(TURN, waits=True), *(Step(day, waits=True) for day in others))


def successors(programs: list[Program], state: Progresses) -> Iterator[tuple[int, Progresses]]:
    """Which writer can do a step, and what follows."""
    for number, progress in enumerate(state):
        if progress is None:
            continue
        done, holds = progress
        is_held = done < len(programs[number]) and any(
            other is not None and programs[number][done].lease in other[1] for each, other in enumerate(state) if each != number
        )
        if done == len(programs[number]):
            after: Progress = None
        elif is_held and programs[number][done].waits:
            continue
        else:
            after = done + 1, holds if is_held else holds | {programs[number][done].lease}
        yield number, (*state[:number], after, *state[number + 1 :])


def explore(programs: list[Program]) -> tuple[set[Progresses], set[Progresses]]:
    """All states, and those in which writers are left and none can do a step."""
    start: Progresses = tuple((0, frozenset()) for _ in programs)
    seen, unexplored, stuck = {start}, [start], set()
    while unexplored:
        state = unexplored.pop()
        following = {after for _, after in successors(programs, state)}
        if not following and any(state):
            stuck.add(state)
        unexplored.extend(following - seen)
        seen |= following
    return seen, stuck


SETS = ["abc", "cba", "bca", "ac"]


def test_writers_that_leave_held_dates_out_are_never_stuck_whatever_the_order_of_their_dates() -> None:
    states, stuck = explore([ours(dates) for dates in SETS])
    assert len(states) > 1_000
    assert stuck == set()


def test_the_holder_of_the_turn_waits_for_nothing() -> None:
    programs = [ours(dates) for dates in SETS]
    for state in explore(programs)[0]:
        able = {number for number, _ in successors(programs, state)}
        assert {number for number, progress in enumerate(state) if progress and TURN in progress[1]} <= able


def test_writers_that_wait_for_a_date_while_they_hold_another_can_be_stuck() -> None:
    assert explore([waiting_for_dates("ab"), waiting_for_dates("ba")])[1]


def test_writers_that_wait_for_a_date_in_their_turn_can_be_stuck() -> None:
    assert explore([turn_before_dates("ab"), turn_before_dates("ba")])[1]


# Many threads

DATES = [date(2026, 1, 1) + timedelta(days=number) for number in range(12)]
SECONDS = 60
QUICK_TURNS = LeaseTimes(max_wait_s=SECONDS)


@pytest.fixture(autouse=True)
def little_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "QUEUE_JITTER_SECONDS", 0.004)
    monkeypatch.setattr(waiting, "LONE_JITTER_SECONDS", 0.002)


class Target:
    """The dates of a table: who writes each now, who publishes, and how often each was written."""

    def __init__(self) -> None:
        self.written: Counter[date] = Counter()
        self.overlaps: list[str] = []
        self._dates = {day: threading.Lock() for day in DATES}
        self._turn = threading.Lock()

    def claim(self, days: list[date]) -> None:
        self.overlaps += [str(day) for day in days if not self._dates[day].acquire(blocking=False)]

    def publish(self, days: list[date]) -> None:
        if not self._turn.acquire(blocking=False):
            self.overlaps.append(TURN)
            return
        time.sleep(0.001)
        self.written.update(days)
        self._turn.release()

    def release(self, days: list[date]) -> None:
        for day in days:
            self._dates[day].release()


def write_all(leases: LeaseManager, target: Target, days: list[date], give_up_at: float) -> list[date]:
    """Write the days, those that can be had at a time, as a task does that is resumed; returns what is left when the time is up."""
    left = list(days)
    while left and time.monotonic() < give_up_at:
        claimed, held = claim_dates(lambda: leases, "grading", left, {}, "fail")
        if claimed:
            with claimed:
                target.claim(claimed.dates)
                with claimed.turn_to_publish():
                    target.publish(claimed.dates)
                target.release(claimed.dates)
        if held:
            time.sleep(random.uniform(0.001, 0.01))
        left = sorted(held)
    return left


@pytest.mark.parametrize(("writers", "kind"), [(24, "fake"), (6, "sqlite")])
def test_random_sets_that_overlap_are_all_written_and_no_date_by_two_at_a_time(
    writers: int, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store: LeaseStore = FakeStore(time.monotonic) if kind == "fake" else SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5)
    target, give_up_at = Target(), time.monotonic() + SECONDS / 2
    sets = [random.sample(DATES, random.randint(1, 8)) for _ in range(writers)]
    with ThreadPoolExecutor(writers) as pool:
        futures = [pool.submit(write_all, LeaseManager(store, QUICK_TURNS, time.monotonic), target, days, give_up_at) for days in sets]
        assert [future.result(timeout=SECONDS) for future in futures] == [[]] * writers
    assert target.overlaps == []
    assert target.written == Counter(day for days in sets for day in days)
    assert store.list("grading") == []
    assert not [record for record in caplog.records if record.getMessage().startswith("publish_without_turn")]


def test_a_writer_that_died_with_its_dates_and_its_turn_stops_the_others_for_its_lease_alone() -> None:
    store, target = FakeStore(time.monotonic), Target()
    for key in (LeaseKey("grading"), *(LeaseKey("grading", day) for day in DATES[:3])):
        store.create(key, {"holder_id": "dead", "lease_ms": 200})
    times = LeaseTimes(grace_s=0.05, max_wait_s=SECONDS)
    sets = [DATES[:2], DATES[1:5], DATES[6:]]
    begun = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(write_all, LeaseManager(store, times, time.monotonic), target, days, begun + SECONDS / 2) for days in sets]
        assert [future.result(timeout=SECONDS) for future in futures] == [[], [], []]
    assert time.monotonic() - begun < 10
    assert target.written == Counter(day for days in sets for day in days)
