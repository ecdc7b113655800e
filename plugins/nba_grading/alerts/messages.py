"""The text of each alert, built by pure functions, one for each kind: docs/alerts.md shows them all.

An alert names the date, the value against its threshold, the impact, the next step and the command for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from nba_grading.alerts.model import Alert, RunLink, duration, incident_name, shorten

if TYPE_CHECKING:
    from nba_grading.alerts.incidents import Incident
    from nba_grading.quality.after_write import Finding
    from nba_grading.quality.daily_checks import Result
    from nba_grading.warehouse.tables import Table

TASK_FAILED = "task-failed"
WAITED_TOO_LONG = "waited-too-long"
LEASE_SWITCHED_OFF = "lease-switched-off"
LEASE_STORE_DOWN = "lease-store-down"
LEASE_STUCK = "lease-stuck"
LEASE_HELD_LONG = "lease-held-long"
BREAKER_OPENED = "breaker-opened"
DUPLICATES_FOUND = "duplicates-found"
FINDINGS_AFTER_WRITE = "findings-after-write"
CONSOLIDATION_FINDINGS = "consolidation-findings"
DATES_TO_HEAL = "dates-to-heal"
REQUEST_REFUSED = "request-refused"
DATA_QUALITY = "data-quality"
UNLEASED = "The fence still keeps a date from being written twice, but two runs of one date may waste each other's work."
SHOWN_FINDINGS = 8
SHOWN_KEYS = 5

Day = date | str


def task_failed(run: RunLink, *, scope: str, task_id: str, game_date: Day | None, tries: int, error: str) -> Alert:
    """A task failed for good. ``scope`` is what identifies the work of the run: its date, batch or range (``params.run_scope``)."""
    step = f"Then clear task {task_id} of the run, or trigger the run again; rerunning is safe."
    command = _grade(run, game_date)
    if run.dag_id == "backfill_grades" and ".." in scope:
        first, last = scope.split("..")
        step, command = "Then run the range again: it grades only the dates that are left.", f"make backfill FROM={first} TO={last}"
    return Alert(
        kind=TASK_FAILED,
        severity="ERROR",
        subject=incident_name(run.dag_id, scope, task_id),
        title=f"{run.dag_id} failed" + (f" for {scope.replace('/', ', ')}" if scope else ""),
        detail=f"Task {task_id}, try {tries}: {shorten(error)}",
        impact="This task published nothing; the date holds what it held before, or one complete write.",
        next_step=f"Read the error and fix the cause. {step}",
        run=run,
        game_date=_day(game_date),
        command=command,
    )


def waited_too_long(run: RunLink, *, scope: str, task_id: str, game_date: Day | None, waited_s: float, max_wait_s: float, held_by: str) -> Alert:
    """A run gave up waiting for the lease."""
    return Alert(
        kind=WAITED_TOO_LONG,
        severity="ERROR",
        subject=incident_name(run.dag_id, scope, task_id),
        title=f"{run.dag_id} waited {waited_s:.0f} s for the lease of {game_date or scope} and gave up",
        detail=shorten(held_by),
        impact="This run did not write the date.",
        next_step="Open the holder's run. If it makes progress, its result is as good as this run's, unless this run has a batch of its own. "
        "If it is dead, the lease expires automatically. Then clear the failed task of this run.",
        run=run,
        game_date=_day(game_date),
        facts={"Waited": f"{waited_s:.0f} s", "Allowed": f"{max_wait_s:g} s"},
        command=_grade(run, game_date),
    )


def lease_store_down(run: RunLink, *, reason: str, policy: str) -> Alert:
    """The lease store does not answer; ``policy`` is LEASE_ON_UNAVAILABLE."""
    degrades = policy == "degrade"
    return Alert(
        kind=LEASE_STORE_DOWN,
        severity="CRITICAL",
        subject="",
        title=f"The lease store does not answer: runs {'write without a lease' if degrades else 'fail'}",
        detail=shorten(reason),
        impact=UNLEASED if degrades else "Nothing is written until it answers, as LEASE_ON_UNAVAILABLE is fail.",
        next_step="Restore the lease store (check Firestore's status, the network and permissions), and start no backfill until then.",
        run=run,
        facts={"LEASE_ON_UNAVAILABLE": policy},
    )


def lease_switched_off(run: RunLink, *, scope: str, task_id: str, game_date: Day, reason: str) -> Alert:
    """A run writes ``game_date`` without a lease because leases are switched off."""
    return Alert(
        kind=LEASE_SWITCHED_OFF,
        severity="CRITICAL",
        subject=incident_name(run.dag_id, scope, task_id),
        title=f"{run.dag_id} writes {game_date} without a lease: leases are switched off",
        detail=f"Reason: {shorten(reason)}.",
        impact=UNLEASED,
        next_step="After the emergency, switch leases on again: GRADING_USE_LEASE, and no use_lease in the run's parameters. "
        "The next leased run of the same work resolves this.",
        run=run,
        game_date=_day(game_date),
        command=_grade(run, game_date, again=True),
    )


def lease_stuck(run: RunLink, *, lease: str, holder_id: str, holder: str, silent_s: float, limit_s: float, is_removed: bool = False) -> Alert:
    """A lease that its holder has not renewed for long; its run probably died. ``is_removed``: this sweep has removed it."""
    return Alert(
        kind=LEASE_STUCK,
        severity="WARNING",
        subject=f"{lease}/{holder_id}",
        title=f"The lease {lease} has not been renewed for {duration(silent_s)}",
        detail=f"Held by {shorten(holder)}",
        impact="Its holder's process died or hangs, and no other run of the date has taken it over. "
        + (
            "It was silent for three times its duration, so it is removed now."
            if is_removed
            else "The next run of the date takes it over; otherwise it is removed after three times its duration."
        ),
        next_step="Check whether the date is graded, and run it if it is not."
        + ("" if is_removed else " To remove the lease now, release it by its holder's id."),
        run=run,
        game_date=_date_of(lease),
        facts={"Not renewed for": duration(silent_s), "Reported after": duration(limit_s)},
        command=None if is_removed else _trigger("release_stuck_leases", holder_id=holder_id),
    )


def lease_long_held(
    run: RunLink, *, lease: str, holder_id: str, holder: str, held_s: float, limit_s: float, inflight_job: str | None = None
) -> Alert:
    """A lease that is renewed, but has been held for very long. ``inflight_job`` is the last query job that its holder recorded."""
    return Alert(
        kind=LEASE_HELD_LONG,
        severity="WARNING",
        subject=f"{lease}/{holder_id}",
        title=f"The lease {lease} has been held for {duration(held_s)} and is still renewing",
        detail=f"Held by {shorten(holder)}",
        impact="Other runs of the date wait. The holder is alive, so it is not interrupted.",
        next_step="Open the holder's run. If it hangs, mark its task failed: that releases the lease.",
        run=run,
        game_date=_date_of(lease),
        facts={"Held": duration(held_s), "Reported after": duration(limit_s), **({"Query job": inflight_job} if inflight_job else {})},
    )


def lease_removed(run: RunLink, *, lease: str, holder: str, silent_s: float, by_hand: bool) -> Alert:
    """A one-off event: a sweep removed a dead lease, or a person released one by its holder's id."""
    return Alert(
        kind=LEASE_STUCK,
        severity="WARNING" if by_hand else "INFO",
        subject=f"{lease}/{run.run_id}",
        title=f"The lease {lease} was {'released by hand' if by_hand else 'removed, as its holder is dead'}",
        detail=f"It was held by {shorten(holder)}, and last renewed {duration(silent_s)} ago.",
        impact="The lease is free. If its holder still runs, it stops at its next step, and the fence refuses a late write.",
        next_step="Check whether the date is graded, and run it if it is not.",
        run=run,
        game_date=_date_of(lease),
        command=_backfill(day) if lease.startswith("grading_") and (day := _date_of(lease)) else None,
    )


