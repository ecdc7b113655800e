"""What a run's parameters mean: its game_date, its table, its range of dates, what identifies its work, whether it takes a lease."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from nba_grading.airflow.context import run_type
from nba_grading.airflow.errors import ParamsRefused
from nba_grading.game_dates import GameDateError, parse_range, resolve_game_date
from nba_grading.settings import get_settings
from nba_grading.warehouse.tables import REPAIRABLE, Table

if TYPE_CHECKING:
    from airflow.sdk import Context


def switched_off(context: Context) -> str | None:
    """Why the run is to write without leases; None when it is not."""
    wanted = context["params"].get("use_lease")
    if wanted is None:
        return None if get_settings().grading_use_lease else "the setting GRADING_USE_LEASE is off"
    return None if wanted else "the run's parameter use_lease is off"


def game_date_of(context: Context) -> date:
    """The run's game_date by the one rule of ``resolve_game_date``; raises GameDateError."""
    dag_run = context["dag_run"]
    return resolve_game_date(
        game_date=context["params"].get("game_date"),
        partition_key=getattr(dag_run, "partition_key", None),
        run_type=run_type(context),
        logical_date=dag_run.logical_date,
        run_after=dag_run.run_after,
    )


def run_date(context: Context) -> str | None:
    """The game_date, or the day, that the run is about, ISO; None where its DAG has no such parameter, or it cannot be resolved."""
    params = context["params"]
    given: str | None = params.get("game_date") or params.get("day")
    if given or "game_date" not in params:
        return given
    try:
        return str(game_date_of(context))
    except GameDateError:
        return None


def run_scope(context: Context) -> str:
    """What tells the run's work from that of the DAG's other runs: ``date/batch/table/first..last/backup``, as far as it has them.

    A run with the same scope does the same work, so its success resolves the incidents of a run that failed.
    """
    params = context["params"]
    dates = f"{params['from_date']}..{params['to_date']}" if params.get("from_date") else None
    parts = (run_date(context), params.get("batch_id"), params.get("table"), dates, params.get("backup"))
    return "/".join(part for part in parts if part)


def _table_of(context: Context) -> Table:
    return REPAIRABLE[context["params"]["table"]]


def _range_of(context: Context) -> tuple[date, date]:
    try:
        return parse_range(context["params"]["from_date"], context["params"]["to_date"])
    except GameDateError as error:
        raise ParamsRefused(str(error)) from None
