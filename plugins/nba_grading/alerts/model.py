"""What an alert is, and how Slack shows it: Block Kit blocks, built by pure functions.

An alert says which date, the figure against its threshold, what was done, the next step and its command, and links to the run and
the runbook. ``docs/alerts.md`` shows every one, rendered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

from nba_grading.settings import Severity

if TYPE_CHECKING:
    from nba_grading.settings import Severity


@dataclass(frozen=True)
class Thread:
    """Where a message stands: the channel's id and the message's timestamp, which is its name for replies and edits."""

    channel: str
    ts: str


DETAIL_CHARACTERS = 600


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
        return incident_name(self.kind, self.subject)

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


def incident_name(kind: str, *subject: str) -> str:
    """``kind/subject``, the name of a condition; ``kind`` alone for what there is but one of."""
    return "/".join(part for part in [kind, *subject] if part)


@dataclass(frozen=True)
class Timeline:
    """What became of an alert since it was first seen: times seen, for how long it is open or was, escalated, recovered by what."""

    seen: int = 1
    open_s: float = 0
    escalated: bool = False
    recovery: str | None = None


def shorten(text: str) -> str:
    """At most 600 characters of a text."""
    return text if len(text) <= DETAIL_CHARACTERS else text[: DETAIL_CHARACTERS - 1] + "…"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