def breaker_opened(run: RunLink, *, operation: str, failures: int, limit: int, pause_s: float, error: str) -> Alert:
    """Runs of an operation failed one after another."""
    return Alert(
        kind=BREAKER_OPENED,
        severity="ERROR",
        subject=operation,
        title=f"{failures} runs of {operation} failed in a row: its circuit breaker is open",
        detail=shorten(error),
        impact=f"Further runs are refused at once, without a message. Every {duration(pause_s)} one may try, and its success closes the breaker.",
        next_step="Fix the cause of the last failure, then trigger one date with override_breaker. After its success, run the refused dates: "
        "SELECT game_date FROM nba_predictions.grading_runs "
        "WHERE started_at > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY) AND outcome = 'refused'.",
        run=run,
        facts={"Failures in a row": str(failures), "Threshold": str(limit)},
        command=_trigger("grade_predictions", game_date="<date>", override_breaker=True) if operation == "grading" else None,
    )


def findings_after_write(
    run: RunLink, *, table: Table, game_date: Day, findings: Sequence[Finding], counts: str, repaired_by: str | None = None
) -> Alert:
    """The validation after a write found something. ``repaired_by`` is the DAG that removes the duplicates automatically, if one does."""
    has_duplicates = any(finding.surplus_rows for finding in findings)
    kind, written = (DUPLICATES_FOUND if has_duplicates else FINDINGS_AFTER_WRITE), f"The date was written ({counts})"
    command = None if repaired_by else _backfill(game_date, again=True)
    return _findings(run, kind, table, game_date, findings, written, next_step=_next_step(game_date, has_duplicates, repaired_by), command=command)


