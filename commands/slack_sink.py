"""A stand-in for Slack on a laptop: takes chat.postMessage and chat.update, and shows the channels as a page and as JSON.

It answers as Slack's Web API does, as far as this project uses it: a message's name is its channel and ``ts``, a reply has the
``thread_ts`` of its thread's first message, and an edit replaces text and blocks. It takes valid JSON alone, and nothing from web pages.
"""

from __future__ import annotations

import html
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict
from starlette.middleware.trustedhost import TrustedHostMiddleware

app = FastAPI(title="What would have been posted to Slack", docs_url=None, redoc_url=None)
app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "slack"])
store = Path(os.environ.get("SLACK_SINK_FILE", "slack.jsonl"))
_writing = threading.Lock()

Message = dict[str, Any]


class Text(BaseModel):
    """A text object of Block Kit."""

    model_config = ConfigDict(extra="allow")
    text: str


class Block(BaseModel):
    """A block, as far as ``text_of`` reads it."""

    model_config = ConfigDict(extra="allow")
    type: str
    text: Text | None = None
    fields: list[Text] | None = None
    elements: list[Text] | None = None


class Posted(BaseModel):
    """The body of chat.postMessage."""

    channel: str
    text: str = ""
    blocks: list[Block] = []
    thread_ts: str | None = None
    reply_broadcast: bool | None = None


class Edited(BaseModel):
    """The body of chat.update."""

    channel: str
    ts: str
    text: str = ""
    blocks: list[Block] = []


class Stored(Posted):
    """A line of the store: a message, or an edit of one."""

    ts: str
    posted_at: str


def refuse_browsers(origin: Annotated[str | None, Header()] = None, content_type: Annotated[str, Header()] = "") -> None:
    """403 for a request of a web page, which has an Origin; 415 for a body that is not declared as JSON, which any page may send."""
    if origin is not None:
        raise HTTPException(403, "requests of web pages are refused")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send application/json")


@app.get("/health")
def health() -> PlainTextResponse:
    """Ready as soon as it answers."""
    return PlainTextResponse("ok")


@app.get("/messages")
def messages() -> list[Message]:
    """Every message in its current state, oldest first: channel, ts, posted_at, text, blocks, thread_ts and reply_broadcast, edits."""
    found: dict[tuple[str, str], Message] = {}
    for line in store.read_text(encoding="utf-8").splitlines() if store.exists() else []:
        event = Stored.model_validate_json(line).model_dump(exclude_none=True)
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


@app.post("/api/chat.postMessage", dependencies=[Depends(refuse_browsers)])
def post_message(body: Posted) -> dict[str, Any]:
    """Take a message or a reply."""
    return _keep(body, f"{time.time():.6f}")


@app.post("/api/chat.update", dependencies=[Depends(refuse_browsers)])
def update(body: Edited) -> dict[str, Any]:
    """Take an edit of a message that exists."""
    if not any((one["channel"], one["ts"]) == (body.channel, body.ts) for one in messages()):
        return {"ok": False, "error": "message_not_found"}
    return _keep(body, body.ts)


def _keep(body: Posted | Edited, ts: str) -> dict[str, Any]:
    stored = Stored.model_validate({**body.model_dump(), "ts": ts, "posted_at": datetime.now(tz=UTC).isoformat(timespec="seconds")})
    with _writing:
        store.parent.mkdir(parents=True, exist_ok=True)
        with store.open("a", encoding="utf-8") as file:
            file.write(stored.model_dump_json(exclude_none=True) + "\n")
    return {"ok": True, "channel": body.channel, "ts": ts}


def text_of(message: Message) -> str:
    """The text of a message's blocks, a paragraph for each."""
    texts = []
    for block in message.get("blocks") or []:
        parts = [block["text"]] if "text" in block else block.get("fields") or block.get("elements") or []
        texts += [part["text"] for part in parts]
    return "\n".join(texts) or str(message.get("text", ""))


def _article(message: Message, indent: int) -> str:
    parts = [message["channel"], message["posted_at"], *(["also in the channel"] if message.get("reply_broadcast") else [])]
    head, body = html.escape(" · ".join(parts)), html.escape(text_of(message))
    return f'<div style="margin-left:{indent}em"><h4>{head}</h4><pre>{body}</pre></div>'
