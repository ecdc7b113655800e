"""The task of back_up_tables: one snapshot of each table a day."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.context import make_warehouse, run_type
from nba_grading.airflow.errors import fail_for_good
from nba_grading.game_dates import NEW_YORK, is_in_season
from nba_grading.settings import get_settings
from nba_grading.warehouse.tables import REPAIRABLE

if TYPE_CHECKING:
    from airflow.sdk import Context


def back_up(context: Context) -> dict[str, int]:
    """The rows of the day's snapshots, by their names. A scheduled run out of the season is skipped.

    The day is that of the clock in New York, not of the run: a run that is late or cleared must not give an earlier day's name to what
    the tables hold now.
    """
    from nba_grading.pipelines.repair import backup_name, create_backup

    day = datetime.now(tz=NEW_YORK).date()
    if run_type(context) == "scheduled" and not is_in_season(day):
        raise AirflowSkipException(f"{day} is out of the season, from October to June: nothing changes")
    warehouse, keep_days, midnight = make_warehouse(context), get_settings().grading_backup_days, datetime.combine(day, time())
    with fail_for_good():
        return {name: create_backup(warehouse, table, name, keep_days) for table in REPAIRABLE.values() for name in [backup_name(table, midnight)]}
