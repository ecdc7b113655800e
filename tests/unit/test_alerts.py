from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commands.slack_sink import text_of
from nba_grading.alerts import messages as alerts
from nba_grading.alerts.model import Alert, Timeline
from nba_grading.alerts.slack_blocks import alert_blocks, resolution_blocks
from nba_grading.quality.after_write import Finding
from tests.alert_examples import DAY, RUN, TASK, after_consolidation, after_write, all_alerts, duplicates, timelines


def body(alert: Alert) -> str:
    return text_of({"blocks": alert_blocks(alert, Timeline())})


def name_of(alert: Alert) -> str:
    return alert.name


@pytest.mark.parametrize("alert", all_alerts(), ids=name_of)
def test_an_alert_has_its_impact_and_next_step_and_links_to_the_run_and_the_runbook(alert: Alert) -> None:
    for part in ("*Impact:*", "*Next step:*", RUN.url, f"docs/runbook.md#{alert.kind}"):
        assert part in body(alert)
    if alert.game_date:
        assert f"*Date*\n{alert.game_date}" in body(alert)
    assert Alert.from_json(alert.to_json()) == alert


@pytest.mark.parametrize("alert", all_alerts(), ids=name_of)
def test_every_message_of_a_thread_is_within_what_slack_takes(alert: Alert) -> None:
    for blocks in timelines(alert).values():
        json.dumps(blocks)
        assert len(blocks) <= 50
        for block in blocks:
            assert len(block.get("fields", [])) <= 10
            texts = [block["text"]] if "text" in block else block.get("fields", block.get("elements"))
            assert all(0 < len(each["text"]) <= 3000 and each["verbatim"] for each in texts)


def test_an_alert_about_a_date_names_it() -> None:
    without = {alert.kind for alert in all_alerts() if not alert.game_date and alert.severity != "INFO"}
    assert without == {alerts.LEASE_STORE_DOWN, alerts.BREAKER_OPENED, alerts.DATES_TO_HEAL}


def test_an_alert_about_a_turn_to_publish_has_no_date() -> None:
    """A date that is none could not be stored with the incident, and the sweep that reports it would fail."""
    turn = {"lease": "grading_publish", "holder": "h (run_id r)"}
    found = [
        alerts.lease_stuck(RUN, **turn, holder_id="h", silent_s=700, limit_s=600),
        alerts.lease_long_held(RUN, **turn, holder_id="h", held_s=4000, limit_s=3600),
        alerts.lease_removed(RUN, **turn, silent_s=1300, by_hand=False),
    ]
    assert [alert.game_date for alert in found] == [None] * 3
    assert not any("make backfill" in (alert.command or "") for alert in found)


def test_the_runbook_has_a_heading_for_every_alert(repository: Path) -> None:
    headings = {line.removeprefix("## ") for line in (repository / "docs" / "runbook.md").read_text().splitlines() if line.startswith("## ")}
    assert {alert.kind for alert in all_alerts()} - headings == set()


def test_every_alert_of_the_module_is_an_example() -> None:
    kinds = {value for name, value in vars(alerts).items() if name.isupper() and isinstance(value, str) and " " not in value}
    assert {alert.kind for alert in all_alerts()} == kinds


def test_going_on_without_a_lease_is_critical() -> None:
    critical = {alert.kind for alert in all_alerts() if alert.severity == "CRITICAL"}
    assert critical == {alerts.LEASE_STORE_DOWN, alerts.LEASE_SWITCHED_OFF}


def test_duplicates_are_reported_with_their_number_the_threshold_and_first_keys() -> None:
    text = body(after_write(duplicates()))
    assert "*Duplicate rows*\n3" in text
    assert "*Threshold*\n0" in text
    assert "lebronjames, g, s, no line: 2 rows" in text
    assert "1 graded, 2 voided, 3 pending" in text
    assert f"make backfill FROM={DAY} TO={DAY} REGRADE=1" in text


def test_duplicates_that_are_removed_automatically_ask_for_no_command() -> None:
    text = body(after_write(duplicates(), repaired_by="remove_duplicates"))
    assert "remove_duplicates removes the surplus rows" in text
    assert "make backfill" not in text


def test_only_the_first_five_keys_are_listed() -> None:
    text = body(after_write(duplicates(20)))
    assert "player4" in text
    assert "player5" not in text
    assert "20 in grading_duplicate_audit" in text


def test_up_to_eight_tables_that_were_kept_are_listed_with_the_next_step() -> None:
    alert = after_consolidation(*(Finding("staging_kept", "warn", f"_staging_batch_b1_w{n} is kept") for n in range(10)))
    text = body(alert)
    assert alert.severity == "WARNING"
    assert "_staging_batch_b1_w7 is kept" in text
    assert "_staging_batch_b1_w8" not in text
    assert "and 2 more" in text
    assert "Trigger the same batch again" in text
    assert "outside the guarded write" not in text


def test_the_incident_of_a_failed_task_is_named_by_its_dag_its_work_and_the_task() -> None:
    about = {"scope": f"{DAY}/b1", "task_id": "consolidate", "game_date": DAY}
    alert = alerts.task_failed(replace(RUN, dag_id="consolidate_predictions"), **about, tries=1, error="boom")
    assert alert.name == f"task-failed/consolidate_predictions/{DAY}/b1/consolidate"
    assert alert.title == f"consolidate_predictions failed for {DAY}, b1"
    assert alert.command is None
    names = alerts.task_incidents("consolidate_predictions", f"{DAY}/b1", ["consolidate", "validate"], leased=False)
    assert alert.name in names
    assert len(names) == 4


def test_a_backfill_that_failed_is_to_be_run_again_over_its_range() -> None:
    about = {"scope": "2026-01-04..2026-01-06", "task_id": "report", "game_date": None}
    alert = alerts.task_failed(replace(RUN, dag_id="backfill_grades"), **about, tries=1, error="boom")
    assert alert.command == "make backfill FROM=2026-01-04 TO=2026-01-06"
    assert "run the range again" in alert.next_step


def test_a_warning_alone_is_not_an_error() -> None:
    assert after_write(Finding("invalid_confidence", "warn", "3 predictions have a confidence outside 0-100")).severity == "WARNING"


def test_markup_in_values_cannot_become_markup_in_slack() -> None:
    text = body(alerts.task_failed(RUN, **TASK, tries=1, error="<!channel> a & b"))
    assert "<!channel>" not in text
    assert "&lt;!channel&gt; a &amp; b" in text


def test_a_long_error_is_cut() -> None:
    assert len(body(alerts.task_failed(RUN, **TASK, tries=1, error="x" * 50_000))) < 3000


def test_a_resolution_says_after_how_long_and_has_no_next_step() -> None:
    timeline = Timeline(occurrences=3, open_s=7300, resolution="A run has succeeded.")
    for blocks in (resolution_blocks(all_alerts()[0], timeline), alert_blocks(all_alerts()[0], timeline)):
        text = text_of({"blocks": blocks})
        assert "RESOLVED" in text
        assert "2.0 hours" in text
        assert "A run has succeeded." in text
        assert "Next step" not in text