def findings_after_consolidation(
    run: RunLink, *, table: Table, game_date: Day, findings: Sequence[Finding], counts: str, repaired_by: str | None = None
) -> Alert:
    """The check after a consolidation found duplicate keys, or staging tables that could not be dropped."""
    steps = {
        "duplicate_keys": "Find the job that inserted outside the guarded write, in BigQuery's job history. "
        + (f"{repaired_by} removes the duplicates now." if repaired_by else "The next consolidation of the date removes the duplicates."),
        "staging_kept": "Trigger the same batch again for the tables that were kept.",
    }
    found = {finding.check for finding in findings}
    next_step = " ".join(step for check, step in steps.items() if check in found)
    return _findings(run, CONSOLIDATION_FINDINGS, table, game_date, findings, f"The batch was merged ({counts})", next_step=next_step)


def duplicates_removed(run: RunLink, *, table: Table, dates: Sequence[str], removed: int, backup: str) -> Alert:
    """A one-off event: a repair removed duplicate keys."""
    return Alert(
        kind=DUPLICATES_FOUND,
        severity="INFO",
        subject=f"{table.name}/{run.run_id}",
        title=f"{removed} duplicate rows of {table.name} were removed on {len(dates)} date(s)",
        detail="Dates: " + shorten(", ".join(dates)),
        impact=f"The earliest row of each key was kept. The backup nba_predictions.{backup} holds the table as it was.",
        next_step="None. restore_from_backup undoes the repair.",
        run=run,
        facts={"Rows removed": str(removed), "Dates": str(len(dates))},
        command=_trigger("restore_from_backup", table=table.name, backup=backup, from_date=dates[0], to_date=dates[-1], dry_run=True),
    )


def dates_to_heal(run: RunLink, *, regraded: Sequence[str], listed: Sequence[str], limit: int) -> Alert:
    """Dates were found ungraded, or graded before their box score was corrected."""
    return Alert(
        kind=DATES_TO_HEAL,
        severity="WARNING",
        subject="",
        title=f"{len(regraded) + len(listed)} date(s) were ungraded, or graded before a correction of their box score",
        detail=shorten("\n".join([*(f"• {each}" for each in regraded), *(f"• {each}; not in this run" for each in listed)])),
        impact=f"A run of backfill_grades grades {len(regraded)} of them again.",
        next_step=(
            f"Wait for that run. The other {len(listed)} follow on the next days, or run them now."
            if listed
            else "Wait for that run. If a date is listed again tomorrow, read the log of the run."
        ),
        run=run,
        facts={"Found": str(len(regraded) + len(listed)), "Graded again a day": str(limit)},
        command=f"make backfill FROM={min(listed)[:10]} TO={max(listed)[:10]} REGRADE=1" if listed else None,
        digest=True,
    )


def request_refused(run: RunLink, *, message_id: str, text: str, reason: str, topic: str) -> Alert:
    """A message asked for a grading and named no date that can be graded."""
    return Alert(
        kind=REQUEST_REFUSED,
        severity="INFO",
        subject=message_id,
        title="A message asked for a grading that is impossible",
        detail=shorten(f"{reason}\nMessage {message_id}: {text}"),
        impact="Nothing was graded for it; other messages are not held up.",
        next_step=f"Correct what publishes it{f', then publish it again; it is kept in the topic {topic}' if topic else ', then publish it again'}.",
        run=run,
    )


def data_quality(run: RunLink, *, day: Day, off: Sequence[Result], checks: int, others: Sequence[Incident]) -> Alert:
    """The day's summary: each check that warned, failed or broke, and every other open incident, each with its next step."""
    counts = Counter(result.status for result in off)
    summary = ", ".join(f"{counts[status]} {status}" for status in ("broken", "failed", "warned") if counts[status])
    lines = [f"• {one.check.name} {one.status}: {one.summary}\n   → {_step(one.check.next_step, one.command)}" for one in off]
    lines += [f"• open for {duration(one.age_s)}: {one.alert.title}\n   → {_step(one.alert.next_step, one.alert.command)}" for one in others]
    return Alert(
        kind=DATA_QUALITY,
        severity="ERROR" if counts["broken"] or counts["failed"] else "WARNING",
        subject="",
        title=f"Data quality of {day}: {summary}" + (f"; {len(others)} more open" if others else ""),
        detail="\n".join(lines),
        impact=f"{checks} checks ran; all results are in data_quality_results.",
        next_step="Follow the step under each finding. The next run of the checks resolves this once all of them pass. To check now:",
        run=run,
        game_date=_day(day),
        facts={one.check.name: one.summary.partition(":")[0] for one in off[:8]},
        command=_trigger("check_data_quality", day=str(day)),
        digest=True,
    )


