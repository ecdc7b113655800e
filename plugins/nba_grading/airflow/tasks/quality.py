"""The task of check_data_quality: run the checks of a day, store the results, and raise or resolve the alert that sums them up."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from nba_grading.airflow.context import make_warehouse, run_link
from nba_grading.airflow.errors import AlreadyAlerted, ParamsRefused, fail_for_good
from nba_grading.airflow.notify import raise_alert, resolve
from nba_grading.airflow.tasks.validate import small_repairs
from nba_grading.alerts import messages as alerts
from nba_grading.alerts.model import incident_name
from nba_grading.events import get_logger
from nba_grading.game_dates import NEW_YORK, GameDateError, resolve_past_day
from nba_grading.settings import get_settings
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.quality.daily_checks import Result
    from nba_grading.warehouse.client import Warehouse

log = get_logger(__name__)

DUPLICATE_CHECKS = {"duplicate_grades": PREDICTION_ACCURACY, "duplicate_predictions": PLAYER_PROP_PREDICTIONS}


def check_quality(context: Context) -> list[dict[str, Any]]:
    """Run every check of the run's day. Returns the params of the runs of remove_duplicates that need no approval.

    Raises AirflowFailException when a check is broken, after the other checks ran, were stored and were reported.
    """
    from nba_grading.quality.daily_checks import QualityCheckError, check_day, load_checks, record_results

    day, as_of = _day(context)
    try:
        checks = load_checks(get_settings().grading_quality_thresholds)
    except QualityCheckError as error:
        raise AirflowFailException(str(error)) from None
    warehouse = make_warehouse(context)
    results = []
    with fail_for_good():
        for number, result in enumerate(check_day(warehouse, checks, day, as_of), start=1):
            log.info("check_done", number=number, of=len(checks), check=result.check.name, status=result.status)
            results.append(result)
        record_results(warehouse, context["ti"].run_id, day, datetime.now(tz=UTC), results)
        repairs = _audit_duplicates(context, warehouse, day, results)
    _alert(context, warehouse, day, results)
    counts = Counter(result.status for result in results)
    context["ti"].xcom_push(key="results", value={"day": str(day), **counts, "values": {one.check.name: str(one.value) for one in results}})
    broken = [result.check.name for result in results if result.status == "broken"]
    if broken:
        raise AlreadyAlerted(f"checks that did not run: {', '.join(broken)}")
    return repairs


def _day(context: Context) -> tuple[date, datetime]:
    """The day to check, and the moment as of which: yesterday and now, or the run's parameter ``day`` and noon of the day after it."""
    given, now = context["params"].get("day"), datetime.now(tz=UTC)
    try:
        day = resolve_past_day(given, context["dag_run"].run_after or now)
    except GameDateError as error:
        raise ParamsRefused(str(error)) from None
    return day, min(datetime.combine(day + timedelta(days=1), time(12), NEW_YORK), now) if given else now


def _audit_duplicates(context: Context, warehouse: Warehouse, day: date, results: list[Result]) -> list[dict[str, Any]]:
    """Record duplicate keys in grading_duplicate_audit and resolve the incidents of clean dates; returns the params of repairs without approval."""
    from nba_grading.pipelines.repair import plan_repair
    from nba_grading.quality.after_write import record_duplicates

    link = run_link(context)
    week = [day - timedelta(days=number) for number in range(7)]
    repairs: list[dict[str, Any]] = []
    for result in results:
        table = DUPLICATE_CHECKS.get(result.check.name)
        if table is None or result.status == "broken":
            continue
        found = {each.game_date: each.surplus_rows for each in plan_repair(warehouse, table, week[-1], day)} if result.value else {}
        for game_date in found:
            record_duplicates(warehouse, table, game_date, processor="data_quality", investigation_url=link.url)
        repairs += small_repairs(table, found)
        clean = [incident_name(alerts.DUPLICATES_FOUND, table.name, str(each)) for each in week if each not in found]
        resolve(context, clean, f"{link.dag_id} found no duplicate key on the date.")
    return repairs


def _alert(context: Context, warehouse: Warehouse, day: date, results: list[Result]) -> None:
    from nba_grading.alerts.incidents import list_incidents
    from nba_grading.quality.daily_checks import OFF

    link, name = run_link(context), incident_name(alerts.DATA_QUALITY)
    off = [result for result in results if result.status in OFF]
    if not off:
        resolve(context, [name], f"Every check of {day} has passed, or needed games that the day does not have.")
        return
    with fail_for_good():
        others = [incident for incident in list_incidents(warehouse) if incident.name != name]
    raise_alert(context, alerts.data_quality(link, day=day, off=off, checks=len(results), others=others))
