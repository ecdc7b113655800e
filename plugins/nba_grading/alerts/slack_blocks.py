"""Alerts as Slack's Block Kit blocks, built by pure functions. Text from outside is escaped, and Slack adds no links to it (verbatim)."""

from __future__ import annotations

from typing import Any

from slack_sdk.models.blocks import ContextBlock, MarkdownTextObject, SectionBlock

from nba_grading.alerts.model import Alert, Timeline, duration, shorten

EMOJI = {"CRITICAL": ":rotating_light:", "ERROR": ":red_circle:", "WARNING": ":warning:", "INFO": ":information_source:"}
RESOLVED = ":white_check_mark: *RESOLVED"

Block = dict[str, Any]


def alert_blocks(alert: Alert, timeline: Timeline) -> list[Block]:
    """The thread's first message, in its current state."""
    title, is_open = escape(alert.title), timeline.resolution is None
    headline = (
        f"{EMOJI[alert.severity]} *{alert.severity}: {title}*"
        if is_open
        else f"{RESOLVED}: {title}*\nAfter {duration(timeline.open_s)}. {escape(timeline.resolution or '')}"
    )
    return [
        _section(headline, escape(alert.detail)),
        *_fields(alert),
        _section(f"*Impact:* {escape(alert.impact)}", *(_next_step(alert) if is_open else ())),
        _context(alert, timeline),
    ]


def repeat_blocks(alert: Alert, timeline: Timeline) -> list[Block]:
    """A reply about further occurrences: the whole alert for a digest, else its new detail."""
    if alert.digest:
        return alert_blocks(alert, timeline)
    counted = f"Occurred again, {timeline.occurrences} times in {duration(timeline.open_s)}."
    return [_section(counted, escape(alert.detail)), _context(alert, Timeline())]


def escalation_blocks(alert: Alert, timeline: Timeline, mention: str) -> list[Block]:
    """A message that an incident has been open for too long; ``mention`` is Slack markup of who is called, such as <!here>."""
    headline = f"{EMOJI['CRITICAL']} *Still open after {duration(timeline.open_s)}: {escape(alert.title)}* {mention}".rstrip()
    return [_section(headline), _section(*_next_step(alert)), _context(alert, timeline)]


def resolution_blocks(alert: Alert, timeline: Timeline) -> list[Block]:
    """A reply that the incident is resolved."""
    headline = f"{RESOLVED} after {duration(timeline.open_s)}: {escape(alert.title)}*"
    return [_section(headline, escape(timeline.resolution or "")), _context(alert, Timeline())]


def escape(text: str) -> str:
    """Text in which nothing is Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _next_step(alert: Alert) -> tuple[str, ...]:
    return (f"*Next step:* {escape(alert.next_step)}", f"```{escape(alert.command)}```" if alert.command else "")


def _fields(alert: Alert) -> list[Block]:
    facts = {**({"Date": alert.game_date} if alert.game_date else {}), **alert.facts}
    shown = [_markdown(f"*{escape(name)}*\n{escape(shorten(value))}") for name, value in facts.items()]
    return [SectionBlock(fields=shown[: SectionBlock.fields_max_length]).to_dict()] if shown else []


def _section(*lines: str) -> Block:
    text, limit = "\n".join(line for line in lines if line), SectionBlock.text_max_length
    return SectionBlock(text=_markdown(text if len(text) <= limit else text[: limit - 1] + "…")).to_dict()


def _context(alert: Alert, timeline: Timeline) -> Block:
    run = alert.run
    parts = [f"<{run.url}|Run {escape(run.run_id)} of {run.dag_id}>", f"<{run.runbook_url}#{alert.kind}|Runbook>"]
    if timeline.occurrences > 1:
        parts.append(f"occurred {timeline.occurrences} times")
    if timeline.escalated:
        parts.append("escalated")
    return ContextBlock(elements=[_markdown(" · ".join(parts))]).to_dict()


def _markdown(text: str) -> MarkdownTextObject:
    return MarkdownTextObject(text=text, verbatim=True)
