"""A stand-in for Slack on a laptop: takes chat.postMessage and chat.update, and shows the channels as a page and as JSON.

It answers as Slack's Web API does, as far as this project uses it: a message is identified by its channel and ``ts``, a reply has the
``thread_ts`` of its thread's first message, and an edit replaces text and blocks.
"""

from __future__ import annotations

import html
import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

app = FastAPI(title="What would have been posted to Slack", docs_url=None, redoc_url=None)
store = Path(os.environ.get("SLACK_SINK_FILE", "slack.jsonl"))
_writing = threading.Lock()

Message = dict[str, Any]


@app.get("/health")
def health() -> PlainTextResponse:
    """Ready as soon as it answers."""
    return PlainTextResponse("ok")


@app.get("/messages")
def messages() -> list[Message]:
    """Every message in its latest version, oldest first: channel, ts, posted_at, text, blocks, thread_ts and reply_broadcast of replies, edits."""
    found: dict[tuple[str, str], Message] = {}
    for line in store.read_text(encoding="utf-8").splitlines() if store.exists() else []:
        event = json.loads(line)
        name = (event["channel"], event["ts"])
        if name in found:
            found[name] |= {"text": event["text"], "blocks": event["blocks"], "edits": found[name]["edits"] + 1}
        else:
            found[name] = {**event, "edits": 0}
    return list(found.values())


@app.get("/")
def page() -> HTMLResponse:
    """The messages as a page, newest thread first, replies below their first message."""
    everything = messages()
    shown = []
    for message in reversed([one for one in everything if not one.get("thread_ts")]):
        replies = [one for one in everything if one.get("thread_ts") == message["ts"]]
        shown += [_article(message, 0), *(_article(reply, 2) for reply in replies)]
    return HTMLResponse("<title>Slack</title><h1>What would have been posted to Slack</h1>" + ("".join(shown) or "<p>Nothing yet.</p>"))


@app.post("/api/chat.postMessage")
async def post_message(request: Request) -> dict[str, Any]:
    """Store a message or a reply."""
    body = await request.json()
    return _keep({"ts": f"{time.time():.6f}", **body})


@app.post("/api/chat.update")
async def update(request: Request) -> dict[str, Any]:
    """Store an edit of an existing message."""
    body = await request.json()
    if not any((one["channel"], one["ts"]) == (body["channel"], body["ts"]) for one in messages()):
        return {"ok": False, "error": "message_not_found"}
    return _keep(body)


def _keep(event: Message) -> dict[str, Any]:
    event = {"posted_at": datetime.now(tz=UTC).isoformat(timespec="seconds"), **event}
    with _writing:
        store.parent.mkdir(parents=True, exist_ok=True)
        with store.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
    return {"ok": True, "channel": event["channel"], "ts": event["ts"]}


def text_of(message: Message) -> str:
    """The text of a message's blocks, a line for each."""
    texts = []
    for block in message.get("blocks") or []:
        parts = [block["text"]] if "text" in block else block.get("fields") or block.get("elements") or []
        texts += [part["text"] for part in parts]
    return "\n".join(texts) or str(message.get("text", ""))


def _article(message: Message, indent: int) -> str:
    parts = [message["channel"], message["posted_at"], *(["also in the channel"] if message.get("reply_broadcast") else [])]
    head, body = html.escape(" · ".join(parts)), html.escape(text_of(message))
    return f'<div style="margin-left:{indent}em"><h4>{head}</h4><pre>{body}</pre></div>'
