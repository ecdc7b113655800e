"""Prove the lease and the fenced write under faults, and that the proof can fail.

Usage: python -m proofs.stress [--quick] [--cycles 10000] [--processes 8] [--threads 2] [--publishes 60] [--waiters 50] [--seed N]

On emulators of its own: (1) cycles of acquire, write and release by many processes, some killed, some stopped past their lease, half
of them behind a proxy that loses calls, while Firestore is killed and restarted; (2) two to eight writers on one date of BigQuery;
(3) the old recipe in the same cycles, which has to fail; (4) every call of the lease lost before or after its effect, in turn;
(5) many waiters on one key. It writes histories, checks them, and ends with one line ``stress: cycles=… overlaps=…
token_regressions=… duplicates=… mixed_dates=… stale_wins=… stuck=…``. Exit code 0 only if those are zero, no waiter starved, no update
was lost, and the old recipe failed.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.clients import make_bigquery_client
from commands.console import CommandError, command, console, progress_bar, warehouse_of
from commands.schema import create_schema
from commands.stack import Stack
from commands.stack_config import ROOT, StackConfig, free_port_base
from nba_grading.settings import get_settings
from proofs.contention import PROCESSES, measure_contention, preload
from proofs.cycles import TIMES, Fleet, Plan, dates_in, key_of, outages, stuck_keys
from proofs.dates import Dates
from proofs.emulator import hide_lease_warnings
from proofs.figures import Contention
from proofs.history import RENEWALS, Verdict, check_history, read_history
from proofs.lost_calls import LOSSES, LostCallsVerdict, lose_every_call
from proofs.proxies import FaultProxy
from proofs.publishes import PublishVerdict, run_publishes

LOST_SHARE = 0.03
SILENT_SHARE = 0.003
OLD_CYCLES_SHARE = 0.05
MOST_SECONDS = 3600.0


@dataclass(frozen=True)
class Sizes:
    """Sizes of the run."""

    cycles: int
    processes: int
    threads: int
    keys: int
    publishes: int
    waiters: int
    harm_every_s: tuple[float, float]
    outage_every_s: float


FULL = Sizes(cycles=10_000, processes=8, threads=2, keys=8, publishes=60, waiters=50, harm_every_s=(0.5, 2.5), outage_every_s=60)
QUICK = Sizes(cycles=300, processes=4, threads=2, keys=4, publishes=4, waiters=20, harm_every_s=(1, 3), outage_every_s=15)


@dataclass(frozen=True)
class Findings:
    """The results of all parts."""

    cycles: Verdict
    publishes: PublishVerdict
    lost_calls: LostCallsVerdict
    contention: Contention
    old: Verdict
    stuck: int

    @property
    def line(self) -> str:
        """The closing line, without the old recipe."""
        ours, writes = self.cycles, self.publishes
        return (
            f"stress: cycles={ours.cycles} overlaps={ours.overlaps + self.lost_calls.overlaps} token_regressions={ours.token_regressions} "
            f"duplicates={ours.duplicates + writes.duplicates} mixed_dates={ours.mixed_dates + writes.mixed_dates} "
            f"stale_wins={ours.stale_wins + writes.stale_wins} stuck={self.stuck + writes.stuck + self.lost_calls.stuck}"
        )

    @property
    def problems(self) -> list[str]:
        """A sentence per violation; none is a pass."""
        writes, lost = self.publishes, self.lost_calls
        wrong = self.cycles.violations + writes.duplicates + writes.mixed_dates + writes.stale_wins + writes.stuck + lost.overlaps + lost.stuck
        found = [f"{wrong + self.stuck} violations: see the histories."] if wrong + self.stuck else []
        if self.contention.served < self.contention.waiters:
            found.append(f"{self.contention.waiters - self.contention.served} of {self.contention.waiters} waiters were never served.")
        if not any(self.cycles.seen[how] for how in RENEWALS):
            found.append("No lease was renewed: this run proves nothing of renewals.")
        if not (self.old.overlaps and self.old.duplicates):
            found.append("The old recipe was not caught: this run proves nothing.")
        return found


def run_stress(stack: Stack, sizes: Sizes, directory: Path) -> Findings:
    """Run all five parts on a running stack; histories are written below ``directory``."""
    port = stack.config.port("firestore")
    with progress_bar() as bar:

        def progress(title: str, total: int) -> Callable[[int], None]:
            task = bar.add_task(title, total=total)
            return partial(bar.advance, task)

        ours, stuck = _cycle(stack, sizes, directory / "ours", progress("cycles", sizes.cycles))
        # These mostly wait, and Firestore stays up, so they run in parallel.
        with ThreadPoolExecutor(3) as pool:
            old = pool.submit(_cycle_as_of_old, port, sizes, directory / "old", progress("cycles, old recipe", _old_cycles(sizes)))
            lost_calls = pool.submit(lose_every_call, port, progress("lost calls", len(LOSSES)))
            warehouse, environment = warehouse_of(make_bigquery_client(get_settings())), stack.config.client_environment()
            publishes = pool.submit(run_publishes, warehouse, environment, sizes.publishes, progress("rounds of publishes", sizes.publishes))
        contention = measure_contention(port, sizes.waiters, partial(progress("waiters, by process", min(PROCESSES, sizes.waiters)), 1))
    return Findings(ours, publishes.result(), lost_calls.result(), contention, old.result(), stuck)


def _old_cycles(sizes: Sizes) -> int:
    return max(200, round(sizes.cycles * OLD_CYCLES_SHARE))


def _cycle(stack: Stack, sizes: Sizes, directory: Path, advance: Callable[[int], None]) -> tuple[Verdict, int]:
    port, dates = stack.config.port("firestore"), _prepare(directory, sizes.keys)
    with FaultProxy(port) as proxy:
        for when in ("before", "after"):
            proxy.lose("Commit", when, share=LOST_SHARE)
            proxy.lose("Commit", when, share=SILENT_SHARE, silent=True)
            proxy.lose("BatchGetDocuments", when, share=LOST_SHARE)
        plans = [
            Plan("ours", proxy.port if number % 2 else port, directory, f"writer{number}", sizes.keys, sizes.threads, cycles)
            for number, cycles in enumerate(_shares(sizes))
        ]
        fleet = Fleet(plans)
        with outages(partial(stack.stop, "firestore"), partial(stack.start, "firestore"), sizes.outage_every_s) as happened:
            fleet.run(lambda: random.uniform(*sizes.harm_every_s), advance, MOST_SECONDS)
    console.print(
        f"cycles: {fleet.kills} processes killed, {fleet.stops} stopped past their lease of {TIMES.lease_s:g} s, Firestore restarted "
        f"{len(happened)} times, {sum(fault.lost for fault in proxy.faults)} calls lost",
        style="dim",
    )
    counters = {str(key_of(number)): dates.counter(str(key_of(number)))[0] for number in range(sizes.keys)}
    return check_history(read_history(directory), counters), stuck_keys(port, sizes.keys)


def _cycle_as_of_old(port: int, sizes: Sizes, directory: Path, advance: Callable[[int], None]) -> Verdict:
    _prepare(directory, sizes.keys)
    share = -(-_old_cycles(sizes) // sizes.processes)
    Fleet([Plan("old", port, directory, f"writer{number}", sizes.keys, sizes.threads, share) for number in range(sizes.processes)]).run(
        None, advance, MOST_SECONDS
    )
    return check_history(read_history(directory), {})


def _prepare(directory: Path, keys: int) -> Dates:
    directory.mkdir(parents=True)
    dates = dates_in(directory)
    for number in range(keys):
        dates.seed(str(key_of(number)))
    return dates


def _shares(sizes: Sizes) -> list[int]:
    return [sizes.cycles // sizes.processes + (number < sizes.cycles % sizes.processes) for number in range(sizes.processes)]


def findings_table(findings: Findings) -> Table:
    """A table of the parts."""
    table = Table("", "ours: cycles", "ours: publishes", "ours: lost calls", "old recipe", title="what must never happen")
    for column in table.columns[1:]:
        column.justify = "right"
    ours, writes, lost, old = findings.cycles, findings.publishes, findings.lost_calls, findings.old
    rows: list[tuple[str, Any, Any, Any, Any]] = [
        ("cycles, rounds, losses", ours.cycles, writes.rounds, lost.scenarios, old.cycles),
        ("writes", ours.writes, writes.ended["published"], "", old.writes),
        ("overlaps", ours.overlaps, "", lost.overlaps, old.overlaps),
        ("token regressions", ours.token_regressions, "", "", ""),
        ("lost updates", ours.lost_updates, "", "", old.lost_updates),
        ("duplicates", ours.duplicates, writes.duplicates, "", old.duplicates),
        ("mixed dates", ours.mixed_dates, writes.mixed_dates, "", old.mixed_dates),
        ("stale wins", ours.stale_wins, writes.stale_wins, "", ""),
        ("stuck", findings.stuck, writes.stuck, lost.stuck, ""),
    ]
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    return table


def _print(findings: Findings) -> None:
    console.print(findings_table(findings))
    for problem in findings.lost_calls.problems:
        console.print(problem, style="red", markup=False)
    console.print(f"cycles ended: {_counts(findings.cycles.seen)}")
    console.print(f"publishers ended: {_counts(findings.publishes.ended)}")
    contention = findings.contention
    console.print(
        f"{contention.waiters} waiters: {contention.served} served in {contention.seconds:.1f} s, {contention.rpcs_per_grant:.1f} calls per grant, "
        f"longest wait {max(contention.waits_s, default=0):.1f} s"
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if name not in ("claimed", "died"))


@contextmanager
def proof_stack(name: str) -> Iterator[tuple[Stack, Path]]:
    """Emulators for one proof with the schema created, and an empty directory for its files. Settings point at them."""
    directory = ROOT / ".local" / name
    stack = Stack(StackConfig(directory / "stack", free_port_base(), persistent=False), say=lambda line: console.print(line, style="dim"))
    stack.down()  # left over from a killed proof
    shutil.rmtree(directory, ignore_errors=True)
    if not stack.config.has_firestore:
        raise CommandError("This needs the Firestore emulator, which needs gcloud and Java; neither may be missing.")
    os.environ.update(stack.config.client_environment())
    get_settings.cache_clear()
    preload()
    stack.up(airflow=False)
    try:
        create_schema(make_bigquery_client(get_settings()))
        yield stack, directory
    finally:
        stack.down()


Size = Annotated[int | None, typer.Option(min=1, help="Instead of that of the chosen sizes.")]


@command()
def main(
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, for under two minutes.")] = False,
    cycles: Size = None,
    processes: Size = None,
    threads: Size = None,
    keys: Size = None,
    publishes: Size = None,
    waiters: Size = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random choices; the run prints its own for a repetition.")] = None,
) -> int:
    """Command line; exit code 1 with the problems found."""
    given = {"cycles": cycles, "processes": processes, "threads": threads, "keys": keys, "publishes": publishes, "waiters": waiters}
    sizes = replace(QUICK if quick else FULL, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    seed = random.randrange(10**6) if seed is None else seed
    random.seed(seed)
    hide_lease_warnings()
    console.print(f"seed {seed}", style="dim")
    with proof_stack("stress") as (stack, directory):
        findings = run_stress(stack, sizes, directory)
    _print(findings)
    for problem in findings.problems:
        console.print(problem, style="red")
    console.print(findings.line, markup=False)
    return 1 if findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
