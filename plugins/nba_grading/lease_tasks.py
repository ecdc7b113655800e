"""The task of ``release_stuck_leases``: sweep the leases, tell what is wrong once, and what is right again once."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from nba_grading import alerts
from nba_grading.airflow_context import make_leases, make_warehouse, run_link
from nba_grading.operators import tell_lease_store_down
from nba_grading.settings import get_settings
from nba_grading.slack_message import condition_name
from nba_grading.task_errors import AlreadyTold
from nba_grading.telling import recover, report, tell

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.lease_store import Record
    from nba_grading.stuck_leases import Judged

log = logging.getLogger(__name__)


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
    _report_removed(context, record, by_hand=True)
    return holder_id


def _tell(context: Context, judged: list[Judged]) -> None:
    from nba_grading.conditions import list_conditions

    settings, link = get_settings(), run_link(context)
    recover(context, [condition_name(alerts.LEASE_STORE_DOWN)], "It answers, and runs are leased again. grading_runs names those that were not.")
    raised = {found.name for kind in (alerts.LEASE_STUCK, alerts.LEASE_HELD_LONG) for found in list_conditions(make_warehouse(context), f"{kind}/")}
    lasting = set()
    for one in judged:
        record = one.record
        lease, holder = {"lease": str(record.key), "holder_id": record.holder_id}, _holder(record)
        if one.verdict == "stuck":
            alert = alerts.lease_stuck(link, **lease, holder=holder, silent_s=record.age_s, limit_s=settings.lease_stuck_seconds)
        elif one.verdict == "long_held":
            alert = alerts.lease_long_held(link, **lease, holder=holder, held_s=record.held_s, limit_s=settings.lease_long_held_seconds)
        else:
            if one.verdict == "removed" and condition_name(alerts.LEASE_STUCK, *lease.values()) not in raised:
                _report_removed(context, record, by_hand=False)
            continue
        tell(context, alert)
        lasting.add(alert.name)
    over = sorted(raised - lasting)
    if over:
        recover(context, over, "The lease was given back, taken over, removed, or is renewed again.")


def _report_removed(context: Context, record: Record, *, by_hand: bool) -> None:
    alert = alerts.lease_removed(run_link(context), lease=str(record.key), holder=_holder(record), silent_s=record.age_s, by_hand=by_hand)
    report(context, alert)


def _holder(record: Record) -> str:
    owner = ", ".join(f"{name} {value}" for name, value in record.owner.items())
    return f"{record.holder_id} ({owner or 'owner not told'})"
