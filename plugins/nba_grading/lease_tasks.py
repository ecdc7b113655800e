"""The task of ``release_stuck_leases``: sweep the leases, tell what is wrong once, and what is right again once."""

from __future__ import annotations

import logging
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from nba_grading import alerts
from nba_grading.airflow_context import make_leases, make_warehouse, run_link
from nba_grading.operators import LEASE_STORE_CONDITION, AlreadyTold, tell_lease_store_down
from nba_grading.settings import get_settings
from nba_grading.slack import send_alert, send_once, send_recovery

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.conditions import Condition
    from nba_grading.lease_store import Record
    from nba_grading.stuck_leases import Judged

log = logging.getLogger(__name__)

STUCK_PREFIX = "stuck_lease/"


def sweep_leases_and_tell(context: Context) -> dict[str, Any]:
    """Returns how many leases there are of each verdict of ``stuck_leases.Judged``, and the holder released by hand, if one was."""
    from nba_grading.lease import LeaseStoreUnavailable
    from nba_grading.lease_store import StoreUnavailable
    from nba_grading.stuck_leases import sweep_leases

    settings = get_settings()
    try:
        leases = make_leases()
        released = _release_by_hand(context)
        judged = sweep_leases(
            leases.store, grace_s=settings.lease_grace_seconds, stuck_s=settings.lease_stuck_seconds, long_held_s=settings.lease_long_held_seconds
        )
    except (StoreUnavailable, LeaseStoreUnavailable) as error:
        tell_lease_store_down(context, str(error))
        raise AlreadyTold(f"the lease store does not answer: {error}") from error
    _tell(context, judged)
    counts = Counter(one.verdict for one in judged)
    log.info("leases_swept %s", dict(counts))
    return {"leases": len(judged), **dict(counts.items()), "released_holder": released}


def _release_by_hand(context: Context) -> str | None:
    from nba_grading.stuck_leases import NoSuchHolder, release_holder

    holder_id: str | None = context["params"].get("holder_id")
    if not holder_id:
        return None
    try:
        record = release_holder(make_leases().store, holder_id)
    except NoSuchHolder as error:
        raise AirflowFailException(str(error)) from None
    send_alert(alerts.lease_released_by_hand(run_link(context), lease=str(record.key), holder=_holder(record), silent_s=record.age_s))
    return holder_id


def _tell(context: Context, judged: list[Judged]) -> None:
    from nba_grading.conditions import list_conditions

    link, warehouse = run_link(context), make_warehouse(context)
    send_recovery(warehouse, LEASE_STORE_CONDITION, lambda condition: alerts.lease_store_back(link, down_s=condition.age_s))
    told = {condition.name for condition in list_conditions(warehouse, STUCK_PREFIX)}
    lasting = {one.condition for one in judged if one.verdict in ("stuck", "long_held")}
    for one in judged:
        record, lease, holder = one.record, str(one.record.key), _holder(one.record)
        if one.verdict == "stuck":
            alert = alerts.lease_stuck(link, lease=lease, holder=holder, silent_s=record.age_s, removed=False)
            send_once(lambda: warehouse, one.condition, alert)
        elif one.verdict == "long_held":
            send_once(lambda: warehouse, one.condition, alerts.lease_long_held(link, lease=lease, holder=holder, held_s=record.held_s))
        elif one.verdict == "removed" and one.condition not in told:
            send_alert(alerts.lease_stuck(link, lease=lease, holder=holder, silent_s=record.age_s, removed=True))
    for name in sorted(told - lasting):
        send_recovery(warehouse, name, partial(_no_longer_stuck, link))


def _no_longer_stuck(link: alerts.RunLink, condition: Condition) -> alerts.Alert:
    lease = condition.name.removeprefix(STUCK_PREFIX).partition("/")[0]
    return alerts.lease_no_longer_stuck(link, lease=lease, since_s=condition.age_s)


def _holder(record: Record) -> str:
    owner = ", ".join(f"{name} {value}" for name, value in record.owner.items())
    return f"{record.holder_id} ({owner or 'owner not told'})"
