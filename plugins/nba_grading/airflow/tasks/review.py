"""The tasks of review_models: milestones that are due, and the weekly table with the systems that drift. The last part sends messages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.airflow.errors import fail_for_good
from nba_grading.airflow.notify import notify_once, raise_alert, resolve
from nba_grading.airflow.params import WEEKLY
from nba_grading.alerts.model import Alert, incident_name
from nba_grading.events import get_logger
from nba_grading.game_dates import GameDateError, resolve_past_day
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.reviews.messages import ReviewMessage
    from nba_grading.reviews.systems import DriftKind, Targets
    from nba_grading.settings import Severity
    from nba_grading.warehouse.client import Row, Warehouse

log = get_logger(__name__)

# The trends of the weekly message cover its week; that of duplicates compares it with the one before.
TREND_DAYS = 7


def check_milestones(context: Context) -> list[dict[str, Any]]:
    """The rows of ``reviews.review_milestone`` of the systems whose milestone is today, each told to Slack; skipped when none is."""
    from nba_grading.reviews import messages as review_messages
    from nba_grading.reviews import systems as reviews

    day, targets = _day(context), _targets()
    systems = reviews.due_milestones(get_settings().grading_milestones, day)
    if not systems:
        raise AirflowSkipException(f"no milestone is set for the morning after {day}")
    warehouse = make_warehouse(context)
    with fail_for_good():
        rows = [reviews.review_milestone(warehouse, system, day, targets) for system in systems]
    for row in rows:
        is_met = all(row[f"is_{name}_met"] for name in ("mae", "placeholders", "volume", "win_rate"))
        log.info("milestone_checked", system=row["system_id"], day=day, met=is_met)
        send(context, "milestone", f"{row['system_id']}/{day}", "INFO" if is_met else "WARNING", review_messages.milestone(row, day, targets))
    return [_plain(row) for row in rows]


def review_week(context: Context) -> list[dict[str, Any]]:
    """The rows of ``reviews.review_systems``, told to Slack as one table; a system that drifts, or does so no longer, is told once.

    Skipped on other days than Mondays, unless forced. Without any grades the message says so, and the list is empty.
    """
    from nba_grading.reviews import messages as review_messages
    from nba_grading.reviews import systems as reviews
    from nba_grading.reviews.trends import NAMES, trend

    day, targets = _day(context), _targets()
    if not reviews.is_weekly_due(day, WEEKLY[context["params"]["weekly"]]):
        raise AirflowSkipException(f'the day after {day} is no Monday, or weekly is "never"; set weekly to "always" to make the table')
    warehouse = make_warehouse(context)
    with fail_for_good():
        rows = reviews.review_systems(warehouse, day, targets)
        trends = {name: trend(warehouse, name, day, TREND_DAYS) for name in NAMES}
        _settle_drifts(context, warehouse, rows, day, targets)
    send(context, "weekly-review", str(day), "INFO", review_messages.weekly(rows, day, targets, trends))
    return [_plain(row) for row in rows]


def _day(context: Context) -> date:
    try:
        return resolve_past_day(context["params"].get("day"), context["dag_run"].run_after or datetime.now(tz=UTC))
    except GameDateError as error:
        raise AirflowFailException(str(error)) from None


def _targets() -> Targets:
    from nba_grading.reviews.systems import Targets

    settings = get_settings()
    return Targets(mae=settings.grading_milestone_mae, baseline_mae=settings.grading_milestone_baseline_mae, win_rate=settings.grading_win_rate)


def _settle_drifts(context: Context, warehouse: Warehouse, rows: list[Row], day: date, targets: Targets) -> None:
    from nba_grading.reviews import messages
    from nba_grading.reviews.systems import DRIFT_KINDS, gone_systems, is_drifting

    for kind in DRIFT_KINDS:
        told = drifting_systems(warehouse, kind)
        for row in rows:
            system, is_named = row["system_id"], is_drifting(row, kind)
            if is_named:
                log.warning("system_drifts", system=system, kind=kind, day=day)
                raise_drift(context, system, kind, messages.drift(row, kind, day, targets))
            elif is_named is False and system in told:
                resolve_drift(context, system, kind, messages.drift_over(system, kind, row))
        for system in gone_systems(rows, told):
            resolve_drift(context, system, kind, messages.drift_over(system, kind, None))


def _plain(value: Any) -> Any:
    """For XCom and the UI: dates as text, decimals as floats."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


# What follows is all that knows how a message reaches people.


def send(context: Context, kind: str, subject: str, severity: Severity, message: ReviewMessage) -> None:
    """Post a report; ``kind`` is its heading in the runbook."""
    notify_once(context, _alert(context, kind, subject, severity, message))


def raise_drift(context: Context, system: str, kind: DriftKind, message: ReviewMessage) -> None:
    """Raise the condition of a system that drifts: one thread, however many reviews find it."""
    raise_alert(context, _alert(context, kind, system, "WARNING", message))


def resolve_drift(context: Context, system: str, kind: DriftKind, message: ReviewMessage) -> None:
    """End the condition, and say so if it was raised."""
    resolve(context, [incident_name(kind, system)], f"{message.title}. {message.detail}")


def drifting_systems(warehouse: Warehouse, kind: DriftKind) -> list[str]:
    """The systems whose condition of this kind is raised."""
    from nba_grading.alerts.incidents import list_incidents

    return [incident.name.removeprefix(f"{kind}/") for incident in list_incidents(warehouse, f"{kind}/")]


def _alert(context: Context, kind: str, subject: str, severity: Severity, message: ReviewMessage) -> Alert:
    return Alert(
        kind=kind,
        severity=severity,
        subject=subject,
        title=message.title,
        detail=f"```{message.detail}```" if "\n" in message.detail else message.detail,
        done="Nothing was changed.",
        next_step=message.next_step,
        run=run_link(context),
        facts=message.facts,
        command=message.command,
    )
