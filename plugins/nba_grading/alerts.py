"""Slack messages, built by pure functions: which date, the numbers, what was done, the next step, links to run and runbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from nba_grading.validation import Finding

Severity = Literal["CRITICAL", "ERROR", "WARNING"]
EMOJI = {"CRITICAL": ":rotating_light:", "ERROR": ":red_circle:", "WARNING": ":warning:"}
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
    """One message. ``kind`` is the runbook's anchor."""

    kind: str
    severity: Severity
    title: str
    detail: str
    done: str
    next_step: str
    run: RunLink

    @property
    def text(self) -> str:
        """One line for notifications and logs."""
        return f"{self.severity}: {self.title}. {self.next_step}"

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """Block Kit blocks."""
        lines = [
            f"{EMOJI[self.severity]} *{self.severity}: {_escape(self.title)}*",
            _escape(self.detail),
            f"*Done:* {_escape(self.done)}",
            f"*Next step:* {_escape(self.next_step)}",
            f"<{self.run.url}|Run {_escape(self.run.run_id)} of {self.run.dag_id}> · <{self.run.runbook_url}#{self.kind}|Runbook>",
        ]
        return [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(line for line in lines if line)}}]


def task_failed(run: RunLink, *, game_date: date | str | None, task_id: str, tries: int, error: str) -> Alert:
    """A task of a guarded run failed for good."""
    return Alert(
        kind="task-failed",
        severity="ERROR",
        title=f"{run.dag_id} failed for {game_date or 'an unknown date'}",
        detail=f"Task {task_id}, try {tries}: {_shorten(error)}",
        done="Nothing was published by this task; the date holds what it held before, or a complete write.",
        next_step=f"Read the error, mend its cause, then clear task {task_id} of the run: running it again is safe.",
        run=run,
    )


def waited_too_long(run: RunLink, *, game_date: date | str | None, waited_s: float, held_by: str) -> Alert:
    """A run gave up waiting for the lease."""
    return Alert(
        kind="waited-too-long",
        severity="ERROR",
        title=f"{run.dag_id} waited {waited_s:.0f} s for the lease of {game_date} and gave up",
        detail=_shorten(held_by),
        done="Nothing was written by this run.",
        next_step="Look at the holder's run: if it works, its grades are as good as this run's would be. If it is dead, the lease "
        "expires by itself; then clear task grade of this run.",
        run=run,
    )


def wrote_without_lease(run: RunLink, *, game_date: date | str, reason: str) -> Alert:
    """A run went on without its lease because the lease store did not answer."""
    return Alert(
        kind="wrote-without-lease",
        severity="CRITICAL",
        title=f"{run.dag_id} writes {game_date} without a lease",
        detail=f"The lease store did not answer: {_shorten(reason)}",
        done="The write goes on behind its fence: it cannot double the date, but two runs may waste each other's work.",
        next_step="Bring the lease store back (Firestore's status, network, permissions), and hold back further backfills until then.",
        run=run,
    )


def findings_after_write(run: RunLink, *, game_date: date | str, findings: Sequence[Finding], counts: str) -> Alert:
    """The validation after a write found something."""
    worst: Severity = "ERROR" if any(finding.severity == "fail" for finding in findings) else "WARNING"
    sentences = [f"• {finding.check}: {finding.sentence}" for finding in findings]
    shown = [_key(row) for finding in findings if finding.check == "duplicate_keys" for row in finding.rows]
    if shown:
        sentences.append("First keys: " + "; ".join(shown[:5]) + (f" … {len(shown)} in grading_duplicate_audit" if len(shown) > 5 else ""))
    duplicates = any(finding.check == "duplicate_keys" for finding in findings)
    return Alert(
        kind="duplicates-found" if duplicates else "findings-after-write",
        severity=worst,
        title=f"{len(findings)} finding(s) on {game_date} after {run.dag_id}",
        detail="\n".join(sentences),
        done=f"The date was written ({counts})" + (" and the duplicate keys are in grading_duplicate_audit." if duplicates else "."),
        next_step=(
            f"Find the writer outside the guard (grading_run_id of the surplus rows), then grade {game_date} again: "
            "the new write replaces the whole date."
            if duplicates
            else f"Look at the figures, then grade {game_date} again once the cause is mended."
        ),
        run=run,
    )


def _key(row: dict[str, Any]) -> str:
    line = "no line" if row["line_value"] is None else row["line_value"]
    return f"{row['player_lookup']}, {row['game_id']}, {row['system_id']}, {line}: {row['occurrences']} rows"


def _shorten(text: str) -> str:
    return text if len(text) <= DETAIL_CHARACTERS else text[: DETAIL_CHARACTERS - 1] + "…"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
