"""The parameters that several DAGs share, and what they mean in a run: its date, what identifies its work, whether it takes a lease."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from airflow.sdk import Param

from nba_grading.airflow.context import run_type
from nba_grading.airflow.errors import ParamsRefused
from nba_grading.game_dates import GameDateError, parse_range, resolve_game_date
from nba_grading.settings import get_settings
from nba_grading.warehouse.tables import PREDICTION_ACCURACY, REPAIRABLE, Table

if TYPE_CHECKING:
    from airflow.sdk import Context

# The section of the trigger form for what is not needed on a normal day.
EMERGENCY = "Emergency"
AS_CONFIGURED = "as configured"

# Not a boolean that may be null: the form draws that as a switch, which shows null as off and cannot be set back to it. No type, so that
# the refusal of any other value lists the choices.
USE_LEASE = Param(
    AS_CONFIGURED,
    enum=[AS_CONFIGURED, "on", "off"],
    title="Lease",
    section=EMERGENCY,
    description="Off: write without a lease. Rows cannot be doubled, but two runs of a date may both do the work, and a CRITICAL alert is raised.",
)
OVERRIDE_BREAKER = Param(
    False, type="boolean", title="Override the circuit breaker", section=EMERGENCY, description="Run although the circuit breaker is open."
)
ALLOW_SHRINK = Param(
    False,
    type="boolean",
    title="Allow fewer rows",
    section=EMERGENCY,
    description="Publish even if the date loses a larger share of its keys than GRADING_MAX_SHRINK.",
)
ACCEPT_GAMES = Param(
    [],
    type="array",
    items={"type": "string", "minLength": 1},
    title="Accept games",
    section=EMERGENCY,
    description="Ids of games of the date, one a line, that count as complete from now on: a game that was stopped early.",
)
DRY_RUN = Param(True, type="boolean", title="Dry run", description="Change nothing; report what would change.")
TABLE = Param(PREDICTION_ACCURACY.name, type="string", enum=list(REPAIRABLE), title="Table", description="Table to change.")
FROM_DATE = Param(type="string", format="date", title="First date", description="First date of the range, YYYY-MM-DD.")
TO_DATE = Param(type="string", format="date", title="Last date", description="Last date of the range, included.")

ONLY_DATES = Param([], type="array", items={"type": "string"}, title="Only these dates", description="Dates of the range; none means all.")

# The values of review_models' parameter weekly, and whether each forces the weekly table.
WEEKLY: dict[str, bool | None] = {"on Mondays": None, "always": True, "never": False}


def optional_date(title: str, description: str) -> Param:
    """A date that may be left empty; ``description`` says which date that means."""
    return Param(None, type=["null", "string"], format="date", title=title, description=description)


def full_match(pattern: str) -> str:
    """A pattern of a JSON schema for the whole value: in Python ``$`` alone also matches before a trailing line break."""
    return rf"^{pattern}$(?!\n)"


def switched_off(context: Context) -> str | None:
    """Why the run writes without leases; None when it uses them."""
    wanted = context["params"].get("use_lease", AS_CONFIGURED)
    if wanted == AS_CONFIGURED:
        return None if get_settings().grading_use_lease else "the setting GRADING_USE_LEASE is off"
    return "the run's parameter use_lease is off" if wanted == "off" else None


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
    """The game_date, or the day, that the run is about, ISO; None if its DAG has no such parameter, or it cannot be resolved."""
    params = context["params"]
    given: str | None = params.get("game_date") or params.get("day")
    if given or "game_date" not in params:
        return given
    try:
        return str(game_date_of(context))
    except GameDateError:
        return None


def run_scope(context: Context) -> str:
    """Identifies the run's work among the runs of its DAG: ``date/batch/table/first..last/backup``, as far as it has them.

    A run with the same scope does the same work, so its success resolves the incidents of a run that failed.
    """
    params = context["params"]
    dates = f"{params['from_date']}..{params['to_date']}" if params.get("from_date") else None
    parts = (run_date(context), params.get("batch_id"), params.get("table"), dates, params.get("backup"))
    return "/".join(part for part in parts if part)


def table_of(context: Context) -> Table:
    """The table named by the parameter ``table``."""
    return REPAIRABLE[context["params"]["table"]]


def range_of(context: Context) -> tuple[date, date]:
    """The parameters from_date and to_date; raises AirflowFailException if they are no range of past dates."""
    try:
        return parse_range(context["params"]["from_date"], context["params"]["to_date"])
    except GameDateError as error:
        raise ParamsRefused(str(error)) from None
