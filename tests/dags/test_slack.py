"""Slack's Web API that is busy, broken or silent, as a server of this process; and a BigQuery that is silent too."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from commands.stack_config import PROJECT, slack_connection
from nba_grading.airflow import context as airflow_context
from nba_grading.airflow import notify
from nba_grading.airflow.slack import SlackMessenger
from nba_grading.alerts.delivery import MessengerUnavailable
from nba_grading.settings import get_settings
from tests.alert_examples import all_alerts

Answer = tuple[int, dict[str, str]]


class FakeSlack(ThreadingHTTPServer):
    """Answers with ``answers`` in turn, the last one for ever, and keeps the bodies of the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = [(200, {})]
        self.bodies: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: FakeSlack

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, headers = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        ok = {"ok": True, "channel": "C1", "ts": "1.0"}
        self.wfile.write(json.dumps(ok if status == 200 else {"ok": False, "error": "busy"}).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlack]:
    server = FakeSlack()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(slack_connection(f"http://127.0.0.1:{server.server_port}")))
    get_settings.cache_clear()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_rate_limit_and_an_error_of_the_server_are_retried(slack: FakeSlack) -> None:
    slack.answers = [(429, {"Retry-After": "1"}), (503, {}), (200, {})]
    begun = time.monotonic()
    thread = SlackMessenger().post("#grading", "text", [])
    assert (thread.channel, thread.ts, len(slack.bodies)) == ("C1", "1.0", 3)
    assert time.monotonic() - begun > 1, "Slack asked to wait for a second"


def test_a_third_error_is_the_last(slack: FakeSlack) -> None:
    slack.answers = [(503, {})]
    with pytest.raises(MessengerUnavailable, match=r"Slack refused chat.postMessage: busy"):
        SlackMessenger().post("#grading", "text", [])
    assert len(slack.bodies) == 3


def test_a_refusal_is_not_retried(slack: FakeSlack) -> None:
    slack.answers = [(403, {})]
    with pytest.raises(MessengerUnavailable, match="refused"):
        SlackMessenger().post("#grading", "text", [])
    assert len(slack.bodies) == 1


def test_a_retry_that_would_end_after_the_deadline_is_not_made(slack: FakeSlack) -> None:
    slack.answers = [(429, {"Retry-After": "30"})]
    begun = time.monotonic()
    messenger = SlackMessenger(begun + 15)
    with pytest.raises(MessengerUnavailable):
        messenger.post("#grading", "text", [])
    assert time.monotonic() - begun < 5
    with pytest.raises(MessengerUnavailable, match="no time is left"):
        SlackMessenger(time.monotonic() - 1).post("#grading", "text", [])
    assert len(slack.bodies) == 1


def test_the_text_of_a_notification_is_escaped(slack: FakeSlack) -> None:
    SlackMessenger().post("#grading", "<!channel> <https://evil.example|reset> a & b", [])
    [body] = slack.bodies
    assert body["text"] == "&lt;!channel&gt; &lt;https://evil.example|reset&gt; a &amp; b"


def a_context() -> Any:
    return {"ti": SimpleNamespace(dag_id="grade_predictions", task_id="grade", run_id="manual__1", try_number=1), "params": {}}


@pytest.mark.parametrize("is_slack_silent", [True, False])
def test_an_alert_ends_within_its_deadline_while_bigquery_is_silent(
    is_slack_silent: bool, slack: FakeSlack, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer seconds than in production."""
    monkeypatch.setattr(notify, "WAREHOUSE_SECONDS", 1.1)
    monkeypatch.setattr(notify, "ALERT_SECONDS", 3.6)
    client = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": silent})
    monkeypatch.setattr(airflow_context, "_make_bigquery", lambda: client)
    if is_slack_silent:
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(slack_connection(silent)))
    begun = time.monotonic()
    notify.raise_alert(a_context(), all_alerts()[0])
    assert time.monotonic() - begun < 5
    assert len(slack.bodies) == (not is_slack_silent), "without BigQuery the alert is sent without a thread"


def test_a_link_to_a_run_quotes_its_id() -> None:
    context = a_context()
    context["ti"].run_id = "manual__2026-01-10T06:00:00+00:00|<x>/.."
    assert airflow_context.run_link(context).url.endswith("/runs/manual__2026-01-10T06%3A00%3A00%2B00%3A00%7C%3Cx%3E%2F..")
