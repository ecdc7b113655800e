"""Slack messages, built by pure functions: which date, the numbers, what was done, the next step, links to run and runbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from nba_grading.validation import Finding

Severity = Literal["CRITICAL", "ERROR", "WARNING", "RECOVERED", "INFO"]
EMOJI = {
    "CRITICAL": ":rotating_light:",
    "ERROR": ":red_circle:",
    "WARNING": ":warning:",
    "RECOVERED": ":white_check_mark:",
    "INFO": ":information_source:",
}
DETAIL_CHARACTERS = 600
SHOWN_FINDINGS = 8


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
        next_step="Look at the holder's run: if it works, its result is as good as this run's would be, unless this run had a batch of its own. "
        "If it is dead, the lease expires by itself. Then clear the failed task of this run.",
        run=run,
    )


def lease_store_down(run: RunLink, *, reason: str, policy: str) -> Alert:
    """The lease store does not answer; told once, until it does again."""
    return Alert(
        kind="lease-store-down",
        severity="CRITICAL",
        title=f"The lease store does not answer: {'runs write without a lease' if policy == 'degrade' else 'runs fail'}",
        detail=_shorten(reason),
        done=(
            "Writes go on behind their fence: they cannot double a date, but two runs of one may waste each other's work."
            if policy == "degrade"
            else "Nothing is written meanwhile, as LEASE_ON_UNAVAILABLE is fail."
        )
        + " This is told once, and once more when the store is back.",
        next_step="Bring the lease store back (Firestore's status, network, permissions), and hold back further backfills until then.",
        run=run,
    )


def lease_store_back(run: RunLink, *, down_s: float) -> Alert:
    """The lease store answers again."""
    return Alert(
        kind="lease-store-down",
        severity="RECOVERED",
        title=f"The lease store answers again, after {_duration(down_s)}",
        detail="",
        done="Runs are leased again. grading_runs names those that were not (leased = FALSE).",
        next_step="None, unless runs failed meanwhile: those can be run again.",
        run=run,
    )


def lease_switched_off(run: RunLink, *, game_date: date | str, reason: str) -> Alert:
    """A run wrote without a lease because somebody wanted it so."""
    return Alert(
        kind="lease-switched-off",
        severity="CRITICAL",
        title=f"{run.dag_id} writes {game_date} without a lease, as that is switched off",
        detail=f"Why: {_shorten(reason)}.",
        done="The write goes on behind its fence: it cannot double the date, but two runs may waste each other's work.",
        next_step="Once the emergency is over, switch leases on again: GRADING_USE_LEASE, and no use_lease in the run's parameters.",
        run=run,
    )


def lease_stuck(run: RunLink, *, lease: str, holder: str, silent_s: float, removed: bool) -> Alert:
    """A lease whose holder has been silent for long; its run died, most likely."""
    return Alert(
        kind="lease-stuck",
        severity="WARNING",
        title=f"The lease {lease} is not renewed since {_duration(silent_s)}" + (", and was removed" if removed else ""),
        detail=f"Held by {_shorten(holder)}",
        done="Its holder's process died or hangs; no other run of the date has come since. "
        + ("The lease is gone." if removed else "It is removed once it is three times as old as it may be; the next run of the date takes it over."),
        next_step="Look whether the date is graded, and run it (again) if it is not.",
        run=run,
    )


def lease_long_held(run: RunLink, *, lease: str, holder: str, held_s: float) -> Alert:
    """A lease that is renewed, but held for very long."""
    return Alert(
        kind="lease-held-long",
        severity="WARNING",
        title=f"The lease {lease} is held since {_duration(held_s)}, and renewed",
        detail=f"Held by {_shorten(holder)}",
        done="Nothing: its holder is alive, and is never interrupted.",
        next_step="Open the holder's run. If it hangs, mark its task failed: that releases the lease.",
        run=run,
    )


def lease_no_longer_stuck(run: RunLink, *, lease: str, since_s: float) -> Alert:
    """A lease that was told as stuck or long held is gone, or renewed again."""
    return Alert(
        kind="lease-stuck",
        severity="RECOVERED",
        title=f"The lease {lease} is stuck no longer, after {_duration(since_s)}",
        detail="",
        done="It was given back, taken over, removed, or is renewed again.",
        next_step="None.",
        run=run,
    )


def lease_released_by_hand(run: RunLink, *, lease: str, holder: str, silent_s: float) -> Alert:
    """Somebody released a lease by its holder's id."""
    return Alert(
        kind="lease-stuck",
        severity="WARNING",
        title=f"The lease {lease} was released by hand",
        detail=f"It was held by {_shorten(holder)}, and renewed {silent_s:.0f} s ago.",
        done="The lease is gone. If its holder still runs, it stops at its next step, and the fence refuses what it might write late.",
        next_step="Run the date again if it is not graded.",
        run=run,
    )


def breaker_opened(run: RunLink, *, operation: str, failures: int, pause_s: float, error: str) -> Alert:
    """Runs of an operation failed one after the other."""
    return Alert(
        kind="breaker-opened",
        severity="ERROR",
        title=f"{failures} runs of {operation} failed in a row: its circuit breaker is open",
        detail=f"The last one: {_shorten(error)}",
        done=f"Further runs are refused at once, without another message. Every {_duration(pause_s)} one may try, and its success closes it.",
        next_step="Mend the cause, then trigger one date with override_breaker; refused dates can be run again after that.",
        run=run,
    )


