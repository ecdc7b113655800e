"""Messages of Pub/Sub: requests to grade a date, those that are refused, and the announcement of a date that is graded.

Each is off while its setting is empty. A message is acknowledged when the runs it asks for exist, so one that is lost on the way comes
again; grading a date once more does no harm.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.context import run_link
from nba_grading.airflow.notify import notify_once
from nba_grading.alerts import messages
from nba_grading.events import get_logger
from nba_grading.runs.requests import RequestRefused, completion, read_request
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow.providers.google.cloud.hooks.pubsub import PubSubHook
    from airflow.sdk import Asset, Context

log = get_logger(__name__)

POLL_SECONDS = 2.0
MOST_MESSAGES = 100
ACK_IDS_KEY = "ack_ids"


def make_requests_asset() -> Asset | None:
    """The asset that a message of the subscription updates; None without a subscription."""
    from airflow.sdk import Asset, AssetWatcher

    settings = get_settings()
    if not settings.grading_pubsub_subscription:
        return None
    # Imported here, as it imports the clients of every provider with a queue.
    from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger

    trigger = MessageQueueTrigger(
        scheme="google+pubsub",
        project_id=settings.grading_project,
        subscription=settings.grading_pubsub_subscription,
        max_messages=MOST_MESSAGES,
        ack_messages=False,
        gcp_conn_id=settings.grading_gcp_conn_id,
        poke_interval=POLL_SECONDS,
        return_immediately=True,
    )
    return Asset("grading_requests", watchers=[AssetWatcher(name="grading_requests", trigger=trigger)])


def read_requests(context: Context) -> list[dict[str, Any]]:
    """The params of the runs of grade_predictions that the run's messages ask for, a date once; leaves the ids to acknowledge.

    A message that cannot be read goes to the dead-letter topic, with the reason as an attribute, and into an alert.
    """
    dates: dict[str, str] = {}
    received = list(_messages(context))
    for message in received:
        text = base64.b64decode(message["message"].get("data") or "").decode("utf-8", errors="replace")
        try:
            request = read_request(text, datetime.now(tz=UTC))
        except RequestRefused as error:
            _refuse(context, message, text, str(error))
            continue
        log.info("grading_requested", game_date=request.target_date, source=request.trigger_source, message=message["message"]["message_id"])
        dates.setdefault(str(request.target_date), request.trigger_source)
    context["ti"].xcom_push(key=ACK_IDS_KEY, value=[message["ack_id"] for message in received])
    return [{"game_date": day} for day in sorted(dates)]


def acknowledge(context: Context) -> int:
    """Acknowledge the messages of the run; returns how many."""
    ack_ids = context["ti"].xcom_pull(task_ids="read", key=ACK_IDS_KEY) or []
    settings = get_settings()
    if ack_ids:
        _hook().acknowledge(subscription=settings.grading_pubsub_subscription, ack_ids=ack_ids, project_id=settings.grading_project)
    log.info("messages_acknowledged", messages=len(ack_ids))
    return len(ack_ids)


def announce_graded(rows: Iterable[Mapping[str, Any]]) -> None:
    """Publish a message for each row of grading_runs whose date was graded. Never raises: the date is graded all the same."""
    topic = get_settings().grading_pubsub_complete_topic
    graded = [row for row in rows if row.get("outcome") == "graded"]
    if not topic or not graded:
        return
    try:
        _publish(topic, [{"data": completion(row).encode(), "attributes": {"game_date": str(row["game_date"])}} for row in graded])
    except Exception as error:
        log.warning("completion_not_published", game_date=graded[0]["game_date"], dates=len(graded), topic=topic, error=str(error))


def _messages(context: Context) -> Iterable[Mapping[str, Any]]:
    for events in (context.get("triggering_asset_events") or {}).values():
        for event in events:
            yield from ((event.extra or {}).get("payload") or {}).get("message") or ()


def _refuse(context: Context, message: Mapping[str, Any], text: str, reason: str) -> None:
    topic, message_id = get_settings().grading_pubsub_dead_letter_topic, message["message"]["message_id"]
    log.error("request_refused", message=message_id, reason=reason)
    if topic:
        _publish(topic, [{"data": text.encode(), "attributes": {"reason": reason, "message_id": message_id}}])
    notify_once(context, messages.request_refused(run_link(context), message_id=message_id, text=text, reason=reason, topic=topic))


def _publish(topic: str, found: list[dict[str, Any]]) -> None:
    _hook().publish(topic=topic, messages=found, project_id=get_settings().grading_project)


def _hook() -> PubSubHook:
    from airflow.providers.google.cloud.hooks.pubsub import PubSubHook

    return PubSubHook(gcp_conn_id=get_settings().grading_gcp_conn_id)
