"""The tasks of remove_duplicates and restore_from_backup: plan, back up, ask, write date by date under each date's lease."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from nba_grading import alerts
from nba_grading.airflow_context import lease_owner, make_leases, make_warehouse, run_link, run_type
from nba_grading.game_dates import GameDateError, parse_range
from nba_grading.operators import fail_for_good, tell_lease_store_down
from nba_grading.settings import get_settings
from nba_grading.slack import send_alert
from nba_grading.tables import REPAIRABLE, Table

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.fenced_write import Claim, Published
    from nba_grading.warehouse import Warehouse

log = logging.getLogger(__name__)

MAINTENANCE = "maintenance"
WriteDate = Callable[["Warehouse", "Claim", Table, date], "Published"]


class ApprovalUnlessAutomated(ApprovalOperator):
    """Asks a person in the UI, without a worker slot; no answer is a no. The run's parameter auto_approve answers for it."""

    def execute(self, context: Context) -> Any:
        """Nothing when auto_approve is on."""
        if context["params"].get("auto_approve"):
            log.info("approved by the parameter auto_approve")
            return None
        return super().execute(context)


def approval_timeout() -> timedelta:
    """How long a person has to answer."""
    return timedelta(hours=get_settings().grading_approval_hours)


def plan_duplicates(context: Context) -> dict[str, Any]:
    """What would go: table, dates (game_date, rows, keys, duplicates each) and their sum. Changes nothing."""
    from nba_grading.repairs import plan_repair, told

    table, (first, last) = _table_of(context), _range_of(context)
    with fail_for_good():
        plan = plan_repair(make_warehouse(context), table, first, last)
    for each in plan:
        log.info("duplicates_planned table=%s date=%s rows=%d keys=%d duplicates=%d", table.name, *vars(each).values())
    return {"table": table.name, "dates": told(plan), "duplicates": sum(each.surplus_rows for each in plan)}


def back_up_table(context: Context, plan: dict[str, Any]) -> dict[str, Any]:
    """Name and rows of the snapshot; skipped, with all that follows, for a dry run or a range that is right."""
    from nba_grading.repairs import backup_name, create_backup

    if not plan["dates"]:
        raise AirflowSkipException(f"{plan['table']} holds no duplicate key in the range: nothing to remove")
    if context["params"]["dry_run"]:
        raise AirflowSkipException(
            f"a dry run: {plan['duplicates']} rows on {len(plan['dates'])} date(s) would go; set dry_run to false to remove them"
        )
    name = backup_name(REPAIRABLE[plan["table"]], context["dag_run"].start_date or datetime.now(tz=UTC))
    with fail_for_good():
        return {"backup": name, "rows": create_backup(make_warehouse(context), REPAIRABLE[plan["table"]], name)}


def remove_planned_duplicates(context: Context, plan: dict[str, Any], backup: dict[str, Any]) -> dict[str, Any]:
    """Repair the planned dates in order, stopping at the first that fails; the dates changed, the rows removed, and the backup."""
    from nba_grading.repairs import plan_repair, remove_duplicates
    from nba_grading.validation import find_duplicates

    table, warehouse = REPAIRABLE[plan["table"]], make_warehouse(context)
    dates = [date.fromisoformat(each["game_date"]) for each in plan["dates"]]
    # A date that an earlier try of this task has repaired is not written again.
    with fail_for_good():
        still = {each.game_date for each in plan_repair(warehouse, table, dates[0], dates[-1])}
    _write_dates(context, table, [day for day in dates if day in still], remove_duplicates)
    left = [finding for day in dates for finding in find_duplicates(warehouse, table, day)]
    if left:
        raise AirflowFailException(f"duplicates are still there after the repair: {left[0].sentence}; somebody else inserts into {table.name}")
    changed = [str(day) for day in dates]
    send_alert(alerts.duplicates_removed(run_link(context), table=table.name, dates=changed, removed=plan["duplicates"], backup=backup["backup"]))
    return {"table": table.name, "changed": changed, "removed": plan["duplicates"], **backup}


def restore_dates(context: Context) -> dict[str, Any]:
    """Bring the dates of the range back from the backup, in order; dates that neither table nor backup has are left alone."""
    from nba_grading.repairs import NoSuchBackup, check_backup, restore_date, rows_by_date

    table, (first, last), backup = _table_of(context), _range_of(context), str(context["params"]["backup"])
    warehouse = make_warehouse(context)
    try:
        check_backup(warehouse, table, backup)
    except NoSuchBackup as error:
        raise AirflowFailException(str(error)) from None
    held, now = (rows_by_date(warehouse, name, first, last) for name in (backup, table.name))
    dates = sorted(held.keys() | now.keys())
    if not dates:
        raise AirflowSkipException(f"neither {table.name} nor {backup} has a row from {first} to {last}")
    if context["params"]["dry_run"]:
        plan = [f"{day}: {now.get(day, 0)} rows would become {held.get(day, 0)}" for day in dates]
        raise AirflowSkipException("a dry run: " + "; ".join(plan))
    _write_dates(context, table, dates, lambda warehouse, claim, table, day: restore_date(warehouse, claim, table, day, backup))
    return {"table": table.name, "changed": [str(day) for day in dates], "backup": backup}


def _write_dates(context: Context, table: Table, dates: Sequence[date], write: WriteDate) -> None:
    """Each date under its own lease of the table's operation, waiting in place; each write leaves a row of grading_runs."""
    from nba_grading.guard import UnleasedClaim, claim_date
    from nba_grading.lease import Lease
    from nba_grading.lease_store import LeaseKey
    from nba_grading.runs import record_run

    settings, ti = get_settings(), context["ti"]
    for number, day in enumerate(dates, start=1):
        key, started = LeaseKey(table.operation, day), datetime.now(tz=UTC)
        warehouse = make_warehouse(context)
        claim = claim_date(make_leases, key, lease_owner(context), settings.lease_on_unavailable, in_place=True)
        with claim:
            if isinstance(claim, UnleasedClaim):
                tell_lease_store_down(context, claim.reason)
            if isinstance(claim, Lease):
                claim.on_lost = warehouse.cancel_running
            with fail_for_good():
                published = write(warehouse, claim, table, day)
        log.info("date_repaired table=%s date=%s rows=%d replaced=%d (%d/%d)", table.name, day, *_rows(published), number, len(dates))
        record_run(
            make_warehouse(context),
            {
                "grading_run_id": f"{ti.dag_id}/{ti.run_id}/{table.name}/{day}",
                "operation": MAINTENANCE,
                "game_date": day,
                "dag_id": ti.dag_id,
                "run_id": ti.run_id,
                "run_type": run_type(context),
                "holder_id": claim.holder_id,
                "fencing_token": published.fencing_token,
                "leased": claim.leased,
                "unleased_reason": claim.reason if isinstance(claim, UnleasedClaim) else None,
                "written": published.written_rows,
                "replaced": published.replaced_rows,
                "duration_ms": published.duration_ms,
                "started_at": started,
                "outcome": "repaired",
                "detail": table.name,
            },
        )


def _rows(published: Published) -> tuple[int, int]:
    return published.written_rows, published.replaced_rows


def _table_of(context: Context) -> Table:
    return REPAIRABLE[context["params"]["table"]]


def _range_of(context: Context) -> tuple[date, date]:
    try:
        return parse_range(context["params"]["from_date"], context["params"]["to_date"])
    except GameDateError as error:
        raise AirflowFailException(str(error)) from None
