"""Build the state after the incident, at its true size, from synthetic data: duplicates in two tables and orphaned staging tables.

Usage: python -m proofs.seed_incident        (into the running local stack; its tables should be empty)

497,304 grades over 306,489 keys, most of them of 2026-01-10; 117 duplicate keys in the predictions; 50 staging tables of 2025-11-19.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from commands.clients import make_bigquery_client
from commands.console import command, console, progress_bar, warehouse_of
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import identifier, literal
from nba_grading.warehouse.tables import DATASET
from proofs import PROOFS_SQL
from proofs.publishes import insert_synthetic_date
from proofs.writer import insert_unguarded


@dataclass(frozen=True)
class IncidentDate:
    """A date of the incident: grades, their keys, and duplicate keys of its predictions."""

    game_date: date
    rows: int
    keys: int
    duplicate_predictions: int = 0


HISTORY = (
    IncidentDate(date(2026, 1, 4), 0, 600, 112),
    IncidentDate(date(2026, 1, 10), 452_220, 263_274),
    IncidentDate(date(2026, 1, 11), 35_166, 35_009, 5),
    IncidentDate(date(2026, 1, 14), 7_075, 5_762),
    IncidentDate(date(2026, 1, 15), 328, 255),
    IncidentDate(date(2026, 1, 16), 2_515, 2_189),
)
ORPHANS, ORPHANED_DATE, ORPHANED_PREDICTIONS = 50, date(2025, 11, 19), 5_000


def build_incident_state(warehouse: Warehouse, advance: Callable[[], None] = lambda: None) -> None:
    """Insert all of it without guards; ``advance`` is called len(HISTORY) + ORPHANS times."""
    for each in HISTORY:
        insert_synthetic_date(warehouse, each.game_date, each.keys)
        if each.rows:
            insert_unguarded(warehouse, each.game_date, "the first writer")
            warehouse.dml(PROOFS_SQL.load("insert_duplicate_grades"), {"game_date": each.game_date, "surplus": each.rows - each.keys})
        if each.duplicate_predictions:
            surplus: Params = {"game_date": each.game_date, "surplus": each.duplicate_predictions}
            warehouse.dml(PROOFS_SQL.load("insert_duplicate_predictions"), surplus)
        advance()
    insert_synthetic_date(warehouse, ORPHANED_DATE, ORPHANED_PREDICTIONS)
    for worker in range(ORPHANS):
        staging = identifier(f"{DATASET}._staging_batch_{ORPHANED_DATE:%Y%m%d}_w{worker:02d}")
        parts = {"game_date": literal(ORPHANED_DATE), "worker": literal(worker), "workers": literal(ORPHANS)}
        warehouse.query(PROOFS_SQL.render("create_orphaned_staging", staging=staging, **parts))
        advance()


@command()
def main() -> None:
    """Command line; exit code 0, or 1 with an error message."""
    from commands.stack import use_local_stack

    use_local_stack()
    with progress_bar() as bar:
        task = bar.add_task("building history", total=len(HISTORY) + ORPHANS)
        build_incident_state(warehouse_of(make_bigquery_client(get_settings())), lambda: bar.advance(task))
    rows, keys = sum(each.rows for each in HISTORY), sum(each.keys for each in HISTORY if each.rows)
    console.print(f"{rows:,} grades over {keys:,} keys, {ORPHANS} orphaned staging tables; `make airflow CMD=…` or the UI runs the repairs")


if __name__ == "__main__":
    sys.exit(main())
