"""One writer of some dates in a process of its own, which can be killed or stopped at any statement.

Usage: python -m proofs.writer RECIPE GAME_DATE[,GAME_DATE…] RUN_ID [--die-before N | --die-after N | --die-inside N | --stop-before N]

RECIPE is leased or unleased (the guarded write with and without a lease), old (the replaced lock, then DELETE and INSERT as two jobs),
or unguarded (only those two jobs). The process kills or stops itself with a signal around its Nth statement. At its end it
prints its result as JSON. It reads LEASE_SECONDS and the other settings; OLD_LOCK_SCALE shortens the old lock's times.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Literal

from commands.clients import make_bigquery_client, make_firestore_client
from nba_grading.guarded_write.claim import ClaimedDates, UnleasedClaim, claim_dates
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.guarded_write.write import FencedOut
from nba_grading.leases.errors import LeaseHeld, LeaseLost
from nba_grading.leases.factory import make_lease_store
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.grade import complete_minutes, grade_dates
from nba_grading.settings import Settings, get_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.errors import StatementCancelled
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import identifiers, load_sql
from nba_grading.warehouse.tables import PREDICTION_ACCURACY
from proofs import PROOFS_SQL
from proofs.fault_injection import Fault, FaultyWarehouse, When
from proofs.old_lock import FirestoreOldLocks, OldLock

Recipe = Literal["leased", "unleased", "old", "unguarded"]
RECIPES: tuple[Recipe, ...] = ("leased", "unleased", "old", "unguarded")


def write(recipe: Recipe, dates: Sequence[date], run_id: str, fault: Fault | None, settings: Settings) -> dict[str, Any]:
    """Write the dates by the recipe; returns ended (published, lease_lost, fenced_out, lease_held or unlocked) and the tokens by date, ISO.

    ``published`` is every date. The guarded recipes write the dates whose leases they get together, and then wait for the others.
    """
    warehouse = FaultyWarehouse(make_bigquery_client(settings), settings.grading_max_bytes_billed, retry_seconds=120)
    warehouse.fault = fault
    if recipe in ("old", "unguarded"):
        [game_date] = dates
        return _write_as_of_old(warehouse, game_date, run_id, settings, locked=recipe == "old")
    tokens: dict[str, int] = {}
    try:
        for claimed in _claims(recipe, dates, run_id, settings):
            with claimed:
                report = grade_dates(warehouse, claimed, WriteRequest(run_id, settings.grading_max_shrink))
            tokens |= {str(each.game_date): each.fencing_token for each in report.written.published}
            report.raise_refused()
        return {"ended": "published", "tokens": tokens}
    except LeaseHeld:
        return {"ended": "lease_held", "tokens": tokens}
    except (LeaseLost, StatementCancelled):
        return {"ended": "lease_lost", "tokens": tokens}
    except FencedOut:
        return {"ended": "fenced_out", "tokens": tokens}


def _claims(recipe: Recipe, dates: Sequence[date], run_id: str, settings: Settings) -> Iterator[ClaimedDates]:
    """The claims to write under, one set after another: what can be had at once, then each held date when it is free."""
    if recipe == "unleased":
        yield ClaimedDates(tuple(UnleasedClaim(LeaseKey("grading", day), "asked for") for day in sorted(dates)))
        return
    store = make_lease_store(settings.lease_store, settings.lease_rpc_seconds, lambda: make_firestore_client(settings))
    leases, owner = LeaseManager(store, settings.lease_times), {"run_id": run_id}
    claimed, held = claim_dates(lambda: leases, "grading", dates, owner, "fail")
    if claimed:
        yield claimed
    for day in sorted(held):
        yield ClaimedDates((leases.acquire(LeaseKey("grading", day), owner),), leases, owner)


def _write_as_of_old(warehouse: Warehouse, game_date: date, run_id: str, settings: Settings, *, locked: bool) -> dict[str, Any]:
    lock = OldLock(FirestoreOldLocks(make_firestore_client(settings)), game_date, float(os.environ.get("OLD_LOCK_SCALE", "1"))) if locked else None
    has_lock = lock.acquire() if lock else False
    warehouse.dml(PROOFS_SQL.load("delete_date"), {"game_date": game_date})
    insert_unguarded(warehouse, game_date, run_id)
    if lock:
        lock.release()
    return {"ended": "published" if has_lock else "unlocked", "tokens": {}}


def insert_unguarded(warehouse: Warehouse, game_date: date, run_id: str) -> None:
    """The second half of the old recipe: append a date's grades unconditionally."""
    columns = identifiers(PREDICTION_ACCURACY.columns)
    params: Params = {"game_dates": [game_date], "grading_run_id": run_id, **complete_minutes()}
    warehouse.dml(f"INSERT INTO nba_predictions.prediction_accuracy ({columns}) " + load_sql("grading/grade_predictions"), params)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit code 0 when the dates were written, 1 when the guard refused the writer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("game_dates", type=lambda text: [date.fromisoformat(day) for day in text.split(",")])
    parser.add_argument("run_id")
    for when in ("die-before", "die-after", "die-inside", "stop-before"):
        parser.add_argument(f"--{when}", type=int)
    given = parser.parse_args(arguments)
    choices: tuple[tuple[When, int | None], ...] = (
        *(("before", given.die_before), ("after", given.die_after)),
        *(("inside", given.die_inside), ("stop", given.stop_before)),
    )
    fault = next((Fault(when, statement) for when, statement in choices if statement), None)
    result = write(given.recipe, given.game_dates, given.run_id, fault, get_settings())
    print(json.dumps(result))
    return 0 if result["ended"] in ("published", "unlocked") else 1


if __name__ == "__main__":
    sys.exit(main())
