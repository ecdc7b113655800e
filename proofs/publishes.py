"""Rounds of two to eight writers on three dates of the BigQuery emulator, each on some of them: with and without leases, killed, or stopped.

After each round every date must hold one whole write, no key twice, and the newest token; then a last writer must succeed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

import psutil

from commands.console import CommandError
from nba_grading.settings import read_settings
from nba_grading.warehouse.client import Warehouse
from proofs import PROOFS_SQL
from proofs.contention import CONTEXT
from proofs.emulator import hide_lease_warnings
from proofs.fault_injection import Fault
from proofs.writer import Recipe, write

PREDICTIONS = 120
DATES = 3  # of a round; a writer takes one to three of them
STATEMENTS = 5  # of a write: stage, audit, seed the fences, publish, drop staging
SHORT_LEASE = {"LEASE_SECONDS": "3", "LEASE_GRACE_SECONDS": "0.2", "LEASE_RPC_SECONDS": "0.9", "LEASE_MAX_WAIT_SECONDS": "120"}
STOPPED_SECONDS = 4.0
ROUND_SECONDS = 180.0


@dataclass
class PublishVerdict:
    """The result of all rounds; ``ended`` counts how the writers ended."""

    rounds: int = 0
    duplicates: int = 0
    mixed_dates: int = 0
    stale_wins: int = 0
    stuck: int = 0
    ended: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Entrant:
    """One writer of a round."""

    recipe: Recipe
    run_id: str
    fault: Fault | None
    dates: tuple[date, ...]


def insert_synthetic_date(warehouse: Warehouse, game_date: date, predictions: int) -> None:
    """Insert synthetic predictions and box scores of one date."""
    for name in ("insert_synthetic_predictions", "insert_synthetic_box_scores"):
        warehouse.dml(PROOFS_SQL.load(name), {"game_date": game_date, "predictions": predictions})


def describe_date(warehouse: Warehouse, game_date: date) -> Mapping[str, Any]:
    """stored_rows, stored_keys, runs, token and fence of the date."""
    [row] = warehouse.query(PROOFS_SQL.load("describe_date"), {"game_date": game_date})
    return row


def run_publishes(warehouse: Warehouse, environment: Mapping[str, str], rounds: int, advance: Callable[[int], None]) -> PublishVerdict:
    """Two rounds on every three dates: the first finds them empty, the second filled. The sets of the writers overlap."""
    verdict = PublishVerdict()
    for number in range(rounds):
        dates = [date(2026, 3, 1) + timedelta(days=DATES * (number // 2) + offset) for offset in range(DATES)]
        if number % 2 == 0:
            for day in dates:
                insert_synthetic_date(warehouse, day, PREDICTIONS)
        entrants = [_entrant(dates, f"round{number}-{writer}") for writer in range(random.randint(2, 8))]
        outcomes = _race(entrants, environment)
        verdict.ended.update(one["ended"] for one in outcomes)
        _judge(verdict, warehouse, dates, outcomes)
        heir = _race([Entrant("leased", f"round{number}-heir", None, tuple(dates))], environment)
        verdict.stuck += [one.get("ended") for one in heir] != ["published"]
        _judge(verdict, warehouse, dates, heir)
        verdict.rounds += 1
        advance(1)
    return verdict


def _entrant(dates: Sequence[date], run_id: str) -> Entrant:
    chance, fault = random.random(), None
    if chance < 0.3:
        fault = Fault(random.choice(["before", "after", "inside"]), random.randint(1, STATEMENTS))
    elif chance < 0.5:
        fault = Fault("stop", random.randint(1, STATEMENTS))
    chosen = tuple(sorted(random.sample(dates, random.randint(1, len(dates)))))
    return Entrant("leased" if random.random() < 0.7 else "unleased", run_id, fault, chosen)


def _race(entrants: list[Entrant], environment: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """How each writer ended; only ``ended: killed`` for one that died."""
    racing = [start_writer(entrant, environment) for entrant in entrants]
    outcomes: list[Mapping[str, Any]] = []
    deadline = time.monotonic() + ROUND_SECONDS
    stopped_at: dict[int, float] = {}
    while any(process.exitcode is None for process, _ in racing):
        for process, _ in racing:
            wake_after(process.pid, stopped_at, STOPPED_SECONDS)
        if time.monotonic() > deadline:
            raise CommandError(f"A round of {len(entrants)} writers on {entrants[0].dates[0]} was not over after {ROUND_SECONDS:.0f} s.")
        time.sleep(0.05)
    for process, connection in racing:
        if process.exitcode > 0:
            raise CommandError(f"A writer of {entrants[0].dates[0]} ended with an error of its own (exit code {process.exitcode}).")
        outcomes.append(connection.recv() if process.exitcode == 0 else {"ended": "killed", "tokens": {}})
        connection.close()
    return outcomes


def start_writer(entrant: Entrant, environment: Mapping[str, str]) -> tuple[Any, Connection]:
    """The process of a writer, and the connection on which it sends its result."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_write, args=(theirs, entrant, {**SHORT_LEASE, **environment}), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _write(parent: Connection, entrant: Entrant, environment: Mapping[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hide_lease_warnings()
    with patch.dict(os.environ, environment):
        parent.send(write(entrant.recipe, entrant.dates, entrant.run_id, entrant.fault, read_settings(environment)))


def wake_after(pid: int, stopped_at: dict[int, float], seconds: float) -> bool:
    """Continue a process that has been stopped for ``seconds``; returns whether it did."""
    with suppress(psutil.Error):
        if psutil.Process(pid).status() != psutil.STATUS_STOPPED:
            return False
        if time.monotonic() - stopped_at.setdefault(pid, time.monotonic()) > seconds:
            os.kill(pid, signal.SIGCONT)
            stopped_at.pop(pid)
            return True
    return False


def _judge(verdict: PublishVerdict, warehouse: Warehouse, dates: Sequence[date], outcomes: list[Mapping[str, Any]]) -> None:
    for day in dates:
        held = describe_date(warehouse, day)
        published = [one["tokens"][str(day)] for one in outcomes if str(day) in one["tokens"]]
        verdict.duplicates += held["stored_rows"] > held["stored_keys"]
        # A killed writer may have published before it died, so the date may be newer than every reported token.
        whole = held["stored_rows"] in ({PREDICTIONS} if published else {0, PREDICTIONS})
        verdict.mixed_dates += held["runs"] > 1 or not whole
        verdict.stale_wins += bool(held["stored_rows"]) and (held["token"] != held["fence"] or held["fence"] < max(published, default=0))
