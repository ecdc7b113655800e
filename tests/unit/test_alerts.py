from __future__ import annotations

import json
from pathlib import Path

from nba_grading import alerts
from nba_grading.validation import Finding

RUN = alerts.RunLink(
    dag_id="grade_predictions",
    run_id="manual__1",
    url="http://airflow/dags/grade_predictions/runs/manual__1",
    runbook_url="docs/runbook.md",
)


def body(alert: alerts.Alert) -> str:
    return str(alert.blocks[0]["text"]["text"])


def duplicate(player: str, line: float | None) -> dict[str, object]:
    return {"player_lookup": player, "game_id": "g", "system_id": "s", "line_value": line, "occurrences": 2}


def about_a_date() -> list[alerts.Alert]:
    finding = Finding("duplicate_keys", "fail", "7 keys stand more than once, 9 rows too many", [duplicate("lebronjames", None)], 9)
    return [
        alerts.findings_after_write(RUN, game_date="2026-01-10", findings=[finding], counts="1 graded, 2 voided, 3 pending"),
        alerts.findings_after_consolidation(RUN, game_date="2026-01-10", findings=[finding], counts="100 tables"),
        alerts.task_failed(RUN, game_date="2026-01-10", task_id="grade", tries=4, error="AuditFailed: x"),
        alerts.waited_too_long(RUN, game_date="2026-01-10", waited_s=300.4, held_by="held by abc"),
        alerts.lease_switched_off(RUN, game_date="2026-01-10", reason="the setting GRADING_USE_LEASE is off"),
        alerts.lease_stuck(RUN, lease="grading_2026-01-10", holder="abc", silent_s=700, removed=False),
        alerts.lease_stuck(RUN, lease="grading_2026-01-10", holder="abc", silent_s=700, removed=True),
        alerts.lease_long_held(RUN, lease="grading_2026-01-10", holder="abc", held_s=4000),
        alerts.lease_no_longer_stuck(RUN, lease="grading_2026-01-10", since_s=900),
        alerts.lease_released_by_hand(RUN, lease="grading_2026-01-10", holder="abc", silent_s=3),
    ]


def all_alerts() -> list[alerts.Alert]:
    return [
        *about_a_date(),
        alerts.lease_store_down(RUN, reason="Firestore: 503", policy="degrade"),
        alerts.lease_store_down(RUN, reason="Firestore: 503", policy="fail"),
        alerts.lease_store_back(RUN, down_s=3700),
        alerts.breaker_opened(RUN, operation="grading", failures=3, pause_s=300, error="no such column"),
        alerts.dates_to_heal(RUN, regraded=["2026-01-10: 3 ungraded"], listed=[]),
        alerts.duplicates_removed(RUN, table="prediction_accuracy", dates=["2026-01-10"], removed=3, backup="_backup_x"),
        alerts.breaker_closed(RUN, operation="grading", open_s=9000),
    ]


def test_every_alert_says_what_was_done_and_the_next_step_and_links_to_the_run_and_the_runbook() -> None:
    for alert in all_alerts():
        text = body(alert)
        for part in ("*Done:*", "*Next step:*", RUN.url, f"docs/runbook.md#{alert.kind}"):
            assert part in text, (alert.kind, part)
        json.dumps(alert.blocks)


def test_an_alert_about_a_date_names_it() -> None:
    for alert in about_a_date():
        assert "2026-01-10" in body(alert), alert.kind


def test_the_runbook_has_a_heading_for_every_alert(repository: Path) -> None:
    headings = {line.removeprefix("## ") for line in (repository / "docs" / "runbook.md").read_text().splitlines() if line.startswith("## ")}
    assert {alert.kind for alert in all_alerts()} - headings == set()


def test_every_alert_of_the_module_is_looked_at_here() -> None:
    functions = [name for name, member in vars(alerts).items() if getattr(member, "__annotations__", {}).get("return") == "Alert"]
    assert len(functions) + 2 == len(all_alerts()), "two are made in two ways"


def test_going_on_without_a_lease_is_critical() -> None:
    for alert in all_alerts():
        if alert.kind in ("lease-store-down", "lease-switched-off"):
            assert alert.severity in ("CRITICAL", "RECOVERED")


def test_duplicates_are_told_with_their_numbers_and_first_keys() -> None:
    text = body(about_a_date()[0])
    assert "9 rows too many" in text
    assert "lebronjames, g, s, no line: 2 rows" in text
    assert "1 graded, 2 voided, 3 pending" in text


def test_only_the_first_five_keys_are_spelled_out() -> None:
    rows = [duplicate(f"player{n}", 25.5) for n in range(20)]
    finding = Finding("duplicate_keys", "fail", "20 keys", rows, 20)
    text = body(alerts.findings_after_write(RUN, game_date="2026-01-10", findings=[finding], counts=""))
    assert "player4" in text
    assert "player5" not in text
    assert "20 in grading_duplicate_audit" in text


def test_tables_that_stayed_are_named_up_to_eight_with_what_to_do() -> None:
    findings = [Finding("staging_kept", "warn", f"_staging_batch_b1_w{n} stays") for n in range(10)]
    alert = alerts.findings_after_consolidation(RUN, game_date="2026-01-10", findings=findings, counts="10 tables")
    text = body(alert)
    assert alert.severity == "WARNING"
    assert "_staging_batch_b1_w7 stays" in text
    assert "_staging_batch_b1_w8" not in text
    assert "and 2 more" in text
    assert "Trigger the same batch again" in text
    assert "outside the guard" not in text


def test_a_warning_alone_is_not_an_error() -> None:
    finding = Finding("invalid_confidence", "warn", "3 predictions have a confidence outside 0-100")
    assert alerts.findings_after_write(RUN, game_date="2026-01-10", findings=[finding], counts="").severity == "WARNING"


def test_markup_in_values_cannot_become_markup_in_slack() -> None:
    text = body(alerts.task_failed(RUN, game_date="2026-01-10", task_id="grade", tries=1, error="<!channel> a & b"))
    assert "<!channel>" not in text
    assert "&lt;!channel&gt; a &amp; b" in text


def test_a_long_error_is_cut() -> None:
    assert len(body(alerts.task_failed(RUN, game_date="2026-01-10", task_id="grade", tries=1, error="x" * 50_000))) < 3000
