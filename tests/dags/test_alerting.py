"""What is sent to Slack, and when: through the provider's hook, to Slack's stand-in. Time passes by moving the incidents' times back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from commands.stack_config import StackConfig
from nba_grading.airflow.slack import SlackMessenger
from nba_grading.alerts.delivery import AlertDelivery
from nba_grading.alerts.model import Alert
from nba_grading.warehouse.client import Warehouse
from tests.alert_examples import all_alerts
from tests.dags.runs import messages, posted, remember_jobs

TIMES = ("opened_at", "resolved_at", "last_seen_at", "changed_at", "delivered_at", "delivery_claimed_at", "escalated_at")
Messages = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def sent(settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int) -> Messages:
    """The messages of this test so far, in their current state."""
    return lambda: messages(emulators, before)


def hours_pass(warehouse: Warehouse, hours: float) -> None:
    moved = ", ".join(f"{name} = TIMESTAMP_SUB({name}, INTERVAL {round(hours * 3600)} SECOND)" for name in TIMES)
    warehouse.dml(f"UPDATE nba_predictions.incidents SET {moved} WHERE TRUE")


def deliver(warehouse: Warehouse) -> AlertDelivery:
    return AlertDelivery(lambda: warehouse, SlackMessenger())


def alert(severity: Any = "ERROR", subject: str = "2026-01-10", **changes: Any) -> Alert:
    return replace(all_alerts()[0], severity=severity, subject=subject, **changes)


def test_the_same_finding_is_one_thread_whose_first_message_counts_the_occurrences(warehouse: Warehouse, sent: Messages) -> None:
    for _ in range(4):
        deliver(warehouse).raise_alert(alert())
    [first] = sent()
    assert first["edits"] == 0, "within the hour an occurrence is only counted"
    hours_pass(warehouse, 1.1)
    for _ in range(2):
        deliver(warehouse).raise_alert(alert(detail="worse now"))
    first, reply = sent()
    assert reply["thread_ts"] == first["ts"]
    assert not reply["reply_broadcast"]
    assert "Occurred again, 5 times" in reply["blocks"][0]["text"]["text"]
    assert "worse now" in reply["blocks"][0]["text"]["text"]
    assert "occurred 5 times" in str(first["blocks"])
    assert first["edits"] == 1


def test_two_subjects_are_two_threads(warehouse: Warehouse, sent: Messages) -> None:
    deliver(warehouse).raise_alert(alert(subject="2026-01-10"))
    deliver(warehouse).raise_alert(alert(subject="2026-01-11"))
    assert [one.get("thread_ts") for one in sent()] == [None, None]


def test_a_change_of_severity_is_sent_at_once(warehouse: Warehouse, sent: Messages) -> None:
    deliver(warehouse).raise_alert(alert("WARNING"))
    deliver(warehouse).raise_alert(alert("ERROR"))
    first, _ = sent()
    assert "*ERROR:" in first["blocks"][0]["text"]["text"]


def test_a_resolution_closes_the_thread_once(warehouse: Warehouse, sent: Messages) -> None:
    deliver(warehouse).raise_alert(alert())
    hours_pass(warehouse, 3)
    names = [alert().name, "of/nothing"]
    assert deliver(warehouse).resolve(names, "it was graded again") == names[:1]
    assert deliver(warehouse).resolve(names, "it was graded again") == []
    first, reply = sent()
    assert reply["reply_broadcast"]
    assert "RESOLVED after 3.0 hours" in reply["blocks"][0]["text"]["text"]
    assert "RESOLVED" in first["blocks"][0]["text"]["text"]
    assert "it was graded again" in first["text"]
    deliver(warehouse).raise_alert(alert())
    assert [one.get("thread_ts") for one in sent()].count(None) == 2, "an incident that is opened again is a new thread"


def test_an_error_that_lasts_is_escalated_once_to_the_channel_of_critical_alerts(
    warehouse: Warehouse, sent: Messages, settings_environment: pytest.MonkeyPatch
) -> None:
    settings_environment.setenv("GRADING_SLACK_CHANNELS", '{"CRITICAL": "#on-call", "WARNING": "#quiet"}')
    deliver(warehouse).raise_alert(alert("ERROR"))
    deliver(warehouse).raise_alert(alert("WARNING", subject="2026-01-11"))
    assert [one["channel"] for one in sent()] == ["#grading", "#quiet"]
    hours_pass(warehouse, 3.9)
    assert deliver(warehouse).deliver_pending()["escalated"] == 0
    hours_pass(warehouse, 0.2)
    assert deliver(warehouse).deliver_pending() == {"escalated": 1, "sent": 1, "not_sent": 0, "pruned": 0, "open": 2}
    assert deliver(warehouse).deliver_pending()["sent"] == 0
    first, _, reply, call = sent()
    assert (reply["thread_ts"], reply["reply_broadcast"], call["channel"]) == (first["ts"], True, "#on-call")
    assert "Still open after 4.1 hours" in call["blocks"][0]["text"]["text"]
    assert "<!here>" in call["blocks"][0]["text"]["text"]
    assert "escalated" in str(first["blocks"])


def test_what_slack_did_not_take_is_sent_later_with_its_resolution(
    warehouse: Warehouse, sent: Messages, settings_environment: pytest.MonkeyPatch
) -> None:
    with settings_environment.context() as down:
        down.setenv("AIRFLOW_CONN_SLACK_DEFAULT", '{"conn_type": "slack", "password": "x", "extra": {"base_url": "http://127.0.0.1:9/api/"}}')
        deliver(warehouse).raise_alert(alert(subject="lasts"))
        deliver(warehouse).raise_alert(alert(subject="over"))
        deliver(warehouse).notify_once(alert("INFO", subject="event"))
        deliver(warehouse).resolve([alert(subject="over").name], "it ended")
        hours_pass(warehouse, 0.1)
        assert deliver(warehouse).deliver_pending()["not_sent"] == 3
    hours_pass(warehouse, 0.1)
    assert deliver(warehouse).deliver_pending()["sent"] == 3
    assert deliver(warehouse).deliver_pending()["sent"] == 0
    lasts, over, event = (next(one for one in sent() if word in str(one["blocks"])) for word in ("*ERROR:", "RESOLVED", "*INFO:"))
    assert "*Next step:*" in str(lasts["blocks"])
    assert "it ended" in str(over["blocks"])
    assert "*INFO:" in str(event["blocks"])


def test_a_delivery_whose_process_died_is_claimed_by_another(warehouse: Warehouse, sent: Messages, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(SlackMessenger, "post", die)
        with pytest.raises(KeyboardInterrupt):
            deliver(warehouse).raise_alert(alert())
    assert deliver(warehouse).deliver_pending()["sent"] == 0, "the claim has not expired"
    hours_pass(warehouse, 0.1)
    assert deliver(warehouse).deliver_pending()["sent"] == 1
    assert len(sent()) == 1


def test_a_look_that_finds_nothing_to_deliver_is_one_job_which_changes_nothing(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(warehouse).raise_alert(alert())
    deliver(warehouse).raise_alert(alert(subject="over"))
    deliver(warehouse).resolve([alert(subject="over").name], "it ended")
    submitted = remember_jobs(monkeypatch)
    assert deliver(warehouse).deliver_pending() == {"escalated": 0, "sent": 0, "not_sent": 0, "pruned": 0, "open": 1}
    [job] = submitted.values()
    assert "SELECT COUNTIF(" in job


def test_an_event_is_one_message_each_time(warehouse: Warehouse, sent: Messages) -> None:
    for _ in range(2):
        deliver(warehouse).notify_once(alert("INFO"))
    assert [one.get("thread_ts") for one in sent()] == [None, None]


def test_without_bigquery_an_alert_is_sent_anyway(emulators: StackConfig, sent: Messages) -> None:
    def down() -> Warehouse:
        raise ConnectionError("BigQuery is down")

    delivery = AlertDelivery(down, SlackMessenger())
    delivery.raise_alert(alert())
    delivery.resolve([alert().name], "done")
    [message] = sent()
    assert "*Next step:*" in str(message["blocks"])
    assert posted(emulators)


def test_a_message_that_slack_refused_is_sent_again(warehouse: Warehouse, sent: Messages, settings_environment: pytest.MonkeyPatch) -> None:
    deliver(warehouse).raise_alert(alert())
    warehouse.dml("UPDATE nba_predictions.incidents SET thread = 'gone' WHERE TRUE")
    assert deliver(warehouse).resolve([alert().name], "done") == [alert().name]
    hours_pass(warehouse, 0.1)
    assert deliver(warehouse).deliver_pending()["not_sent"] == 1
