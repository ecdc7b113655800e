"""Posts to Slack through the provider's hook: a message, a reply in its thread, an edit. ``alerts.delivery`` decides what to post."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler, RateLimitErrorRetryHandler, ServerErrorRetryHandler
from slack_sdk.http_retry.handler import RetryHandler

from nba_grading.alerts.delivery import MessengerUnavailable
from nba_grading.alerts.model import Thread
from nba_grading.alerts.slack_blocks import escape
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from slack_sdk.http_retry.request import HttpRequest
    from slack_sdk.http_retry.response import HttpResponse
    from slack_sdk.http_retry.state import RetryState

    from nba_grading.alerts.slack_blocks import Block

RETRIES = 2
# For one call where no deadline is given.
CALL_SECONDS = 60.0


class SlackMessenger:
    """The Messenger of production: Slack's Web API by the connection GRADING_SLACK_CONN_ID.

    ``deadline``: the moment of ``time.monotonic()`` by which every call has ended.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self._deadline = deadline

    def post(self, channel: str, text: str, blocks: list[Block], *, thread: Thread | None = None, broadcast: bool = False) -> Thread:
        """See Messenger."""
        reply = {"thread_ts": thread.ts, "reply_broadcast": broadcast} if thread else {}
        answer = self._call("chat.postMessage", {"channel": channel, "text": escape(text), "blocks": blocks, **reply})
        return Thread(str(answer["channel"]), str(answer["ts"]))

    def edit(self, thread: Thread, text: str, blocks: list[Block]) -> None:
        """See Messenger."""
        self._call("chat.update", {"channel": thread.channel, "ts": thread.ts, "text": escape(text), "blocks": blocks})

    def _call(self, method: str, body: dict[str, Any]) -> Any:
        from airflow.providers.slack.hooks.slack import SlackHook
        from airflow.sdk.exceptions import AirflowNotFoundException
        from slack_sdk.errors import SlackApiError

        settings, now = get_settings(), time.monotonic()
        deadline = self._deadline or now + CALL_SECONDS
        timeout_s: Any = min(settings.grading_slack_timeout_seconds, deadline - now)
        if timeout_s <= 0:
            raise MessengerUnavailable(f"no time is left for {method}")
        kinds = (RateLimitErrorRetryHandler, ServerErrorRetryHandler, ConnectionErrorRetryHandler)
        handlers: list[RetryHandler] = [RetryUntil(deadline - timeout_s, kind(max_retry_count=RETRIES)) for kind in kinds]
        try:
            return SlackHook(slack_conn_id=settings.grading_slack_conn_id, timeout=timeout_s, retry_handlers=handlers).call(method, json=body)
        except AirflowNotFoundException as error:
            raise MessengerUnavailable(f"no usable connection {settings.grading_slack_conn_id}: {error}") from error
        except SlackApiError as error:
            raise MessengerUnavailable(f"Slack refused {method}: {error.response.get('error')}") from error
        except Exception as error:
            raise MessengerUnavailable(f"Slack did not answer {method}: {type(error).__name__}: {error}") from error


class RetryUntil(RetryHandler):
    """Retries as ``handler`` does while the next attempt would begin before ``latest``, a moment of ``time.monotonic()``."""

    def __init__(self, latest: float, handler: RetryHandler) -> None:
        super().__init__(handler.max_retry_count)
        self._latest, self._handler = latest, handler

    def _can_retry(self, *, state: RetryState, request: HttpRequest, response: HttpResponse | None = None, error: Exception | None = None) -> bool:
        # The handlers add up to a second of jitter to what Slack asks for, or back off for up to 2 s.
        asked = (response.headers if response else {}).get("Retry-After", ["1"])
        return time.monotonic() + float(asked[0]) + 1 <= self._latest and self._handler.can_retry(
            state=state, request=request, response=response, error=error
        )

    def prepare_for_next_attempt(self, **attempt: Any) -> None:
        """Pause as the handler does."""
        self._handler.prepare_for_next_attempt(**attempt)
