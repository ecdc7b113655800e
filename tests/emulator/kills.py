"""Every task that writes, killed with SIGKILL at each of its steps: run again, it finishes, and nothing is lost.

The steps of a task are not listed here: an undisturbed run counts them. They are its statements and its writes of leases. Inside a
statement is once it is submitted, before it is answered: BigQuery goes on with it. A kill inside a SELECT, after a statement or before
the next one leaves the same tables and leases as one inside the last statement that changed something, so those are tried with
FULL_TESTS=1 in the environment alone (`make test-full`).

The scenarios are divided among several files (test_kills_*.py), which pytest runs side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from signal import SIGKILL
from typing import Any

from commands.stack_config import StackConfig
from nba_grading.pipelines.staging_cleanup import drop_staging_tables, judge_staging_tables
from nba_grading.warehouse.client import Warehouse
from proofs.fault_injection import Fault
from tests.emulator.fork_server import End, ForkServer
from tests.emulator.scenario import Parts, Scenario, tables
from tests.sizes import FULL

# The emulator runs a statement at a time: while it does, the other's client works.
SIDE_BY_SIDE = 2
# By then the lease of a dead holder has expired.
LATER_SECONDS = 120
PLACE_OF_UNDISTURBED = 0

Run = Callable[..., End]


class ForkServers:
    """Runs tasks in processes of their own, SIDE_BY_SIDE at a time; from several threads."""

    def __init__(self, emulators: StackConfig, leases: Path) -> None:
        self._all = [ForkServer(emulators, leases) for _ in range(SIDE_BY_SIDE)]
        self._free: SimpleQueue[ForkServer] = SimpleQueue()
        for server in self._all:
            self._free.put(server)

    def run(self, *arguments: Any, **more: Any) -> End:
        """See ForkServer.run."""
        server = self._free.get()
        try:
            return server.run(*arguments, **more)
        finally:
            self._free.put(server)

    def close(self) -> None:
        """End the processes."""
        for server in self._all:
            server.close()


def deaths_of(scenario: Scenario, undisturbed: End) -> list[Fault]:
    """A kill before the first step, inside the statements that change something, after every third write of a lease; or all of them."""
    statements = range(1, undisturbed.statements + 1)
    changes = [number for number, word in undisturbed.changes if not scenario.kills_inside or word in scenario.kills_inside]
    inside = [Fault("inside", number) for number in (statements if FULL else changes)]
    # Three dates: the first of them is claimed, the first notes its job, the turn is had, a second job is noted, the first is released.
    writes = range(1, undisturbed.lease_writes + 1, 1 if FULL else 3) if scenario.kills_leases else ()
    leased = [Fault("leased", number) for number in writes]
    after = [Fault("after", number) for number in statements] if FULL else []
    return [Fault("before", 1), *inside, *leased, *after]


def assert_a_killed_task_is_finished_by_the_same_task_again(scenario: Scenario, warehouse: Warehouse, run: Run) -> None:
    """Run the scenario's task undisturbed, then die its deaths at one place each, and run it again at each."""
    scenario.prepare(warehouse, [PLACE_OF_UNDISTURBED])
    before = scenario.look(warehouse, [PLACE_OF_UNDISTURBED])[PLACE_OF_UNDISTURBED]
    undisturbed = run(scenario.task, PLACE_OF_UNDISTURBED, scenario.params(PLACE_OF_UNDISTURBED))
    assert undisturbed.status == 0, undisturbed.error
    assert undisturbed.changes
    after = scenario.look(warehouse, [PLACE_OF_UNDISTURBED])[PLACE_OF_UNDISTURBED]
    scenario.assert_right(before, after)

    places = dict(enumerate(deaths_of(scenario, undisturbed), start=PLACE_OF_UNDISTURBED + 1))
    # The late deaths first: the early ones leave staging tables behind.
    groups = list(batched(reversed(places), scenario.at_once))
    wrong = [
        problem for group in groups for problem in problems_of(scenario, warehouse, run, {place: places[place] for place in group}, before, after)
    ]
    assert not wrong, "\n".join(wrong)
    assert_no_litter(warehouse)


def batched(places: Iterable[int], size: int) -> Iterator[list[int]]:
    rest = iter(places)
    while group := list(islice(rest, size)):
        yield group


def problems_of(scenario: Scenario, warehouse: Warehouse, run: Run, deaths: dict[int, Fault], before: Parts, after: Parts) -> Iterator[str]:
    """What is not as it must be once every process of these has died its death, and once each was followed by another."""
    places = list(deaths)
    scenario.prepare(warehouse, places)
    assert set(map(str, scenario.look(warehouse, places).values())) == {str(before)}

    killed = in_parallel(lambda place: run(scenario.task, place, scenario.params(place), fault=deaths[place]), places)
    yield from (f"{deaths[place]}: was not killed: {end}" for place, end in zip(places, killed, strict=True) if end.status != -SIGKILL)
    for place, parts in scenario.look(warehouse, places).items():
        changed = {name for name in parts if parts[name] != before[name]}
        yield from (f"{deaths[place]} left {name} half done: {parts[name]}" for name in changed if parts[name] != after[name])
        yield from (
            f"{deaths[place]}: {name} before {needed}" for name, needed in scenario.needs.items() if name in changed and needed not in changed
        )

    heirs = in_parallel(lambda place: run(scenario.task, place, scenario.params(place), late_s=LATER_SECONDS), places)
    yield from (f"{deaths[place]}: the next run failed: {end.error}" for place, end in zip(places, heirs, strict=True) if end.status != 0)
    for place, parts in scenario.look(warehouse, places).items():
        yield from (f"{deaths[place]}: {name} is not finished: {parts[name]}" for name in parts if parts[name] != after[name])


def in_parallel(work: Callable[[int], End], places: Sequence[int]) -> list[End]:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(work, places))


def assert_no_litter(warehouse: Warehouse) -> None:
    """The staging tables of the dead are proven to be in their tables, by the cleanup itself, and go."""
    judged = [table for table in judge_staging_tables(warehouse, older_than_days=0) if "_batch_" not in table.name]
    assert [table for table in judged if not table.is_proven] == []
    drop_staging_tables(warehouse, judged)
    assert not [name for name in tables(warehouse) if name.startswith("_staging_") and "_batch_" not in name]
