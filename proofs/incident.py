"""Replay the incident: a scheduled run and a backfill on 2026-01-10, one outliving its lease, one dying and restarting.

Usage: python -m proofs.incident [--keys 263274]

On emulators of its own, the same schedule twice, with time shortened (a lease of five minutes is three seconds): first by the recipe
of that time (a lock of fixed length, DELETE and INSERT as two jobs), then by the current one (lease, staging,
fenced publish). Each part is a process:

    A  the scheduled run claims the date and stops in the middle of its write, past its lease
    B  the backfill waits, claims the date, and dies by SIGKILL in the middle of its write; Airflow starts it again: B2 writes
    A  continues where it stopped

Prints a table and ends with one line ``incident: old_duplicates=… duplicates=… seconds=…``. Exit code 0 only if the old recipe left
duplicates, and the current one left none and the whole date.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.clients import make_bigquery_client
from commands.console import CommandError, command, console, warehouse_of
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from proofs.emulator import hide_lease_warnings
from proofs.fault_injection import Fault
from proofs.publishes import Entrant, describe_date, insert_synthetic_date, start_writer, wake_after
from proofs.stress import proof_stack
from proofs.writer import Recipe

GAME_DATE = date(2026, 1, 10)
KEYS = 263_274
# Three seconds for the old lock's five minutes; the current recipe has the same lease.
OLD_LOCK_SCALE = 0.01
ENVIRONMENT = {"OLD_LOCK_SCALE": str(OLD_LOCK_SCALE), "LEASE_SECONDS": "3", "LEASE_MAX_WAIT_SECONDS": "120"}
PART_SECONDS = 120.0
# The statement at which A stops, and at which B dies, by recipe. Old: DELETE, INSERT. Current: the publish, which is the third, and the
# fourth of the first writer, who seeds the fences.
SCHEDULES: Mapping[str, tuple[Fault, Fault]] = {
    "old": (Fault("stop", 2), Fault("after", 1)),
    "leased": (Fault("stop", 4), Fault("before", 3)),
}


@dataclass(frozen=True)
class Replay:
    """The result of one recipe: rows, distinct keys, their runs, how each part ended, and the seconds it took."""

    recipe: Recipe
    rows: int
    keys: int
    runs: int
    ended: Mapping[str, str]
    seconds: float

    @property
    def duplicates(self) -> int:
        """Surplus rows."""
        return self.rows - self.keys


def replay(warehouse: Warehouse, recipe: Recipe, environment: Mapping[str, str]) -> Replay:
    """Run the schedule with one recipe, on an empty date."""
    started = time.monotonic()
    warehouse.dml("DELETE FROM nba_predictions.prediction_accuracy WHERE TRUE")
    stands_still, dies = SCHEDULES[recipe]
    environment = {**environment, **ENVIRONMENT}
    scheduled, scheduled_told = start_writer(Entrant(recipe, "scheduled", stands_still, (GAME_DATE,)), environment)
    stopped_at: dict[int, float] = {}
    deadline = time.monotonic() + PART_SECONDS
    while not stopped_at:
        wake_after(scheduled.pid, stopped_at, PART_SECONDS)
        if time.monotonic() > deadline or scheduled.exitcode is not None:
            raise CommandError(f"{recipe}: the scheduled run did not come to where it was to stand still.")
        time.sleep(0.02)
    console.print(f"{recipe}: the scheduled run stops in its write", style="dim")
    backfill, _ = start_writer(Entrant(recipe, "backfill", dies, (GAME_DATE,)), environment)
    backfill.join(PART_SECONDS)
    console.print(f"{recipe}: the backfill waited, claimed the date and was killed in its write (exit code {backfill.exitcode})", style="dim")
    again, again_told = start_writer(Entrant(recipe, "backfill-again", None, (GAME_DATE,)), environment)
    again.join(PART_SECONDS)
    console.print(f"{recipe}: the backfill, started again, has written", style="dim")
    wake_after(scheduled.pid, stopped_at, 0)
    scheduled.join(PART_SECONDS)
    for process in (scheduled, again):
        if process.exitcode != 0:
            raise CommandError(f"{recipe}: a writer ended with exit code {process.exitcode}; see the messages above.")
    ended = {"scheduled": scheduled_told.recv()["ended"], "backfill": "killed", "backfill, again": again_told.recv()["ended"]}
    held = describe_date(warehouse, GAME_DATE)
    return Replay(recipe, held["stored_rows"], held["stored_keys"], held["runs"], ended, time.monotonic() - started)


def replays_table(old: Replay, ours: Replay) -> Table:
    """The results of both recipes."""
    table = Table("2026-01-10", "then: lock, DELETE, INSERT", "now: lease, staging, fenced publish", title="the incident, replayed")
    for column in table.columns[1:]:
        column.justify = "right"
    rows: list[tuple[str, Any, Any]] = [
        *((f"{part} ended", old.ended[part], ours.ended[part]) for part in old.ended),
        ("rows", old.rows, ours.rows),
        ("keys", old.keys, ours.keys),
        ("duplicates", old.duplicates, ours.duplicates),
        ("runs whose rows are there", old.runs, ours.runs),
        ("seconds", f"{old.seconds:.1f}", f"{ours.seconds:.1f}"),
    ]
    for name, then, now in rows:
        table.add_row(name, *(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in (then, now)))
    return table


@command()
def main(keys: Annotated[int, typer.Option(min=1, help="Predictions on the date.")] = KEYS) -> int:
    """Command line; exit code 0 if the old recipe left duplicates and the project's did not."""
    started = time.monotonic()
    hide_lease_warnings()
    with proof_stack("incident") as (stack, _):
        warehouse = warehouse_of(make_bigquery_client(get_settings()))
        insert_synthetic_date(warehouse, GAME_DATE, keys)
        console.print(f"made up {keys:,} predictions of {GAME_DATE}", style="dim")
        environment = stack.config.client_environment()
        old, ours = (replay(warehouse, recipe, environment) for recipe in ("old", "leased"))
    console.print(replays_table(old, ours))
    proven = old.duplicates > 0 and ours.duplicates == 0 and ours.rows == keys and ours.runs == 1
    if not old.duplicates:
        console.print("The old recipe left no duplicates this time: nothing was shown. Run it again.", style="red")
    console.print(f"incident: old_duplicates={old.duplicates} duplicates={ours.duplicates} seconds={time.monotonic() - started:.0f}")
    return 0 if proven else 1


if __name__ == "__main__":
    sys.exit(main())
