"""Slack's stand-in refuses what would break its page, and what a web page sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commands import slack_sink
from tests.alert_examples import all_alerts, timelines

POST, UPDATE = "/api/chat.postMessage", "/api/chat.update"


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(slack_sink, "store", tmp_path / "slack.jsonl")
    with TestClient(slack_sink.app, base_url="http://127.0.0.1") as client:
        yield client


def test_a_message_its_reply_and_an_edit_are_shown(sink: TestClient) -> None:
    blocks = timelines(all_alerts()[0])["opened"]
    first = sink.post(POST, json={"channel": "#grading", "text": "first", "blocks": blocks}).json()
    sink.post(POST, json={"channel": "#grading", "text": "reply", "thread_ts": first["ts"], "reply_broadcast": True})
    edit = sink.post(UPDATE, json={"channel": "#grading", "ts": first["ts"], "text": "edited", "blocks": blocks})
    assert edit.json() == {"ok": True, "channel": "#grading", "ts": first["ts"]}
    message, reply = sink.get("/messages").json()
    assert (message["text"], message["blocks"], message["edits"]) == ("edited", blocks, 1)
    assert (reply["thread_ts"], reply["reply_broadcast"]) == (first["ts"], True)
    assert "also in the channel" in sink.get("/").text
    unknown = sink.post(UPDATE, json={"channel": "#grading", "ts": "0.1", "text": "x", "blocks": []})
    assert unknown.json() == {"ok": False, "error": "message_not_found"}


@pytest.mark.parametrize(
    "body",
    [
        {"channel": 1, "ts": "x"},
        {"text": "no channel"},
        {"channel": "#c", "blocks": ["x"]},
        {"channel": "#c", "blocks": [{"type": "section", "text": {"text": 1}}]},
        {"channel": "#c", "blocks": [{"type": "section", "fields": [{}]}]},
        [],
    ],
)
def test_a_body_that_its_page_could_not_show_is_refused(sink: TestClient, body: Any) -> None:
    assert sink.post(POST, json=body).status_code == 422
    assert sink.get("/messages").json() == []
    assert sink.get("/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Origin": "https://evil.example"},
        {"Content-Type": "application/json", "Host": "evil.example"},
    ],
)
def test_a_request_of_a_web_page_is_refused(sink: TestClient, headers: dict[str, str]) -> None:
    assert sink.post(POST, content='{"channel": "#c", "text": "x"}', headers=headers).status_code in {400, 403, 415, 422}
    assert sink.get("/messages").json() == []
