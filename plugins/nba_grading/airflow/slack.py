"""Posts to Slack through the provider's hook: a message, a reply in its thread, an edit. ``alerts.delivery`` decides what to post."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tenacity

from nba_grading.alerts.delivery import MessengerUnavailable
from nba_grading.alerts.model import Thread
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.providers.slack.hooks.slack import SlackHook

    from nba_grading.alerts.slack_blocks import Block


ATTEMPTS = 3

# Airflow kills a task that is still busy with its callbacks 20 s after its end, and then forgets that it failed.
SECONDS = 6


class SlackMessenger:
    """The Messenger of production: Slack's Web API by the connection GRADING_SLACK_CONN_ID."""

    def post(self, channel: str, text: str, blocks: list[Block], *, thread: Thread | None = None, broadcast: bool = False) -> Thread:
        """See Messenger."""
        reply = {"thread_ts": thread.ts, "reply_broadcast": broadcast} if thread else {}
        answer = _call("chat.postMessage", {"channel": channel, "text": text, "blocks": blocks, **reply})
        return Thread(str(answer["channel"]), str(answer["ts"]))

    def edit(self, thread: Thread, text: str, blocks: list[Block]) -> None:
        """See Messenger."""
        _call("chat.update", {"channel": thread.channel, "ts": thread.ts, "text": text, "blocks": blocks})


def _call(method: str, body: dict[str, Any]) -> Any:
    from airflow.providers.slack.hooks.slack import SlackHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from slack_sdk.errors import SlackApiError

    settings = get_settings()
    hook = SlackHook(slack_conn_id=settings.grading_slack_conn_id, timeout=settings.grading_slack_timeout_seconds, retry_handlers=[])
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_after_delay(SECONDS),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
        retry=tenacity.retry_if_not_exception_type((AirflowNotFoundException, SlackApiError)),
        reraise=True,
    )
    try:
        return retrying(_send, hook, method, body)
    except AirflowNotFoundException as error:
        raise MessengerUnavailable(f"no usable connection {settings.grading_slack_conn_id}: {error}") from error
    except SlackApiError as error:
        raise MessengerUnavailable(f"Slack refused {method}: {error.response.get('error')}") from error
    except Exception as error:
        raise MessengerUnavailable(f"Slack did not answer {method}: {type(error).__name__}: {error}") from error


def _send(hook: SlackHook, method: str, body: dict[str, Any]) -> Any:
    return hook.call(method, json=body)
