"""How Slack shows an alert: Block Kit blocks, built by pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nba_grading.alerts.model import Alert, Timeline, duration

EMOJI = {"CRITICAL": ":rotating_light:", "ERROR": ":red_circle:", "WARNING": ":warning:", "INFO": ":information_source:"}

RECOVERED = ":white_check_mark:"

# Slack refuses a section of more than 3,000 characters, and a message of more than 10 fields.
SECTION_CHARACTERS = 2900

Block = dict[str, Any]


def alert_blocks(alert: Alert, timeline: Timeline) -> list[Block]:
    """The thread's first message, as it stands now."""
    return [
        _section(_headline(alert, timeline), escape(alert.detail)),
        *_fields({**({"Date": alert.game_date} if alert.game_date else {}), **alert.facts}),
        _section(
            f"*Done:* {escape(alert.done)}",
            f"*Next step:* {escape(alert.next_step)}" if timeline.recovery is None else "",
            f"```{escape(alert.command)}```" if alert.command and timeline.recovery is None else "",
        ),
        _context(alert, timeline),
    ]


def repeat_blocks(alert: Alert, timeline: Timeline) -> list[Block]:
    """A reply that says it was seen again: whole for a digest, else what is new."""
    if alert.digest:
        return alert_blocks(alert, timeline)
    return [_section(f"Seen again, {timeline.seen} times in {duration(timeline.open_s)}.", escape(alert.detail)), _context(alert, Timeline())]


def escalation_blocks(alert: Alert, timeline: Timeline, mention: str) -> list[Block]:
    """A message that it lasts too long; ``mention`` is Slack markup of who is called, such as <!here>."""
    return [
        _section(f"{EMOJI['CRITICAL']} *Still open after {duration(timeline.open_s)}: {escape(alert.title)}* {mention}".rstrip()),
        _section(f"*Next step:* {escape(alert.next_step)}", f"```{escape(alert.command)}```" if alert.command else ""),
        _context(alert, timeline),
    ]


def resolution_blocks(alert: Alert, timeline: Timeline) -> list[Block]:
    """A reply that says it is right again."""
    return [
        _section(f"{RECOVERED} *RECOVERED after {duration(timeline.open_s)}: {escape(alert.title)}*", f"*Done:* {escape(timeline.recovery or '')}"),
        _context(alert, Timeline()),
    ]


def _headline(alert: Alert, timeline: Timeline) -> str:
    if timeline.recovery is not None:
        return f"{RECOVERED} *RECOVERED: {escape(alert.title)}*\nAfter {duration(timeline.open_s)}. {escape(timeline.recovery)}"
    return f"{EMOJI[alert.severity]} *{alert.severity}: {escape(alert.title)}*"


def _fields(facts: Mapping[str, str]) -> list[Block]:
    if not facts:
        return []
    shown = [{"type": "mrkdwn", "text": f"*{escape(name)}*\n{escape(value)}"} for name, value in list(facts.items())[:10]]
    return [{"type": "section", "fields": shown}]


def _section(*lines: str) -> Block:
    text = "\n".join(line for line in lines if line)
    return {"type": "section", "text": {"type": "mrkdwn", "text": text if len(text) <= SECTION_CHARACTERS else text[: SECTION_CHARACTERS - 1] + "…"}}


def _context(alert: Alert, timeline: Timeline) -> Block:
    run = alert.run
    told = [f"<{run.url}|Run {escape(run.run_id)} of {run.dag_id}>", f"<{run.runbook_url}#{alert.kind}|Runbook>"]
    if timeline.seen > 1:
        told.append(f"seen {timeline.seen} times")
    if timeline.escalated:
        told.append("escalated")
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(told)}]}


def escape(text: str) -> str:
    """Text in which nothing is Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
