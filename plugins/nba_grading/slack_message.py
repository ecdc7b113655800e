"""What an alert is, and how Slack shows it: Block Kit blocks, built by pure functions.

An alert says which date, the figure against its threshold, what was done, the next step and its command, and links to the run and
the runbook. ``docs/alerts.md`` shows every one, rendered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

Severity = Literal["CRITICAL", "ERROR", "WARNING", "INFO"]
SEVERITIES: tuple[Severity, ...] = ("INFO", "WARNING", "ERROR", "CRITICAL")
EMOJI = {"CRITICAL": ":rotating_light:", "ERROR": ":red_circle:", "WARNING": ":warning:", "INFO": ":information_source:"}
RECOVERED = ":white_check_mark:"
DETAIL_CHARACTERS = 600
# Slack refuses a section of more than 3,000 characters, and a message of more than 10 fields.
SECTION_CHARACTERS = 2900

Block = dict[str, Any]


@dataclass(frozen=True)
class RunLink:
    """What an alert says about the run it comes from; ``runbook_url`` is the page, to which each alert adds its anchor."""

    dag_id: str
    run_id: str
    url: str
    runbook_url: str


@dataclass(frozen=True)
class Alert:
    """One finding. ``kind`` is the runbook's anchor, and ``subject`` what it is about: the two name the condition, and so the thread.

    ``facts`` are shown as fields: the date, a figure, its threshold. ``command`` is what the next step types. ``digest``: each
    repeat is a message of its own day, shown in the channel too.
    """

    kind: str
    severity: Severity
    subject: str
    title: str
    detail: str
    done: str
    next_step: str
    run: RunLink
    game_date: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    command: str | None = None
    digest: bool = False

    @property
    def name(self) -> str:
        """The condition's name."""
        return condition_name(self.kind, self.subject)

    @property
    def text(self) -> str:
        """One line for notifications and logs."""
        return f"{self.severity}: {self.title}. {self.next_step}"

    def to_json(self) -> str:
        """The alert as the conditions table keeps it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The alert of ``to_json``."""
        values = json.loads(text)
        return cls(**{**values, "run": RunLink(**values["run"])})


def condition_name(kind: str, *subject: str) -> str:
    """``kind/subject``, the name of a condition; ``kind`` alone for what there is but one of."""
    return "/".join(part for part in [kind, *subject] if part)


@dataclass(frozen=True)
class Course:
    """What became of an alert since it was first seen: times seen, for how long it is open or was, escalated, recovered by what."""

    seen: int = 1
    open_s: float = 0
    escalated: bool = False
    recovery: str | None = None


def alert_blocks(alert: Alert, course: Course) -> list[Block]:
    """The thread's first message, as it stands now."""
    return [
        _section(_headline(alert, course), escape(alert.detail)),
        *_fields({**({"Date": alert.game_date} if alert.game_date else {}), **alert.facts}),
        _section(
            f"*Done:* {escape(alert.done)}",
            f"*Next step:* {escape(alert.next_step)}" if course.recovery is None else "",
            f"```{escape(alert.command)}```" if alert.command and course.recovery is None else "",
        ),
        _context(alert, course),
    ]


def repeat_blocks(alert: Alert, course: Course) -> list[Block]:
    """A reply that says it was seen again: whole for a digest, else what is new."""
    if alert.digest:
        return alert_blocks(alert, course)
    return [_section(f"Seen again, {course.seen} times in {duration(course.open_s)}.", escape(alert.detail)), _context(alert, Course())]


def escalation_blocks(alert: Alert, course: Course, mention: str) -> list[Block]:
    """A message that it lasts too long; ``mention`` is Slack markup of who is called, such as <!here>."""
    return [
        _section(f"{EMOJI['CRITICAL']} *Still open after {duration(course.open_s)}: {escape(alert.title)}* {mention}".rstrip()),
        _section(f"*Next step:* {escape(alert.next_step)}", f"```{escape(alert.command)}```" if alert.command else ""),
        _context(alert, course),
    ]


def recovery_blocks(alert: Alert, course: Course) -> list[Block]:
    """A reply that says it is right again."""
    return [
        _section(f"{RECOVERED} *RECOVERED after {duration(course.open_s)}: {escape(alert.title)}*", f"*Done:* {escape(course.recovery or '')}"),
        _context(alert, Course()),
    ]


def _headline(alert: Alert, course: Course) -> str:
    if course.recovery is not None:
        return f"{RECOVERED} *RECOVERED: {escape(alert.title)}*\nAfter {duration(course.open_s)}. {escape(course.recovery)}"
    return f"{EMOJI[alert.severity]} *{alert.severity}: {escape(alert.title)}*"


def _fields(facts: Mapping[str, str]) -> list[Block]:
    if not facts:
        return []
    shown = [{"type": "mrkdwn", "text": f"*{escape(name)}*\n{escape(value)}"} for name, value in list(facts.items())[:10]]
    return [{"type": "section", "fields": shown}]


def _section(*lines: str) -> Block:
    text = "\n".join(line for line in lines if line)
    return {"type": "section", "text": {"type": "mrkdwn", "text": text if len(text) <= SECTION_CHARACTERS else text[: SECTION_CHARACTERS - 1] + "…"}}


def _context(alert: Alert, course: Course) -> Block:
    run = alert.run
    told = [f"<{run.url}|Run {escape(run.run_id)} of {run.dag_id}>", f"<{run.runbook_url}#{alert.kind}|Runbook>"]
    if course.seen > 1:
        told.append(f"seen {course.seen} times")
    if course.escalated:
        told.append("escalated")
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(told)}]}


def shorten(text: str) -> str:
    """At most 600 characters of a text."""
    return text if len(text) <= DETAIL_CHARACTERS else text[: DETAIL_CHARACTERS - 1] + "…"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def escape(text: str) -> str:
    """Text in which nothing is Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
