"""What each alert says, built by pure functions: one function for each thing that people are told of.

Which date, the figure against its threshold, what was done, the next step and the command for it. ``docs/alerts.md`` shows them all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from nba_grading.alerts.model import Alert, RunLink, duration, incident_name, shorten
from nba_grading.settings import Severity

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
DATA_QUALITY = "data-quality"
SHOWN_FINDINGS = 8

Day = date | str


def task_failed(run: RunLink, *, game_date: Day | None, task_id: str, tries: int, error: str) -> Alert:
    """A task failed for good."""
    return Alert(
        kind=TASK_FAILED,
        severity="ERROR",
        subject=run_subject(run.dag_id, game_date),
        title=f"{run.dag_id} failed" + (f" for {game_date}" if game_date else ""),
        detail=f"Task {task_id}, try {tries}: {shorten(error)}",
        done="Nothing was published by this task; the date holds what it held before, or a complete write.",
        next_step=f"Read the error, mend its cause, then clear task {task_id} of the run, or run it again: that is safe.",
        run=run,
        game_date=_day(game_date),
        command=_grade(game_date) if run.dag_id == "grade_predictions" else None,
    )


def waited_too_long(run: RunLink, *, game_date: Day | None, waited_s: float, max_wait_s: float, held_by: str) -> Alert:
    """A run gave up waiting for the lease."""
    return Alert(
        kind=WAITED_TOO_LONG,
        severity="ERROR",
        subject=run_subject(run.dag_id, game_date),
        title=f"{run.dag_id} waited {waited_s:.0f} s for the lease of {game_date} and gave up",
        detail=shorten(held_by),
        done="Nothing was written by this run.",
        next_step="Look at the holder's run: if it works, its result is as good as this run's would be, unless this run had a batch of its own. "
        "If it is dead, the lease expires by itself. Then clear the failed task of this run.",
        run=run,
        game_date=_day(game_date),
        facts={"Waited": f"{waited_s:.0f} s", "Allowed": f"{max_wait_s:g} s"},
        command=_grade(game_date) if run.dag_id == "grade_predictions" else None,
    )


def lease_store_down(run: RunLink, *, reason: str, policy: str) -> Alert:
    """The lease store does not answer."""
    return Alert(
        kind=LEASE_STORE_DOWN,
        severity="CRITICAL",
        subject="",
        title=f"The lease store does not answer: {'runs write without a lease' if policy == 'degrade' else 'runs fail'}",
        detail=shorten(reason),
        done=(
            "Writes go on behind their fence: they cannot double a date, but two runs of one may waste each other's work."
            if policy == "degrade"
            else "Nothing is written meanwhile, as LEASE_ON_UNAVAILABLE is fail."
        ),
        next_step="Bring the lease store back (Firestore's status, network, permissions), and hold back further backfills until then.",
        run=run,
        facts={"LEASE_ON_UNAVAILABLE": policy},
    )


def lease_switched_off(run: RunLink, *, run_date: Day | None, game_date: Day, reason: str) -> Alert:
    """A run wrote ``game_date`` without a lease because somebody wanted it so. ``run_date`` is the run's own, if it has one."""
    return Alert(
        kind=LEASE_SWITCHED_OFF,
        severity="CRITICAL",
        subject=run_subject(run.dag_id, run_date),
        title=f"{run.dag_id} writes {game_date} without a lease, as that is switched off",
        detail=f"Why: {shorten(reason)}.",
        done="The write goes on behind its fence: it cannot double the date, but two runs may waste each other's work.",
        next_step="Once the emergency is over, switch leases on again: GRADING_USE_LEASE, and no use_lease in the run's parameters. "
        "The next leased run of the date closes this.",
        run=run,
        game_date=_day(game_date),
        command=_grade(run_date, again=True) if run.dag_id == "grade_predictions" else None,
    )


def lease_stuck(run: RunLink, *, lease: str, holder_id: str, holder: str, silent_s: float, limit_s: float, is_removed: bool = False) -> Alert:
    """A lease whose holder has been silent for long; its run died, most likely. ``is_removed``: the sweep that tells it has removed it."""
    day = lease.rpartition("_")[2]
    return Alert(
        kind=LEASE_STUCK,
        severity="WARNING",
        subject=f"{lease}/{holder_id}",
        title=f"The lease {lease} is not renewed since {duration(silent_s)}",
        detail=f"Held by {shorten(holder)}",
        done="Its holder's process died or hangs; no other run of the date has come since. "
        + (
            "It was three times as old as it may be, so it is removed now."
            if is_removed
            else "It is removed once it is three times as old as it may be; the next run of the date takes it over."
        ),
        next_step="Look whether the date is graded, and run it (again) if it is not."
        + ("" if is_removed else " To be rid of the lease now, release it by its holder's id."),
        run=run,
        game_date=day,
        facts={"Silent": duration(silent_s), "Told after": duration(limit_s)},
        command=None if is_removed else _trigger("release_stuck_leases", holder_id=holder_id),
    )


