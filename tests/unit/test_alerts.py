from __future__ import annotations

import json

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


def all_alerts() -> list[alerts.Alert]:
    finding = Finding("duplicate_keys", "fail", "7 keys stand more than once, 9 rows too many", [duplicate("lebronjames", None)], 9)
    return [
        alerts.task_failed(RUN, game_date="2026-01-10", task_id="grade", tries=4, error="AuditFailed: x"),
        alerts.waited_too_long(RUN, game_date="2026-01-10", waited_s=300.4, held_by="held by abc"),
        alerts.wrote_without_lease(RUN, game_date="2026-01-10", reason="Firestore: 503"),
        alerts.findings_after_write(RUN, game_date="2026-01-10", findings=[finding], counts="1 graded, 2 voided, 3 pending"),
    ]


def test_every_alert_names_the_date_what_was_done_the_next_step_and_links_to_the_run_and_the_runbook() -> None:
    for alert in all_alerts():
        text = body(alert)
        for part in ("2026-01-10", "*Done:*", "*Next step:*", RUN.url, f"docs/runbook.md#{alert.kind}"):
            assert part in text, (alert.kind, part)
        json.dumps(alert.blocks)


def test_going_on_without_a_lease_is_critical() -> None:
    assert all_alerts()[2].text.startswith("CRITICAL")


def test_duplicates_are_told_with_their_numbers_and_first_keys() -> None:
    text = body(all_alerts()[3])
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


def test_a_warning_alone_is_not_an_error() -> None:
    finding = Finding("invalid_confidence", "warn", "3 predictions have a confidence outside 0-100")
    assert alerts.findings_after_write(RUN, game_date="2026-01-10", findings=[finding], counts="").severity == "WARNING"


def test_markup_in_values_cannot_become_markup_in_slack() -> None:
    text = body(alerts.task_failed(RUN, game_date="2026-01-10", task_id="grade", tries=1, error="<!channel> a & b"))
    assert "<!channel>" not in text
    assert "&lt;!channel&gt; a &amp; b" in text


def test_a_long_error_is_cut() -> None:
    assert len(body(alerts.task_failed(RUN, game_date="2026-01-10", task_id="grade", tries=1, error="x" * 50_000))) < 3000
