"""An alert: the date, the value against its threshold, the impact, the next step and its command, and links to the run and the runbook.

``docs/alerts.md`` shows every alert as Slack renders it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from nba_grading.settings import Severity

DETAIL_CHARACTERS = 600


@dataclass(frozen=True)
class Thread:
    """A Slack message, to which replies and edits refer: the channel's id and the message's timestamp."""

    channel: str
    ts: str


@dataclass(frozen=True)
class RunLink:
    """The run that an alert comes from; ``runbook_url`` is the page to which each alert adds its anchor."""

    dag_id: str
    run_id: str
    url: str
    runbook_url: str


@dataclass(frozen=True)
class Alert:
    """A failure, finding or event. ``kind`` is its heading in the runbook; kind and ``subject`` name its incident, and so its thread.

    ``facts`` are shown as fields: a value, its threshold. ``command`` is the command line, or the SQL, of the next step. Every repeat of a
    ``digest`` is shown in full, and in the channel too.
    """

    kind: str
    severity: Severity
    subject: str
    title: str
    detail: str
    impact: str
    next_step: str
    run: RunLink
    game_date: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    command: str | None = None
    digest: bool = False

    @property
    def name(self) -> str:
        """The incident's name."""
        return incident_name(self.kind, self.subject)

    @property
    def text(self) -> str:
        """One line for notifications and logs."""
        return f"{self.severity}: {self.title}. {self.next_step}"

    def to_json(self) -> str:
        """The alert as the incidents table stores it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The alert of ``to_json``."""
        values = json.loads(text)
        return cls(**{**values, "run": RunLink(**values["run"])})


def incident_name(*parts: str) -> str:
    """The name of an incident, ``kind/subject``, or of its subject; empty parts are left out."""
    return "/".join(part for part in parts if part)


@dataclass(frozen=True)
class Timeline:
    """An incident's course: its occurrences, for how many seconds it has been or was open, whether it was escalated, what resolved it."""

    occurrences: int = 1
    open_s: float = 0
    escalated: bool = False
    resolution: str | None = None


def shorten(text: str) -> str:
    """At most 600 characters of a text."""
    return text if len(text) <= DETAIL_CHARACTERS else text[: DETAIL_CHARACTERS - 1] + "…"


def duration(seconds: float) -> str:
    """Seconds for people to read: 90 s, 12 minutes, 2.5 hours."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