def lease_long_held(
    run: RunLink, *, lease: str, holder_id: str, holder: str, held_s: float, limit_s: float, inflight_job: str | None = None
) -> Alert:
    """A lease that is renewed, but held for very long. ``inflight_job`` is the query job that its holder has noted last."""
    return Alert(
        kind=LEASE_HELD_LONG,
        severity="WARNING",
        subject=f"{lease}/{holder_id}",
        title=f"The lease {lease} is held since {duration(held_s)}, and renewed",
        detail=f"Held by {shorten(holder)}",
        done="Nothing: its holder is alive, and is never interrupted.",
        next_step="Open the holder's run. If it hangs, mark its task failed: that releases the lease.",
        run=run,
        game_date=lease.rpartition("_")[2],
        facts={"Held": duration(held_s), "Told after": duration(limit_s), **({"Query job": inflight_job} if inflight_job else {})},
    )


def lease_removed(run: RunLink, *, lease: str, holder: str, silent_s: float, by_hand: bool) -> Alert:
    """A dead lease was swept, or somebody released one by its holder's id: over as it is told."""
    return Alert(
        kind=LEASE_STUCK,
        severity="WARNING" if by_hand else "INFO",
        subject=f"{lease}/{run.run_id}",
        title=f"The lease {lease} was {'released by hand' if by_hand else 'removed, as its holder is dead'}",
        detail=f"It was held by {shorten(holder)}, and renewed {duration(silent_s)} ago.",
        done="The lease is gone. If its holder still runs, it stops at its next step, and the fence refuses what it might write late.",
        next_step="Look whether the date is graded, and run it again if it is not.",
        run=run,
        game_date=lease.rpartition("_")[2],
        command=_grade(lease.rpartition("_")[2]) if lease.startswith("grading_") else None,
    )


def breaker_opened(run: RunLink, *, operation: str, failures: int, limit: int, pause_s: float, error: str) -> Alert:
    """Runs of an operation failed one after the other."""
    return Alert(
        kind=BREAKER_OPENED,
        severity="ERROR",
        subject=operation,
        title=f"{failures} runs of {operation} failed in a row: its circuit breaker is open",
        detail=shorten(error),
        done=f"Further runs are refused at once, without another message. Every {duration(pause_s)} one may try, and its success closes it.",
        next_step="Mend the cause of the last failure, then trigger one date with override_breaker. When it is closed, run the refused dates: "
        "SELECT game_date FROM nba_predictions.grading_runs WHERE outcome = 'refused'.",
        run=run,
        facts={"Failures in a row": str(failures), "Threshold": str(limit)},
        command=_trigger("grade_predictions", game_date="<date>", override_breaker=True) if operation == "grading" else None,
    )


def findings_after_write(
    run: RunLink, *, table: Table, game_date: Day, findings: Sequence[Finding], counts: str, repaired_by: str | None = None
) -> Alert:
    """The validation after a write found something. ``repaired_by`` is the run that removes the duplicates by itself, if one does."""
    surplus = sum(finding.surplus_rows for finding in findings)
    return Alert(
        kind=DUPLICATES_FOUND if surplus else FINDINGS_AFTER_WRITE,
        severity=_worst(findings),
        subject=f"{table.name}/{game_date}",
        title=f"{len(findings)} finding(s) on {game_date} after {run.dag_id}",
        detail=_sentences(findings),
        done=f"The date was written ({counts})" + (" and the duplicate keys are in grading_duplicate_audit." if surplus else "."),
        next_step=_next_step(game_date, bool(surplus), repaired_by),
        run=run,
        game_date=_day(game_date),
        facts={"Duplicate rows": str(surplus), "Threshold": "0"} if surplus else {},
        command=None if repaired_by else _grade(game_date, again=True),
    )


def findings_after_consolidation(
    run: RunLink, *, table: Table, game_date: Day, findings: Sequence[Finding], counts: str, repaired_by: str | None = None
) -> Alert:
    """The check after a consolidation found duplicate keys, or staging tables that had to stay."""
    steps = {
        "duplicate_keys": "Find the writer outside the guard in BigQuery's job history. "
        + (f"{repaired_by} removes them now." if repaired_by else "The next consolidation of the date collapses them."),
        "staging_kept": "Trigger the same batch again for the tables that stayed.",
    }
    found, surplus = {finding.check for finding in findings}, sum(finding.surplus_rows for finding in findings)
    return Alert(
        kind=CONSOLIDATION_FINDINGS,
        severity=_worst(findings),
        subject=f"{table.name}/{game_date}",
        title=f"{len(findings)} finding(s) on {game_date} after {run.dag_id}",
        detail=_sentences(findings),
        done=f"The batch was merged ({counts})" + (" and the duplicate keys are in grading_duplicate_audit." if surplus else "."),
        next_step=" ".join(step for check, step in steps.items() if check in found),
        run=run,
        game_date=_day(game_date),
        facts={"Duplicate rows": str(surplus), "Threshold": "0"} if surplus else {},
    )


