"""The tasks of review_models and the report of watch_players: milestones that are due, the weekly table with the systems that drift, and who
entered or left the watchlist.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.airflow.errors import ParamsRefused, fail_for_good
from nba_grading.airflow.notify import notify_once, raise_alert, resolve
from nba_grading.airflow.params import WEEKLY
from nba_grading.alerts.model import incident_name
from nba_grading.events import get_logger
from nba_grading.game_dates import GameDateError, resolve_past_day
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.reviews.systems import Targets
    from nba_grading.warehouse.client import Row, Warehouse

log = get_logger(__name__)

# The trends of the weekly message cover its week; the one of duplicates compares it with the week before.
TREND_DAYS = 7


def check_milestones(context: Context) -> list[dict[str, Any]]:
    """The rows of ``reviews.review_milestone`` of the systems whose milestone is today, each sent to Slack; skipped when none is."""
    from nba_grading.reviews import messages
    from nba_grading.reviews import systems as reviews

    day, targets = _day(context), _targets()
    systems = reviews.due_milestones(get_settings().grading_milestones, day)
    if not systems:
        raise AirflowSkipException(f"no milestone is set for the morning after {day}")
    warehouse = make_warehouse(context)
    with fail_for_good():
        rows = [reviews.review_milestone(warehouse, system, day, targets) for system in systems]
    for row in rows:
        alert = messages.milestone(run_link(context), row, day, targets)
        log.info("milestone_checked", system=row["system_id"], day=day, met=alert.severity == "INFO")
        notify_once(context, alert)
    return [_plain(row) for row in rows]


def review_week(context: Context) -> list[dict[str, Any]]:
    """The rows of ``reviews.review_systems``, sent to Slack as one table; each drift of a system is an incident of its own.

    Skipped on other days than Mondays, unless forced. Without any grades the message says so, and the list is empty.
    """
    from nba_grading.reviews import messages
    from nba_grading.reviews import systems as reviews
    from nba_grading.reviews.trends import NAMES, trend

    day, targets = _day(context), _targets()
    if not reviews.is_weekly_due(day, WEEKLY[context["params"]["weekly"]]):
        raise AirflowSkipException(f'the day after {day} is no Monday, or weekly is "never"; set weekly to "always" to make the table')
    warehouse = make_warehouse(context)
    with fail_for_good():
        rows = reviews.review_systems(warehouse, day, targets)
        pairs = reviews.compare_systems(warehouse, day)
        trends = {name: trend(warehouse, name, day, TREND_DAYS) for name in NAMES}
        _settle_drifts(context, warehouse, rows, day, targets)
    notify_once(context, messages.weekly(run_link(context), rows, pairs, day, trends))
    return [_plain(row) for row in rows]


def report_watchlist(context: Context) -> None:
    """Send who entered and who left the watchlist that the task ``watch`` has made; skipped when nobody did."""
    from nba_grading.reviews import messages

    [made] = context["ti"].xcom_pull(task_ids="watch")
    if not made["entered"] and not made["left"]:
        raise AirflowSkipException(f"nobody entered or left the watchlist of {made['game_date']}; {made['listed']} are listed")
    notify_once(context, messages.watchlist(run_link(context), made))


def _day(context: Context) -> date:
    try:
        return resolve_past_day(context["params"].get("day"), context["dag_run"].run_after or datetime.now(tz=UTC))
    except GameDateError as error:
        raise ParamsRefused(str(error)) from None


def _targets() -> Targets:
    from nba_grading.reviews.systems import Targets

    settings = get_settings()
    return Targets(mae=settings.grading_milestone_mae, baseline_mae=settings.grading_milestone_baseline_mae, win_rate=settings.grading_win_rate)


def _settle_drifts(context: Context, warehouse: Warehouse, rows: list[Row], day: date, targets: Targets) -> None:
    from nba_grading.alerts.incidents import list_incidents
    from nba_grading.reviews import messages
    from nba_grading.reviews.systems import DRIFT_KINDS, gone_systems, is_drifting

    for kind in DRIFT_KINDS:
        opened = [incident.alert.subject for incident in list_incidents(warehouse, f"{kind}/")]
        recovered: dict[str, Row | None] = {}
        for row in rows:
            system, drifts = row["system_id"], is_drifting(row, kind)
            if drifts:
                log.warning("system_drifts", system=system, kind=kind, day=day)
                raise_alert(context, messages.drift(run_link(context), row, kind, day, targets))
            elif drifts is False and system in opened:
                recovered[system] = row
        for system, last in {**recovered, **dict.fromkeys(gone_systems(rows, opened))}.items():
            resolve(context, [incident_name(kind, system)], messages.drift_resolution(system, kind, last))


def _plain(value: Any) -> Any:
    """For XCom and the UI: dates as text, decimals as floats."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
