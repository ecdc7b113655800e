"""What Slack is told, and when: through the provider's hook, to Slack's stand-in. Time passes by moving the conditions' clock back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from commands.stack_config import StackConfig
from nba_grading.alerts import delivery as alerting
from nba_grading.alerts.model import Alert
from nba_grading.warehouse.client import Warehouse
from tests.alert_examples import all_alerts
from tests.dags.runs import messages, posted

TIMES = ("raised_at", "opened_at", "resolved_at", "seen_at", "changed_at", "delivered_at", "delivery_claimed_at", "escalated_at")
Messages = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def told(settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int) -> Messages:
    """The messages of this test so far, as they stand."""
    return lambda: messages(emulators, before)


def hours_pass(warehouse: Warehouse, hours: float) -> None:
    moved = ", ".join(f"{name} = TIMESTAMP_SUB({name}, INTERVAL {round(hours * 3600)} SECOND)" for name in TIMES)
    warehouse.dml(f"UPDATE nba_predictions.incidents SET {moved} WHERE TRUE")


def alert(severity: Any = "ERROR", subject: str = "2026-01-10", **changes: Any) -> Alert:
    return replace(all_alerts()[0], severity=severity, subject=subject, **changes)


def test_the_same_finding_is_one_thread_whose_first_message_counts_the_repeats(warehouse: Warehouse, told: Messages) -> None:
    for _ in range(4):
        alerting.tell(lambda: warehouse, alert())
    [first] = told()
    assert first["edits"] == 0, "within the hour a repeat is counted, not told"
    hours_pass(warehouse, 1.1)
    for _ in range(2):
        alerting.tell(lambda: warehouse, alert(detail="worse now"))
    first, reply = told()
    assert reply["thread_ts"] == first["ts"]
    assert not reply["reply_broadcast"]
    assert "Seen again, 5 times" in reply["blocks"][0]["text"]["text"]
    assert "worse now" in reply["blocks"][0]["text"]["text"]
    assert "seen 5 times" in str(first["blocks"])
    assert first["edits"] == 1


def test_two_subjects_are_two_threads(warehouse: Warehouse, told: Messages) -> None:
    alerting.tell(lambda: warehouse, alert(subject="2026-01-10"))
    alerting.tell(lambda: warehouse, alert(subject="2026-01-11"))
    assert [one.get("thread_ts") for one in told()] == [None, None]


def test_a_change_of_severity_is_told_at_once(warehouse: Warehouse, told: Messages) -> None:
    alerting.tell(lambda: warehouse, alert("WARNING"))
    alerting.tell(lambda: warehouse, alert("ERROR"))
    first, _ = told()
    assert "*ERROR:" in first["blocks"][0]["text"]["text"]


def test_a_recovery_closes_the_thread_and_says_so_once(warehouse: Warehouse, told: Messages) -> None:
    alerting.tell(lambda: warehouse, alert())
    hours_pass(warehouse, 3)
    names = [alert().name, "of/nothing"]
    assert alerting.recover(lambda: warehouse, names, "it was graded again") == names[:1]
    assert alerting.recover(lambda: warehouse, names, "it was graded again") == []
    first, reply = told()
    assert reply["reply_broadcast"]
    assert "RECOVERED after 3.0 hours" in reply["blocks"][0]["text"]["text"]
    assert "RECOVERED" in first["blocks"][0]["text"]["text"]
    assert "it was graded again" in first["text"]
    alerting.tell(lambda: warehouse, alert())
    assert [one.get("thread_ts") for one in told()].count(None) == 2, "what begins anew is a new thread"


def test_an_error_that_lasts_is_escalated_once_to_the_channel_of_what_is_critical(
    warehouse: Warehouse, told: Messages, settings_environment: pytest.MonkeyPatch
) -> None:
    settings_environment.setenv("GRADING_SLACK_CHANNELS", '{"CRITICAL": "#on-call", "WARNING": "#quiet"}')
    alerting.tell(lambda: warehouse, alert("ERROR"))
    alerting.tell(lambda: warehouse, alert("WARNING", subject="2026-01-11"))
    assert [one["channel"] for one in told()] == ["#grading", "#quiet"]
    hours_pass(warehouse, 3.9)
    assert alerting.deliver(warehouse)["escalated"] == 0
    hours_pass(warehouse, 0.2)
    assert alerting.deliver(warehouse) == {"escalated": 1, "told": 1, "not_told": 0, "forgotten": 0}
    assert alerting.deliver(warehouse)["told"] == 0
    first, _, reply, call = told()
    assert (reply["thread_ts"], reply["reply_broadcast"], call["channel"]) == (first["ts"], True, "#on-call")
    assert "Still open after 4.1 hours" in call["blocks"][0]["text"]["text"]
    assert "<!here>" in call["blocks"][0]["text"]["text"]
    assert "escalated" in str(first["blocks"])


def test_what_slack_did_not_take_is_sent_later_and_its_recovery_with_it(
    warehouse: Warehouse, told: Messages, settings_environment: pytest.MonkeyPatch
) -> None:
    with settings_environment.context() as away:
        away.setenv("AIRFLOW_CONN_SLACK_DEFAULT", '{"conn_type": "slack", "password": "x", "extra": {"base_url": "http://127.0.0.1:9/api/"}}')
        alerting.tell(lambda: warehouse, alert(subject="lasts"))
        alerting.tell(lambda: warehouse, alert(subject="over"))
        alerting.report(lambda: warehouse, alert("INFO", subject="event"))
        alerting.recover(lambda: warehouse, [alert(subject="over").name], "it went by itself")
        hours_pass(warehouse, 0.1)
        assert alerting.deliver(warehouse)["not_told"] == 3
    hours_pass(warehouse, 0.1)
    assert alerting.deliver(warehouse)["told"] == 3
    assert alerting.deliver(warehouse)["told"] == 0
    lasts, over, event = (next(one for one in told() if word in str(one["blocks"])) for word in ("*ERROR:", "RECOVERED", "*INFO:"))
    assert "*Next step:*" in str(lasts["blocks"])
    assert "it went by itself" in str(over["blocks"])
    assert "*INFO:" in str(event["blocks"])


def test_a_teller_that_died_is_followed_by_another(warehouse: Warehouse, told: Messages, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(alerting, "_tell", die)
        with pytest.raises(KeyboardInterrupt):
            alerting.tell(lambda: warehouse, alert())
    assert alerting.deliver(warehouse)["told"] == 0, "somebody may be telling it"
    hours_pass(warehouse, 0.1)
    assert alerting.deliver(warehouse)["told"] == 1
    assert len(told()) == 1


def test_a_report_is_one_message_each_time(warehouse: Warehouse, told: Messages) -> None:
    for _ in range(2):
        alerting.report(lambda: warehouse, alert("INFO"))
    assert [one.get("thread_ts") for one in told()] == [None, None]


def test_without_bigquery_an_alert_is_sent_all_the_same(emulators: StackConfig, told: Messages) -> None:
    def away() -> Warehouse:
        raise ConnectionError("BigQuery is away")

    alerting.tell(away, alert())
    alerting.recover(away, [alert().name], "done")
    [message] = told()
    assert "*Next step:*" in str(message["blocks"])
    assert posted(emulators)


def test_a_refusal_of_slack_is_not_lost_either(warehouse: Warehouse, told: Messages, settings_environment: pytest.MonkeyPatch) -> None:
    alerting.tell(lambda: warehouse, alert())
    warehouse.dml("UPDATE nba_predictions.incidents SET thread = 'gone' WHERE TRUE")
    assert alerting.recover(lambda: warehouse, [alert().name], "done") == [alert().name]
    hours_pass(warehouse, 0.1)
    assert alerting.deliver(warehouse)["not_told"] == 1
