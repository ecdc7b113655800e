"""Build the state that history left and repair it, on a stack of its own.

Usage: python -m proofs.repair [--keep]

Runs remove_duplicates on both tables, approved by parameter, and drops the staging tables that are proven; then counts every row. Ends with
one line ``repair: rows=… duplicates=… prediction_duplicates=… orphans=… lost_keys=… backup_rows=… seconds=…``. Exit code 0 only if
nothing is duplicated, orphaned or lost, and the backup holds every row from before.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.airflow_api import FINISHED, AirflowApi
from commands.clients import make_bigquery_client
from commands.console import CommandError, command, console, progress_bar, warehouse_of
from commands.demo import timed
from commands.schema import create_schema
from commands.stack import Stack
from commands.stack_config import demo_config
from nba_grading.pipelines.repair import plan_repair
from nba_grading.pipelines.staging_cleanup import drop_staging_tables, judge_staging_tables
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import identifier, render_sql
from nba_grading.warehouse.tables import DATASET, PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY
from proofs import PROOFS_SQL
from proofs.seed_incident import HISTORY, ORPHANS, build_incident_state

RUN_SECONDS = 600
SECONDS_A_DAY = 86_400
RANGE = {"from_date": str(HISTORY[0].game_date), "to_date": str(HISTORY[-1].game_date)}


@dataclass(frozen=True)
class Repaired:
    """The counts after the repair."""

    rows: int
    duplicates: int
    prediction_duplicates: int
    orphans: int
    lost_keys: int
    backup_rows: int

    @property
    def is_whole(self) -> bool:
        """Whether every count is the expected one."""
        keys, rows = sum(each.keys for each in HISTORY if each.rows), sum(each.rows for each in HISTORY)
        wrong = self.duplicates + self.prediction_duplicates + self.orphans + self.lost_keys
        return (self.rows, self.backup_rows, wrong) == (keys, rows, 0)

    def line(self, seconds: float) -> str:
        """The closing line."""
        counts = " ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"repair: {counts} seconds={seconds:.0f}"


def run_repairs(api: AirflowApi, warehouse: Warehouse) -> dict[str, Any]:
    """Run remove_duplicates on each table, then drop the staging tables; the result of each. Raises CommandError."""
    approved = {**RANGE, "dry_run": False, "auto_approve": True}
    results, started = {}, time.monotonic()
    for name, dag_id, task_id, params in (
        ("grades", "remove_duplicates", "repair", {"table": PREDICTION_ACCURACY.name, **approved}),
        ("predictions", "remove_duplicates", "repair", {"table": PLAYER_PROP_PREDICTIONS.name, **approved}),
    ):
        with timed(f"{dag_id}, {name}"):
            run_id = api.trigger(dag_id, params)
            deadline = time.monotonic() + RUN_SECONDS
            while (state := api.run(dag_id, run_id).state) not in FINISHED:
                if time.monotonic() > deadline:
                    raise CommandError(f"{dag_id} did not finish within {RUN_SECONDS} s: look at its run {run_id} in Airflow.")
                time.sleep(0.5)
        if state != "success":
            raise CommandError(f"{dag_id} failed: look at its run {run_id} in Airflow, or with --keep.")
        results[name] = api.result(dag_id, run_id, task_id) or {}
    # Not by clean_staging_tables, which leaves tables alone that are younger than a day. Those that are younger than the repairs belong to
    # writes that are under way: aggregates of the repaired dates.
    with timed("dropping staging tables"):
        tables = judge_staging_tables(warehouse, older_than_days=(time.monotonic() - started) / SECONDS_A_DAY)
        results["staging"] = {"tables": len(tables), "dropped": drop_staging_tables(warehouse, tables)}
    return results


def inspect(warehouse: Warehouse, backup: str) -> Repaired:
    """Count everything again, from the tables."""
    first, last = HISTORY[0].game_date, HISTORY[-1].game_date
    grades, predictions = (plan_repair(warehouse, table, first, last) for table in (PREDICTION_ACCURACY, PLAYER_PROP_PREDICTIONS))
    backup = identifier(f"{DATASET}.{backup}")
    return Repaired(
        rows=_count(warehouse, PREDICTION_ACCURACY.full_name),
        duplicates=sum(each.surplus_rows for each in grades),
        prediction_duplicates=sum(each.surplus_rows for each in predictions),
        # Only those of the orphaned batch: the aggregates of the repaired dates may have staging tables of their own.
        orphans=sum(row["table_name"].startswith("_staging_batch_") for row in warehouse.query_file("staging/list_staging_tables")),
        lost_keys=int(warehouse.query(PROOFS_SQL.render("count_lost_keys_of_backup", backup=backup))[0]["lost_keys"]),
        backup_rows=_count(warehouse, backup),
    )


def _count(warehouse: Warehouse, table: str) -> int:
    return int(warehouse.query(render_sql("repair/count_rows", target=identifier(table)))[0]["stored_rows"])


def _repairs_table(results: dict[str, Any]) -> Table:
    table = Table("repair", "dates or tables", "rows or tables removed", title="results of the DAGs")
    for name in ("grades", "predictions"):
        table.add_row(name, str(len(results[name]["changed"])), f"{results[name]['removed']:,}")
    table.add_row("staging", str(results["staging"]["tables"]), f"{results['staging']['dropped']:,}")
    return table


@command()
def main(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running, to look at it in the browser.")] = False,
) -> int:
    """Command line; exit code 0 only if every count after the repair is the expected one."""
    started = time.monotonic()
    config = demo_config()
    stack = Stack(config, say=lambda line: console.print(line, style="dim"))
    if stack.is_running():
        raise CommandError("A demo is running already: `make down` stops it.")
    shutil.rmtree(config.state, ignore_errors=True)
    os.environ.update(config.client_environment())
    with timed("starting the stack"):
        stack.up()
    try:
        client = make_bigquery_client(get_settings())
        create_schema(client)
        warehouse = warehouse_of(client)
        with timed("building history"), progress_bar() as bar:
            task = bar.add_task("building history", total=len(HISTORY) + ORPHANS)
            build_incident_state(warehouse, lambda: bar.advance(task))
        results = run_repairs(AirflowApi(config.url("airflow")), warehouse)
        repaired = inspect(warehouse, results["grades"]["backup"])
        if keep:
            console.print(stack.addresses, style="bold")
    finally:
        if not keep:
            stack.down()
    console.print(_repairs_table(results))
    console.print(repaired.line(time.monotonic() - started), markup=False)
    return 0 if repaired.is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
