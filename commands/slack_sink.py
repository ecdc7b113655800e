"""A stand-in for Slack on a laptop: takes webhook posts and shows what would have been posted, as a page and as JSON."""

from __future__ import annotations

import html
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

app = FastAPI(title="What would have been posted to Slack", docs_url=None, redoc_url=None)
store = Path(os.environ.get("SLACK_SINK_FILE", "slack.jsonl"))


@app.get("/health")
def health() -> PlainTextResponse:
    """Ready as soon as it answers."""
    return PlainTextResponse("ok")


@app.get("/messages")
def messages() -> list[dict[str, Any]]:
    """Every message so far, oldest first: posted_at, text, blocks."""
    if not store.exists():
        return []
    return [json.loads(line) for line in store.read_text(encoding="utf-8").splitlines()]


@app.get("/")
def page() -> HTMLResponse:
    """The messages as a page, newest first."""
    shown = [f"<h4>{html.escape(message['posted_at'])}</h4><pre>{html.escape(_body(message))}</pre>" for message in reversed(messages())]
    return HTMLResponse("<title>Slack</title><h1>What would have been posted to Slack</h1>" + ("".join(shown) or "<p>Nothing yet.</p>"))


@app.post("/{path:path}")
async def post(path: str, request: Request) -> PlainTextResponse:
    """Take a webhook post; Slack answers ``ok`` and so does this."""
    message = {"posted_at": datetime.now(tz=UTC).isoformat(timespec="seconds"), **await request.json()}
    store.parent.mkdir(parents=True, exist_ok=True)
    with store.open("a", encoding="utf-8") as file:
        file.write(json.dumps(message) + "\n")
    return PlainTextResponse("ok")


def _body(message: dict[str, Any]) -> str:
    texts = [block["text"]["text"] for block in message.get("blocks") or [] if "text" in block]
    return "\n\n".join(texts) or str(message.get("text", ""))
