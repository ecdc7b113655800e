"""One writer of one date in a process of its own, which can be killed or stopped at any statement.

Usage: python -m proofs.writer RECIPE GAME_DATE RUN_ID [--die-before N | --die-after N | --die-inside N | --stop-before N]

RECIPE is leased or unleased (the guarded write with and without a lease), old (the replaced lock, then DELETE and INSERT as two jobs),
or unguarded (only those two jobs). The process kills or stops itself with a signal around its Nth statement. At its end it
prints its result as JSON. It reads LEASE_SECONDS and the other settings; OLD_LOCK_SCALE shortens the old lock's times.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

from commands.clients import make_bigquery_client, make_firestore_client
from nba_grading.guarded_write.claim import ClaimedDates, UnleasedClaim
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.guarded_write.write import FencedOut
from nba_grading.leases.errors import LeaseHeld, LeaseLost
from nba_grading.leases.factory import make_lease_store
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.grade import grade_dates
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


def write(recipe: Recipe, game_date: date, run_id: str, fault: Fault | None, settings: Settings) -> dict[str, Any]:
    """Write the date by the recipe; returns ended (published, lease_lost, fenced_out, lease_held or unlocked) and fencing_token."""
    warehouse = FaultyWarehouse(make_bigquery_client(settings), settings.grading_max_bytes_billed, retry_seconds=120)
    warehouse.fault = fault
    if recipe in ("old", "unguarded"):
        return _write_as_of_old(warehouse, game_date, run_id, settings, locked=recipe == "old")
    key = LeaseKey("grading", game_date)
    try:
        if recipe == "leased":
            store = make_lease_store(settings.lease_store, settings.lease_rpc_seconds, lambda: make_firestore_client(settings))
            leases = LeaseManager(store, settings.lease_times)
            claimed = ClaimedDates((leases.acquire(key, {"run_id": run_id}),), leases)
        else:
            claimed = ClaimedDates((UnleasedClaim(key, "asked for"),))
        with claimed:
            report = grade_dates(warehouse, claimed, WriteRequest(run_id, settings.grading_max_shrink))
            report.raise_refused()
            return {"ended": "published", **report.facts_of(game_date)}
    except LeaseHeld:
        return {"ended": "lease_held"}
    except (LeaseLost, StatementCancelled):
        return {"ended": "lease_lost"}
    except FencedOut:
        return {"ended": "fenced_out"}


def _write_as_of_old(warehouse: Warehouse, game_date: date, run_id: str, settings: Settings, *, locked: bool) -> dict[str, Any]:
    lock = OldLock(FirestoreOldLocks(make_firestore_client(settings)), game_date, float(os.environ.get("OLD_LOCK_SCALE", "1"))) if locked else None
    has_lock = lock.acquire() if lock else False
    warehouse.dml(PROOFS_SQL.load("delete_date"), {"game_date": game_date})
    insert_unguarded(warehouse, game_date, run_id)
    if lock:
        lock.release()
    return {"ended": "published" if has_lock else "unlocked", "fencing_token": None}


def insert_unguarded(warehouse: Warehouse, game_date: date, run_id: str) -> None:
    """The second half of the old recipe: append a date's grades unconditionally."""
    columns = identifiers(PREDICTION_ACCURACY.columns)
    params: Params = {"game_dates": [game_date], "grading_run_id": run_id}
    warehouse.dml(f"INSERT INTO nba_predictions.prediction_accuracy ({columns}) " + load_sql("grading/grade_predictions"), params)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit code 0 when the date was written, 1 when the guard refused the writer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("game_date", type=date.fromisoformat)
    parser.add_argument("run_id")
    for when in ("die-before", "die-after", "die-inside", "stop-before"):
        parser.add_argument(f"--{when}", type=int)
    given = parser.parse_args(arguments)
    choices: tuple[tuple[When, int | None], ...] = (
        *(("before", given.die_before), ("after", given.die_after)),
        *(("inside", given.die_inside), ("stop", given.stop_before)),
    )
    fault = next((Fault(when, statement) for when, statement in choices if statement), None)
    result = write(given.recipe, given.game_date, given.run_id, fault, get_settings())
    print(json.dumps(result))
    return 0 if result["ended"] in ("published", "unlocked") else 1


if __name__ == "__main__":
    sys.exit(main())
