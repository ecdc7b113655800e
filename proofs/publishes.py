"""Rounds of two to eight writers on one date of the BigQuery emulator: with and without a lease, killed, or stopped past it.

After each round the date must hold one whole write, no key twice, and the newest token; then a last writer must succeed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
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
STATEMENTS = 5  # of a write: stage, audit, seed fences, publish, drop staging
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


def insert_synthetic_date(warehouse: Warehouse, game_date: date, predictions: int) -> None:
    """Insert synthetic predictions and box scores of one date."""
    for name in ("insert_synthetic_predictions", "insert_synthetic_box_scores"):
        warehouse.dml(PROOFS_SQL.load(name), {"game_date": game_date, "predictions": predictions})


def describe_date(warehouse: Warehouse, game_date: date) -> Mapping[str, Any]:
    """stored_rows, stored_keys, runs, token and fence of the date."""
    [row] = warehouse.query(PROOFS_SQL.load("describe_date"), {"game_date": game_date})
    return row


def run_publishes(warehouse: Warehouse, environment: Mapping[str, str], rounds: int, advance: Callable[[int], None]) -> PublishVerdict:
    """Two rounds on every date: the first finds it empty, the second filled."""
    verdict = PublishVerdict()
    for number in range(rounds):
        game_date = date(2026, 3, 1) + timedelta(days=number // 2)
        if number % 2 == 0:
            insert_synthetic_date(warehouse, game_date, PREDICTIONS)
        entrants = [_entrant(f"round{number}-{writer}") for writer in range(random.randint(2, 8))]
        outcomes = _race(game_date, entrants, environment)
        _judge(verdict, describe_date(warehouse, game_date), outcomes)
        heir = _race(game_date, [Entrant("leased", f"round{number}-heir", None)], environment)
        verdict.stuck += [one.get("ended") for one in heir] != ["published"]
        _judge(verdict, describe_date(warehouse, game_date), heir)
        verdict.rounds += 1
        advance(1)
    return verdict


def _entrant(run_id: str) -> Entrant:
    chance, fault = random.random(), None
    if chance < 0.3:
        fault = Fault(random.choice(["before", "after", "inside"]), random.randint(1, STATEMENTS))
    elif chance < 0.5:
        fault = Fault("stop", random.randint(1, STATEMENTS))
    return Entrant("leased" if random.random() < 0.7 else "unleased", run_id, fault)


def _race(game_date: date, entrants: list[Entrant], environment: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """How each writer ended; only ``ended: killed`` for one that died."""
    racing = [start_writer(game_date, entrant, environment) for entrant in entrants]
    outcomes: list[Mapping[str, Any]] = []
    deadline = time.monotonic() + ROUND_SECONDS
    stopped_at: dict[int, float] = {}
    while any(process.exitcode is None for process, _ in racing):
        for process, _ in racing:
            wake_after(process.pid, stopped_at, STOPPED_SECONDS)
        if time.monotonic() > deadline:
            raise CommandError(f"A round of {len(entrants)} writers on {game_date} was not over after {ROUND_SECONDS:.0f} s.")
        time.sleep(0.05)
    for process, connection in racing:
        if process.exitcode > 0:
            raise CommandError(f"A writer of {game_date} ended with an error of its own (exit code {process.exitcode}).")
        outcomes.append(connection.recv() if process.exitcode == 0 else {"ended": "killed"})
        connection.close()
    return outcomes


def start_writer(game_date: date, entrant: Entrant, environment: Mapping[str, str]) -> tuple[Any, Connection]:
    """The process of a writer, and the connection on which it sends its result."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_write, args=(theirs, game_date, entrant, {**SHORT_LEASE, **environment}), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _write(parent: Connection, game_date: date, entrant: Entrant, environment: Mapping[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hide_lease_warnings()
    with patch.dict(os.environ, environment):
        parent.send(write(entrant.recipe, game_date, entrant.run_id, entrant.fault, read_settings(environment)))


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


def _judge(verdict: PublishVerdict, held: Mapping[str, Any], outcomes: list[Mapping[str, Any]]) -> None:
    published = [one["fencing_token"] for one in outcomes if one["ended"] == "published"]
    verdict.ended.update(one["ended"] for one in outcomes)
    verdict.duplicates += held["stored_rows"] > held["stored_keys"]
    # A killed writer may have published before it died, so the date may be newer than every reported token.
    whole = held["stored_rows"] in ({PREDICTIONS} if published else {0, PREDICTIONS})
    verdict.mixed_dates += held["runs"] > 1 or not whole
    verdict.stale_wins += bool(held["stored_rows"]) and (held["token"] != held["fence"] or held["fence"] < max(published, default=0))
