"""An example of each alert, and of each message of its thread: for the tests, and for docs/alerts.md, which shows their payloads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from nba_grading.alerts import messages as alerts
from nba_grading.alerts.incidents import Incident
from nba_grading.alerts.model import Alert, RunLink, Timeline
from nba_grading.alerts.slack_blocks import Block, alert_blocks, escalation_blocks, repeat_blocks, resolution_blocks
from nba_grading.quality.after_write import Finding
from nba_grading.quality.daily_checks import Result, load_checks
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS, PREDICTION_ACCURACY

RUN = RunLink(
    dag_id="grade_predictions",
    run_id="manual__1",
    url="http://airflow/dags/grade_predictions/runs/manual__1",
    runbook_url="docs/runbook.md",
)
DAY = "2026-01-10"
TASK = {"scope": DAY, "task_id": "grade", "game_date": DAY}
HOLDER_ID = "4ad1f0d0c8e54a7d9f1e0b2c3d4e5f60"
HOLDER: dict[str, Any] = {"holder_id": HOLDER_ID, "holder": f"{HOLDER_ID} (dag_id grade_predictions, try_number 1)"}


def duplicate(player: str, line: float | None) -> dict[str, object]:
    return {"player_lookup": player, "game_id": "g", "system_id": "s", "line_value": line, "occurrences": 2}


def duplicates(rows: int = 1) -> Finding:
    keys = [duplicate("lebronjames", None), *(duplicate(f"player{number}", 25.5) for number in range(1, rows))]
    return Finding("duplicate_keys", "fail", f"{rows} keys are stored more than once, {rows + 2} surplus rows", keys, rows + 2)


def after_write(*findings: Finding, repaired_by: str | None = None) -> Alert:
    counts = "1 graded, 2 voided, 3 pending"
    return alerts.findings_after_write(RUN, table=PREDICTION_ACCURACY, game_date=DAY, findings=findings, counts=counts, repaired_by=repaired_by)


def after_consolidation(*findings: Finding) -> Alert:
    return alerts.findings_after_consolidation(RUN, table=PLAYER_PROP_PREDICTIONS, game_date=DAY, findings=findings, counts="100 tables")


JOB = "nba_grading_stage_prediction_accuracy_20260110_1795525680591952_4ad1f0d0_001"


def summary() -> Alert:
    """The daily summary: checks that failed, warned and broke, and a stuck lease that has an incident of its own."""
    checks = {check.name: check for check in load_checks({})}
    dates = {"first_date": DAY, "last_date": DAY, "day": DAY}
    off = [
        Result(checks["duplicate_grades"], "failed", Decimal(3), f"{DAY}: 3", dates),
        Result(checks["ungraded_predictions"], "warned", Decimal(244), "game 0022500551 has no box score: 244", dates),
        Result(checks["hours_since_prediction"], "broken", None, "StatementFailed: no such column", dates),
    ]
    stuck = alerts.lease_stuck(RUN, lease=f"grading_{DAY}", **HOLDER, silent_s=700, limit_s=600)
    began = datetime.now(tz=UTC) - timedelta(seconds=900)
    other = Incident(stuck.name, began, None, stuck.detail, stuck, None, 2, began, began, None, None, None)
    return alerts.data_quality(RUN, day=DAY, off=off, checks=10, others=[other])


def all_alerts() -> list[Alert]:
    """Every alert of ``alerts.messages``, in each of its variants."""
    return [
        after_write(duplicates()),
        after_write(duplicates(), repaired_by="remove_duplicates"),
        after_write(Finding("invalid_confidence", "warn", "3 predictions have a confidence outside 0-100")),
        after_consolidation(duplicates()),
        alerts.task_failed(RUN, **TASK, tries=4, error="AuditFailed: the staged rows share keys"),
        alerts.waited_too_long(RUN, **TASK, waited_s=300.4, max_wait_s=300, held_by=f"lease grading_{DAY} is held by 4ad1f0d0"),
        alerts.lease_switched_off(RUN, **TASK, reason="the setting GRADING_USE_LEASE is off"),
        alerts.lease_stuck(RUN, lease=f"grading_{DAY}", **HOLDER, silent_s=700, limit_s=600),
        alerts.lease_stuck(RUN, lease=f"grading_{DAY}", **HOLDER, silent_s=700, limit_s=600, is_removed=True),
        alerts.lease_long_held(RUN, lease=f"grading_{DAY}", **HOLDER, held_s=4000, limit_s=3600, inflight_job=JOB),
        alerts.lease_removed(RUN, lease=f"grading_{DAY}", holder=HOLDER["holder"], silent_s=1300, by_hand=False),
        alerts.lease_removed(RUN, lease=f"grading_{DAY}", holder=HOLDER["holder"], silent_s=3, by_hand=True),
        alerts.lease_store_down(RUN, reason="Firestore: 503", policy="degrade"),
        alerts.lease_store_down(RUN, reason="Firestore: 503", policy="fail"),
        alerts.breaker_opened(RUN, operation="grading", failures=3, limit=3, pause_s=300, error="no such column"),
        summary(),
        alerts.duplicates_removed(RUN, table=PREDICTION_ACCURACY, dates=[DAY], removed=3, backup="_backup_prediction_accuracy_20260111120000"),
        alerts.request_refused(
            RUN, message_id="7", text='{"target_date": "10.01.2026"}', reason="target_date: it is not a date", topic="nba-grading-refused"
        ),
        alerts.dates_to_heal(RUN, regraded=[f"{DAY}: 3 ungraded, 0 outdated"], listed=["2026-01-11: 1 ungraded, 0 outdated"], limit=1),
    ]


def timelines(alert: Alert) -> dict[str, list[Block]]:
    """The messages of a thread, by what happens."""
    resolved = Timeline(occurrences=9, open_s=20000, escalated=True, resolution="A run has succeeded.")
    return {
        "opened": alert_blocks(alert, Timeline()),
        "occurred again": repeat_blocks(alert, Timeline(occurrences=5, open_s=7300)),
        "escalated": escalation_blocks(alert, Timeline(occurrences=9, open_s=14400, escalated=True), "<!here>"),
        "resolved": resolution_blocks(alert, resolved),
        "first message, afterwards": alert_blocks(alert, resolved),
    }
