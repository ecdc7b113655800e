"""The task of heal_grading: find the dates to grade (again), raise an alert, and start a backfill of a bounded number of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.context import make_warehouse, run_link, run_type
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


# When the scheduled run of grade_predictions grades yesterday, and when heal_grading looks at all dates: hours of New York.
GRADED_AT, LOOKS_AT_ALL_AT = time(6), time(8)
# Yesterday's games are looked for every hour; a date that keeps failing is left to the next day's look.
MOST_FAILURES = 3


def find_dates_to_heal(context: Context) -> list[dict[str, Any]]:
    """The params of the run of backfill_grades to start, one or none; skipped when no date needs one.

    The first scheduled run of a day, and one that is started by hand, looks at all dates of the last GRADING_HEAL_DAYS, and raises an alert. Dates
    that failed least often in the last week come first, then the oldest, so that dates which always fail do not block the others. The
    scheduled runs after it look at yesterday alone. Yesterday is left out until the wait of its scheduled run is over.
    """
    now = (context["dag_run"].run_after or datetime.now(tz=UTC)).astimezone(NEW_YORK)
    if run_type(context) == "scheduled" and now.time() >= time(LOOKS_AT_ALL_AT.hour + 1):
        return _late_games(context, now)
    return _all_dates(context, now)


def _late_games(context: Context, now: datetime) -> list[dict[str, Any]]:
    yesterday = now.date() - timedelta(days=1)
    if _newest_day(now) < yesterday:
        raise AirflowSkipException(f"the scheduled run of {yesterday} may still wait for its games")
    rows = [row for row in _list_dates(context, yesterday, yesterday) if row["failed_runs"] < MOST_FAILURES]
    if not rows:
        raise AirflowSkipException(f"every complete game of {yesterday} is graded, or its grading has failed {MOST_FAILURES} times")
    return [{"from_date": str(yesterday), "to_date": str(yesterday), "dates": [str(yesterday)], "regrade": True}]


def _newest_day(now: datetime) -> date:
    """Yesterday, or the day before while the scheduled run of yesterday may still wait for its games."""
    wait_ends = datetime.combine(now.date(), GRADED_AT, NEW_YORK) + timedelta(seconds=get_settings().grading_box_score_wait_seconds)
    return now.date() - timedelta(days=1 if now >= wait_ends else 2)


def _list_dates(context: Context, first: date, last: date) -> list[dict[str, Any]]:
    from nba_grading.pipelines.grade import complete_minutes

    with fail_for_good():
        found = make_warehouse(context).query_file("healing/list_dates_to_heal", {"first": first, "last": last, **complete_minutes()})
    for row in found:
        log.info("date_to_heal", **row)
    return found


def _all_dates(context: Context, now: datetime) -> list[dict[str, Any]]:
    settings, last = get_settings(), _newest_day(now)
    found = _list_dates(context, last - timedelta(days=settings.grading_heal_days), last)
    if not found:
        resolve(context, [incident_name(alerts.DATES_TO_HEAL)], "Every complete game with predictions is graded, and its grades are up to date.")
        raise AirflowSkipException("every complete game with predictions is graded, and no box score was corrected since")
    dates = [_describe(row) for row in found]
    most = settings.grading_heal_dates
    raise_alert(context, alerts.dates_to_heal(run_link(context), regraded=dates[:most], listed=dates[most:], limit=most))
    regraded = sorted(str(row["game_date"]) for row in found[:most])
    return [{"from_date": regraded[0], "to_date": regraded[-1], "dates": regraded, "regrade": True}] if regraded else []


def _describe(row: Mapping[str, Any]) -> str:
    failed = f", failed {row['failed_runs']} times this week" if row["failed_runs"] else ""
    return f"{row['game_date']}: {row['ungraded_predictions']} ungraded, {row['outdated_grades']} outdated{failed}"
