"""One writer of one date in a process of its own, for the races and the kills: leased, unleased, or by the old recipe.

Usage: python grader_process.py RECIPE GAME_DATE RUN_ID [--die-before N | --die-after N | --die-inside N]

RECIPE is leased, unleased or old. The process kills itself with SIGKILL around its Nth statement; without, it prints its result.
The old recipe is what this project replaces: DELETE and INSERT as two jobs, no fence.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from datetime import date
from typing import Any

from nba_grading.clients import make_bigquery_client, make_firestore_client
from nba_grading.grading import grade_date
from nba_grading.guard import UnleasedClaim, make_lease_store
from nba_grading.lease import LeaseTimes
from nba_grading.lease_store import LeaseKey
from nba_grading.leases import Leases
from nba_grading.settings import get_settings
from nba_grading.sql import load_sql
from nba_grading.tables import PREDICTION_ACCURACY
from nba_grading.warehouse import Params, Warehouse

SHORT = LeaseTimes(lease_s=2.0, grace_s=0.2, rpc_s=0.6, max_wait_s=60)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(10)


class MortalWarehouse(Warehouse):
    """Kills its process before, after, or a moment into its Nth statement."""

    statements = 0
    death: tuple[str, int] | None = None

    def _run(self, text: str, params: Params | None, job_name: str | None) -> Any:
        type(self).statements += 1
        when = self.death[0] if self.death and self.death[1] == self.statements else ""
        if when == "before":
            die()
        if when == "inside":
            threading.Timer(0.03, die).start()
        result = super()._run(text, params, job_name)
        if when == "after":
            die()
        return result


def old_recipe(warehouse: Warehouse, game_date: date, run_id: str) -> dict[str, Any]:
    columns = ", ".join(PREDICTION_ACCURACY.columns)
    params = {"game_date": game_date, "grading_run_id": run_id}
    warehouse.execute("DELETE FROM nba_predictions.prediction_accuracy WHERE game_date = @game_date", {"game_date": game_date})
    warehouse.execute(f"INSERT INTO nba_predictions.prediction_accuracy ({columns}) " + load_sql("grading/grade_predictions"), params)
    return {}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe", choices=["leased", "unleased", "old"])
    parser.add_argument("game_date", type=date.fromisoformat)
    parser.add_argument("run_id")
    for when in ("before", "after", "inside"):
        parser.add_argument(f"--die-{when}", type=int)
    given = parser.parse_args()
    settings = get_settings()
    warehouse = MortalWarehouse(make_bigquery_client(settings), settings.grading_max_bytes_billed, retry_seconds=60)
    warehouse.death = next(((when, n) for when in ("before", "after", "inside") if (n := getattr(given, f"die_{when}"))), None)
    if given.recipe == "old":
        print(json.dumps(old_recipe(warehouse, given.game_date, given.run_id)))
        return
    key = LeaseKey("grading", given.game_date)
    if given.recipe == "leased":
        claim: Any = Leases(make_lease_store(settings, lambda: make_firestore_client(settings)), SHORT).acquire(key, {"run_id": given.run_id})
    else:
        claim = UnleasedClaim(key, "test")
    with claim:
        print(json.dumps(grade_date(warehouse, claim, given.game_date, grading_run_id=given.run_id, max_shrink=0.2, allow_shrink=False)))


if __name__ == "__main__":
    main()
