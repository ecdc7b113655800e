"""Pub/Sub on a running Airflow: a message grades its date, ten messages for one date end right, and a poison message stops nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from google.cloud import bigquery

from commands.airflow_api import FINISHED, AirflowApi
from commands.pubsub import clients
from commands.stack import Stack
from commands.stack_config import PROJECT, TOPICS
from tests.e2e.browser import until

DAILY_DAG, MESSAGES_DAG = "grade_predictions", "grade_on_message"


class Topics:
    """The stack's topics: publish requests, and read what came of them."""

    def __init__(self, port: int) -> None:
        self._publisher, self._subscriber = clients(port)

    def publish(self, *texts: str) -> None:
        topic = f"projects/{PROJECT}/topics/{TOPICS['SUBSCRIPTION']}"
        self._publisher.publish(topic=topic, messages=[{"data": text.encode()} for text in texts])

    def take(self, name: str) -> list[Any]:
        """The messages of a topic that nobody has taken; they are acknowledged."""
        subscription = f"projects/{PROJECT}/subscriptions/{TOPICS[name]}"
        found = self._subscriber.pull(request={"subscription": subscription, "max_messages": 100, "return_immediately": True}).received_messages
        if found:
            self._subscriber.acknowledge(subscription=subscription, ack_ids=[each.ack_id for each in found])
        return [each.message for each in found]


@pytest.fixture
def topics(stack: Stack) -> Iterator[Topics]:
    if not stack.config.has_pubsub:
        pytest.fail("this needs the Pub/Sub emulator: the component pubsub-emulator of gcloud")
    found = Topics(stack.config.port("pubsub"))
    found.take("COMPLETE_TOPIC")
    return found


def runs_of(api: AirflowApi, day: date, known: set[str]) -> list[str]:
    return [run.run_id for run in api.runs(DAILY_DAG) if run.conf.get("game_date") == str(day) and run.run_id not in known]


@pytest.mark.timeout(300)
def test_messages_grade_their_dates_and_a_poison_message_stops_nothing(
    topics: Topics, api: AirflowApi, client: bigquery.Client, dates: list[date]
) -> None:
    known = {run.run_id for run in api.runs(DAILY_DAG)}
    request = json.dumps({"target_date": str(dates[0]), "trigger_source": "a test"})
    topics.publish("poison", *[request] * 5)
    time.sleep(3)
    topics.publish(*[request] * 5, '{"target_date": "2999-01-01"}')

    until(lambda: runs_of(api, dates[0], known), "a message has started a run", seconds=120)
    until(lambda: not api.runs(MESSAGES_DAG, "queued", "running"), "every message is read", seconds=120)
    started = runs_of(api, dates[0], known)
    until(lambda: all(api.run(DAILY_DAG, run_id).state in FINISHED for run_id in started), "the gradings are done", seconds=120)
    assert {api.run(DAILY_DAG, run_id).state for run_id in started} == {"success"}

    keys = "player_lookup, game_id, system_id, line_value"
    text = f"SELECT COUNT(*) AS n FROM (SELECT {keys} FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{dates[0]}' GROUP BY {keys} "
    assert next(iter(client.query(f"{text} HAVING COUNT(*) > 1)").result(timeout=60)))["n"] == 0
    completions = [json.loads(message.data) for message in topics.take("COMPLETE_TOPIC")]
    mine = [each for each in completions if each["run_id"] in started]
    assert len(mine) == len(started)
    assert all(each["graded"] + each["voided"] + each["pending"] == each["gradable"] > 0 and each["fencing_token"] for each in mine)
    refused: list[Any] = []
    until(lambda: refused.extend(topics.take("DEAD_LETTER_TOPIC")) or len(refused) >= 2, "the refused messages are kept")
    reasons = sorted(message.attributes["reason"] for message in refused)
    assert [message.data for message in refused if "is not JSON" in message.attributes["reason"]] == [b"poison"], reasons
    assert len([reason for reason in reasons if "is not over yet" in reason]) == 1, reasons
    assert topics.take("SUBSCRIPTION") == [], "every message is acknowledged"
