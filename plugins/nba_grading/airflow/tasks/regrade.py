"""The task of heal_grading: find the dates to grade (again), raise an alert, and start a backfill of a bounded number of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.notify import raise_alert, resolve
from nba_grading.alerts import messages as alerts
from nba_grading.alerts.model import incident_name
from nba_grading.events import get_logger
from nba_grading.game_dates import NEW_YORK
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

log = get_logger(__name__)


def find_dates_to_heal(context: Context) -> list[dict[str, Any]]:
    """The params of the run of backfill_grades to start, one or none; skipped when no date needs one.

    Dates that failed least often in the last week come first, then the oldest, so that dates which always fail do not block the others.
    """
    settings, run_after = get_settings(), context["dag_run"].run_after
    # The scheduled run grades yesterday, and may still be waiting for its box scores.
    last = (run_after.astimezone(NEW_YORK) if run_after else datetime.now(tz=NEW_YORK)).date() - timedelta(days=2)
    with fail_for_good():
        found = make_warehouse(context).query_file(
            "healing/list_dates_to_heal", {"first": last - timedelta(days=settings.grading_heal_days), "last": last}
        )
    for row in found:
        log.info("date_to_heal", **row)
    if not found:
        resolve(context, [incident_name(alerts.DATES_TO_HEAL)], "Every date with predictions and box scores is graded, and up to date.")
        raise AirflowSkipException("every date with predictions and box scores is graded, and no box score was corrected since")
    dates = [_describe(row) for row in found]
    most = settings.grading_heal_dates
    raise_alert(context, alerts.dates_to_heal(run_link(context), regraded=dates[:most], listed=dates[most:], limit=most))
    regraded = sorted(str(row["game_date"]) for row in found[:most])
    return [{"from_date": regraded[0], "to_date": regraded[-1], "dates": regraded, "regrade": True}] if regraded else []


def _describe(row: Mapping[str, Any]) -> str:
    failed = f", failed {row['failed_runs']} times this week" if row["failed_runs"] else ""
    return f"{row['game_date']}: {row['ungraded_predictions']} ungraded, {row['outdated_grades']} outdated{failed}"
