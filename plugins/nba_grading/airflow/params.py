"""What a run's parameters mean: its table, its range of dates, whether it takes a lease."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException

from nba_grading.game_dates import GameDateError, parse_range
from nba_grading.settings import get_settings
from nba_grading.warehouse.tables import REPAIRABLE, Table

if TYPE_CHECKING:
    from airflow.sdk import Context

if TYPE_CHECKING:
    from airflow.sdk import Context


def switched_off(context: Context) -> str | None:
    """Why the run is to write without leases; None when it is not."""
    wanted = context["params"].get("use_lease")
    if wanted is None:
        return None if get_settings().grading_use_lease else "the setting GRADING_USE_LEASE is off"
    return None if wanted else "the run's parameter use_lease is off"


def table_of(context: Context) -> Table:
    """The table named by the parameter ``table``."""
    return REPAIRABLE[context["params"]["table"]]


def range_of(context: Context) -> tuple[date, date]:
    """The parameters from_date and to_date; raises AirflowFailException if they are no range of past dates."""
    try:
        return parse_range(context["params"]["from_date"], context["params"]["to_date"])
    except GameDateError as error:
        raise AirflowFailException(str(error)) from None