def breaker_closed(run: RunLink, *, operation: str, open_s: float) -> Alert:
    """A run of an operation whose breaker was open has succeeded."""
    return Alert(
        kind="breaker-opened",
        severity="RECOVERED",
        title=f"The circuit breaker of {operation} is closed again, after {_duration(open_s)}",
        detail="",
        done="A run succeeded, and runs pass again.",
        next_step="Run the dates that were refused meanwhile: `SELECT game_date FROM nba_predictions.grading_runs WHERE outcome = 'refused'`.",
        run=run,
    )


def findings_after_write(run: RunLink, *, game_date: date | str, findings: Sequence[Finding], counts: str) -> Alert:
    """The validation after a write found something."""
    duplicates = any(finding.check == "duplicate_keys" for finding in findings)
    return Alert(
        kind="duplicates-found" if duplicates else "findings-after-write",
        severity=_worst(findings),
        title=f"{len(findings)} finding(s) on {game_date} after {run.dag_id}",
        detail=_sentences(findings),
        done=f"The date was written ({counts})" + (" and the duplicate keys are in grading_duplicate_audit." if duplicates else "."),
        next_step=(
            f"Find the writer outside the guard (grading_run_id of the surplus rows), then grade {game_date} again: "
            "the new write replaces the whole date."
            if duplicates
            else f"Look at the figures, then grade {game_date} again once the cause is mended."
        ),
        run=run,
    )


def duplicates_removed(run: RunLink, *, table: str, dates: Sequence[str], removed: int, backup: str) -> Alert:
    """A repair has removed duplicate keys."""
    return Alert(
        kind="duplicates-found",
        severity="RECOVERED",
        title=f"{removed} duplicate rows of {table} were removed on {len(dates)} date(s)",
        detail="Dates: " + _shorten(", ".join(dates)),
        done=f"The earliest row of each key was kept; the table as it was is in nba_predictions.{backup}.",
        next_step="None. To take it back: restore_from_backup with that backup.",
        run=run,
    )


def dates_to_heal(run: RunLink, *, regraded: Sequence[str], listed: Sequence[str]) -> Alert:
    """Dates were found ungraded, or graded before their box score was corrected."""
    return Alert(
        kind="dates-to-heal",
        severity="WARNING",
        title=f"{len(regraded) + len(listed)} date(s) were ungraded, or graded before a correction of their box score",
        detail="\n".join([*(f"• {each}" for each in regraded), *(f"• {each}; not yet" for each in listed)])[:DETAIL_CHARACTERS],
        done=f"{len(regraded)} of them are being graded again, oldest first, by runs of grade_predictions.",
        next_step=(
            f"Wait for those; the other {len(listed)} follow on the next days, or run them now with make backfill and REGRADE=1."
            if listed
            else "Wait for their runs. A date that comes back tomorrow has a cause of its own: read its run."
        ),
        run=run,
    )


def findings_after_consolidation(run: RunLink, *, game_date: date | str, findings: Sequence[Finding], counts: str) -> Alert:
    """The check after a consolidation found duplicate keys, or staging tables that had to stay."""
    steps = {
        "duplicate_keys": "Find the writer outside the guard in BigQuery's job history. The next consolidation of the date collapses them.",
        "staging_kept": "Trigger the same batch again for the tables that stayed.",
    }
    found = {finding.check for finding in findings}
    return Alert(
        kind="consolidation-findings",
        severity=_worst(findings),
        title=f"{len(findings)} finding(s) on {game_date} after {run.dag_id}",
        detail=_sentences(findings),
        done=f"The batch was merged ({counts})" + (" and the duplicate keys are in grading_duplicate_audit." if "duplicate_keys" in found else "."),
        next_step=" ".join(step for check, step in steps.items() if check in found),
        run=run,
    )


def _worst(findings: Sequence[Finding]) -> Severity:
    return "ERROR" if any(finding.severity == "fail" for finding in findings) else "WARNING"


def _sentences(findings: Sequence[Finding]) -> str:
    sentences = [f"• {finding.check}: {finding.sentence}" for finding in findings[:SHOWN_FINDINGS]]
    if len(findings) > SHOWN_FINDINGS:
        sentences.append(f"• and {len(findings) - SHOWN_FINDINGS} more: see the log of the run")
    shown = [_key(row) for finding in findings if finding.check == "duplicate_keys" for row in finding.rows]
    if shown:
        sentences.append("First keys: " + "; ".join(shown[:5]) + (f" … {len(shown)} in grading_duplicate_audit" if len(shown) > 5 else ""))
    return "\n".join(sentences)


def _key(row: dict[str, Any]) -> str:
    line = "no line" if row["line_value"] is None else row["line_value"]
    return f"{row['player_lookup']}, {row['game_id']}, {row['system_id']}, {line}: {row['occurrences']} rows"


def _shorten(text: str) -> str:
    return text if len(text) <= DETAIL_CHARACTERS else text[: DETAIL_CHARACTERS - 1] + "…"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