def task_incidents(dag_id: str, scope: str, task_ids: Iterable[str], *, leased: bool) -> list[str]:
    """The incidents that a success of these tasks resolves, for the same scope; ``leased``: it wrote with a lease, or may have."""
    kinds = [TASK_FAILED, WAITED_TOO_LONG, *([LEASE_SWITCHED_OFF] if leased else [])]
    return [incident_name(kind, dag_id, scope, task_id) for kind in kinds for task_id in task_ids]


def finding_incidents(table: Table, game_date: Day) -> list[str]:
    """Every incident that a validation of a table's date can open."""
    return [incident_name(kind, table.name, str(game_date)) for kind in (DUPLICATES_FOUND, FINDINGS_AFTER_WRITE, CONSOLIDATION_FINDINGS)]


def _findings(
    run: RunLink, kind: str, table: Table, game_date: Day, findings: Sequence[Finding], written: str, *, next_step: str, command: str | None = None
) -> Alert:
    surplus = sum(finding.surplus_rows for finding in findings)
    return Alert(
        kind=kind,
        severity="ERROR" if any(finding.severity == "fail" for finding in findings) else "WARNING",
        subject=f"{table.name}/{game_date}",
        title=f"{len(findings)} finding(s) on {game_date} after {run.dag_id}",
        detail=_sentences(findings),
        impact=written + (", and the duplicate keys are in grading_duplicate_audit." if surplus else "."),
        next_step=next_step,
        run=run,
        game_date=_day(game_date),
        facts={"Duplicate rows": str(surplus), "Threshold": "0"} if surplus else {},
        command=command,
    )


def _next_step(game_date: Day, has_duplicates: bool, repaired_by: str | None) -> str:
    if not has_duplicates:
        return f"Check the values and fix the cause, then grade {game_date} again."
    find = "Find the job that inserted outside the guarded write: no row of grading_runs has the grading_run_id of the surplus rows. "
    if repaired_by:
        return find + f"{repaired_by} removes the surplus rows, and its success resolves this."
    return find + f"Then grade {game_date} again: the new write replaces the whole date."


def _sentences(findings: Sequence[Finding]) -> str:
    sentences = [f"• {finding.check}: {finding.sentence}" for finding in findings[:SHOWN_FINDINGS]]
    if len(findings) > SHOWN_FINDINGS:
        sentences.append(f"• and {len(findings) - SHOWN_FINDINGS} more in the log of the run")
    shown = [_key(row) for finding in findings if finding.check == "duplicate_keys" for row in finding.rows]
    if shown:
        sentences.append(
            "First keys: " + "; ".join(shown[:SHOWN_KEYS]) + (f" … {len(shown)} in grading_duplicate_audit" if len(shown) > SHOWN_KEYS else "")
        )
    return "\n".join(sentences)


def _key(row: dict[str, Any]) -> str:
    line = "no line" if row["line_value"] is None else row["line_value"]
    return f"{row['player_lookup']}, {row['game_id']}, {row['system_id']}, {line}: {row['occurrences']} rows"


def _step(next_step: str, command: str | None) -> str:
    return f"{next_step} {command}" if command else next_step


def _day(game_date: Day | None) -> str | None:
    return str(game_date) if game_date else None


def _date_of(lease: str) -> str | None:
    """The date of a lease's id; the turn to publish has none."""
    last = lease.rpartition("_")[2]
    return None if last == "publish" else last


def _grade(run: RunLink, game_date: Day | None, *, again: bool = False) -> str | None:
    return _backfill(game_date, again=again) if game_date and run.dag_id == "grade_predictions" else None


def _backfill(game_date: Day, *, again: bool = False) -> str:
    return f"make backfill FROM={game_date} TO={game_date}" + (" REGRADE=1" if again else "")


def _trigger(dag_id: str, **conf: Any) -> str:
    return f"airflow dags trigger {dag_id} --conf '{json.dumps(conf)}'"
