"""The task of ``release_stuck_leases``: sweep the leases, open incidents of those that are stuck, and resolve the others."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import AirflowFailException

from nba_grading.airflow.context import make_leases, make_warehouse, run_link
from nba_grading.airflow.errors import AlreadyAlerted, fail_for_good
from nba_grading.airflow.notify import alert_lease_store_down, notify_once, raise_alert, resolve, task_incidents
from nba_grading.alerts import messages as alerts
from nba_grading.alerts.model import incident_name
from nba_grading.events import get_logger
from nba_grading.leases.store import LeaseKey
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.leases.manager import LeaseManager
    from nba_grading.leases.store import LeaseRecord, LeaseStore
    from nba_grading.leases.sweep import LeaseVerdict

log = get_logger(__name__)

STORE_DOWN = incident_name(alerts.LEASE_STORE_DOWN)
LEASE_KINDS = (alerts.LEASE_STUCK, alerts.LEASE_HELD_LONG)
# The date of the lease that tests the store: no game was played on it.
NO_DATE = date(1970, 1, 1)


def sweep_and_alert(context: Context) -> dict[str, Any]:
    """Returns the number of leases of each verdict of ``sweep.LeaseVerdict``, and the holder released by hand, if one was.

    The open incidents are read first: if BigQuery is down, nothing is removed that could then not be reported.
    """
    from nba_grading.leases.errors import LeaseStoreUnavailable
    from nba_grading.leases.sweep import sweep_leases

    settings, everything = get_settings(), _open_incidents(context)
    opened = {name for name in everything if name.startswith("lease-")}
    try:
        leases = make_leases()
        released = _release_by_hand(context, leases.store)
        is_back = STORE_DOWN in opened and _takes_leases(leases)
        judged, problem = sweep_leases(
            leases.store, grace_s=settings.lease_grace_seconds, stuck_s=settings.lease_stuck_seconds, long_held_s=settings.lease_long_held_seconds
        )
    except LeaseStoreUnavailable as error:
        _fail_for_store(context, error)
    if is_back:
        resolve(context, [STORE_DOWN], "The lease store answers. grading_runs lists the runs that wrote without a lease.")
    judged = [one for one in judged if one.record.key.game_date != NO_DATE]
    _report_leases(context, judged, opened)
    if problem:
        _fail_for_store(context, problem)
    own = sorted(everything & set(task_incidents(context, [context["ti"].task_id])))
    if own:
        resolve(context, own, "A sweep has succeeded.")
    counts = Counter(one.label for one in judged)
    log.info("leases_swept", **counts)
    return {"leases": len(judged), **dict(counts.items()), "released_holder": released}


def _fail_for_store(context: Context, error: Exception) -> NoReturn:
    alert_lease_store_down(context, str(error))
    raise AlreadyAlerted(f"the lease store does not answer: {error}") from error


def _open_incidents(context: Context) -> set[str]:
    """Names of the open incidents, read once for all that the sweep may resolve."""
    from nba_grading.alerts.incidents import list_incidents

    with fail_for_good():
        return {found.name for found in list_incidents(make_warehouse(context))}


def _takes_leases(leases: LeaseManager) -> bool:
    """Whether the store takes writes: a lease of no date is acquired and released. An account without the permission can only read.

    False when that lease is held; a later sweep finds it expired. Raises LeaseStoreUnavailable.
    """
    from nba_grading.leases.errors import LeaseHeld, LeaseStoreUnavailable

    try:
        lease = leases.try_acquire(LeaseKey("maintenance", NO_DATE), {"dag_id": "release_stuck_leases"})
    except LeaseHeld:
        return False
    if not lease.release():
        raise LeaseStoreUnavailable(f"lease {lease.key} could not be released")
    return True


def _release_by_hand(context: Context, store: LeaseStore) -> str | None:
    from nba_grading.leases.sweep import NoSuchHolder, release_holder

    holder_id: str | None = context["params"].get("holder_id")
    if not holder_id:
        return None
    try:
        record = release_holder(store, holder_id)
    except NoSuchHolder as error:
        earlier = ". An earlier try of this run may have released it; Slack has a message then" if context["ti"].try_number > 1 else ""
        raise AirflowFailException(f"{error}{earlier}") from None
    _report_removed(context, record, by_hand=True)
    return holder_id


def _report_leases(context: Context, judged: list[LeaseVerdict], opened: set[str]) -> None:
    settings, link = get_settings(), run_link(context)
    remaining: set[str] = set()
    for one in judged:
        record = one.record
        lease = {"lease": str(record.key), "holder_id": record.holder_id, "holder": _holder(record)}
        if one.verdict == "stuck":
            alert = alerts.lease_stuck(link, **lease, silent_s=record.age_s, limit_s=settings.lease_stuck_seconds, is_removed=one.is_removed)
        elif one.verdict == "long_held":
            alert = alerts.lease_long_held(
                link, **lease, held_s=record.held_s, limit_s=settings.lease_long_held_seconds, inflight_job=record.inflight_job
            )
        else:
            if one.is_removed:
                _report_removed(context, record, by_hand=False)
            continue
        raise_alert(context, alert)
        (opened if one.is_removed else remaining).add(alert.name)
    resolved = sorted(name for name in opened - remaining if name.startswith(LEASE_KINDS))
    if resolved:
        resolve(context, resolved, "The lease was released, taken over or removed, or is renewed again.")


def _report_removed(context: Context, record: LeaseRecord, *, by_hand: bool) -> None:
    alert = alerts.lease_removed(run_link(context), lease=str(record.key), holder=_holder(record), silent_s=record.age_s, by_hand=by_hand)
    notify_once(context, alert)


def _holder(record: LeaseRecord) -> str:
    owner = ", ".join(f"{name} {value}" for name, value in record.owner.items())
    return f"{record.holder_id} ({owner or 'unknown owner'})"