def duplicates_removed(run: RunLink, *, table: Table, dates: Sequence[str], removed: int, backup: str) -> Alert:
    """A repair has removed duplicate keys: over as it is told."""
    return Alert(
        kind=DUPLICATES_FOUND,
        severity="INFO",
        subject=f"{table.name}/{run.run_id}",
        title=f"{removed} duplicate rows of {table.name} were removed on {len(dates)} date(s)",
        detail="Dates: " + shorten(", ".join(dates)),
        done=f"The earliest row of each key was kept; the table as it was is in nba_predictions.{backup}.",
        next_step="None. restore_from_backup takes it back.",
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
        detail=shorten("\n".join([*(f"• {each}" for each in regraded), *(f"• {each}; not yet" for each in listed)])),
        done=f"{len(regraded)} of them are being graded again, oldest first, by runs of grade_predictions.",
        next_step=(
            f"Wait for those; the other {len(listed)} follow on the next days, or run them now."
            if listed
            else "Wait for their runs. A date that comes back tomorrow has a cause of its own: read its run."
        ),
        run=run,
        facts={"Found": str(len(regraded) + len(listed)), "Graded again a day": str(limit)},
        command=f"make backfill FROM={listed[0][:10]} TO={listed[-1][:10]} REGRADE=1" if listed else None,
        digest=True,
    )


def data_quality(run: RunLink, *, day: Day, off: Sequence[Result], checks: int, others: Sequence[Incident]) -> Alert:
    """The day's summary: each check that is off, and what else is open, every one with its next step."""
    counts = Counter(result.status for result in off)
    told = ", ".join(f"{counts[status]} {status}" for status in ("broken", "failed", "warned") if counts[status])
    lines = [f"• {one.check.name} {one.status}: {one.summary}\n   → {_step(one.check.next_step, one.command)}" for one in off]
    lines += [f"• open for {duration(one.age_s)}: {one.alert.title}\n   → {_step(one.alert.next_step, one.alert.command)}" for one in others]
    return Alert(
        kind=DATA_QUALITY,
        severity="ERROR" if counts["broken"] or counts["failed"] else "WARNING",
        subject="",
        title=f"Data quality of {day}: {told}" + (f"; {len(others)} more open" if others else ""),
        detail="\n".join(lines),
        done=f"{checks} checks were made; every value is in data_quality_results.",
        next_step="Do what stands under each. The next run of the checks says when all is right again; to check now:",
        run=run,
        game_date=_day(day),
        facts={f"{one.check.name}": one.summary.partition(":")[0] for one in off[:8]},
        command=_trigger("check_data_quality", day=str(day)),
        digest=True,
    )


def run_subject(dag_id: str, game_date: Day | None) -> str:
    """What an alert about a DAG's run is about."""
    return f"{dag_id}/{game_date}" if game_date else dag_id


def closed_by_success(dag_id: str, game_date: Day | None, *, leased: bool) -> list[str]:
    """The conditions that a run which succeeded ends: its DAG's for its date."""
    kinds = [TASK_FAILED, WAITED_TOO_LONG, *([LEASE_SWITCHED_OFF] if leased else [])]
    return [incident_name(kind, run_subject(dag_id, game_date)) for kind in kinds]


def finding_incidents(table: Table, game_date: Day) -> list[str]:
    """Every condition that a validation of a table's date can raise."""
    return [incident_name(kind, table.name, str(game_date)) for kind in (DUPLICATES_FOUND, FINDINGS_AFTER_WRITE, CONSOLIDATION_FINDINGS)]


def _next_step(game_date: Day, duplicates: bool, repaired_by: str | None) -> str:
    if not duplicates:
        return f"Look at the figures, then grade {game_date} again once the cause is mended."
    find = "Find the writer outside the guard: the grading_run_id of the surplus rows is in no row of grading_runs. "
    if repaired_by:
        return find + f"The surplus rows are removed by {repaired_by}, which says so when it is done."
    return find + f"Then grade {game_date} again: the new write replaces the whole date."


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


def _step(next_step: str, command: str | None) -> str:
    return f"{next_step} {command}" if command else next_step


def _day(game_date: Day | None) -> str | None:
    return str(game_date) if game_date else None


def _grade(game_date: Day | None, *, again: bool = False) -> str | None:
    return f"make backfill FROM={game_date} TO={game_date}" + (" REGRADE=1" if again else "") if game_date else None


def _trigger(dag_id: str, **conf: Any) -> str:
    return f"airflow dags trigger {dag_id} --conf '{json.dumps(conf)}'"
