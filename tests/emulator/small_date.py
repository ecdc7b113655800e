"""What the races and kills share: a writer's type, and what a date holds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Protocol

from google.cloud import bigquery

from nba_grading.guarded_write.claim import Claim, ClaimedDates, UnleasedClaim
from nba_grading.guarded_write.publish import MOST_DATES
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.aggregate import AGGREGATES, find_stale, refresh
from nba_grading.pipelines.grade import grade_dates
from nba_grading.warehouse.client import Warehouse

ROWS = 120


@dataclass(frozen=True)
class Token(UnleasedClaim):
    """A claim with a token of the test's choice."""

    fencing_token: int = 0  # type: ignore[assignment]


class Writer(Protocol):
    """Starts a writer process with the arguments of proofs/writer.py."""

    def __call__(self, *arguments: str) -> subprocess.Popen[str]: ...


def unleased(operation: str, *days: date) -> ClaimedDates:
    """The right to write these dates behind the fence alone."""
    return ClaimedDates(tuple(UnleasedClaim(LeaseKey(operation, day), "test") for day in days))


def grade_unleased(warehouse: Warehouse, day: date, run_id: str) -> None:
    """Grade the date here and now, behind the fence alone."""
    grade_claimed(warehouse, unleased("grading", day).claims[0], run_id)


def grade_claimed(warehouse: Warehouse, claim: Claim, run_id: str) -> None:
    """Grade the date of a claim; raises why it was refused, if it was."""
    grade_dates(warehouse, ClaimedDates((claim,)), WriteRequest(run_id, max_shrink=0.2)).raise_refused()


def refresh_all(warehouse: Warehouse, claim: Callable[..., ClaimedDates] = unleased) -> dict[str, list[date]]:
    """Replace what is stale, table after table as the refresh does; returns the dates of each table that was written."""
    stale, written = find_stale(warehouse), {}
    for table in AGGREGATES:
        versions = stale.get(table.name, {})
        for some in batched(versions, MOST_DATES):
            refresh(warehouse, claim(table.operation, *some), WriteRequest("refresh", params={"versions": versions})).raise_refused()
            written[table.name] = [*written.get(table.name, []), *some]
    return written


def batched(days: Iterable[date], size: int) -> Iterator[list[date]]:
    rest = iter(days)
    while some := list(islice(rest, size)):
        yield some


def stored(client: bigquery.Client, day: date) -> tuple[int, int, set[str]]:
    """Rows of the date, distinct keys, and the runs they come from."""
    row = next(
        iter(
            client.query(
                "SELECT COUNT(*) AS n, (SELECT COUNT(*) FROM (SELECT DISTINCT player_lookup, game_id, system_id, line_value "
                f"FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{day}')) AS keys, STRING_AGG(DISTINCT grading_run_id, ',') "
                f"AS runs FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{day}'"
            ).result(timeout=60)
        )
    )
    return int(row["n"]), int(row["keys"]), set((row["runs"] or "").split(",")) - {""}
