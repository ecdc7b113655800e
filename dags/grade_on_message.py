"""
Grade the dates that messages of Pub/Sub ask for.

**What.** Reads the messages of the subscription `GRADING_PUBSUB_SUBSCRIPTION`, such as
`{"target_date": "2026-01-10", "trigger_source": "box-scores"}`, and starts a run of `grade_predictions` for each date. Several messages
for one date are one run. A message that names no date that can be graded goes to `GRADING_PUBSUB_DEAD_LETTER_TOPIC` with the reason, and
Slack says so; the others are not held up. A message is acknowledged once the runs exist; one that is delivered twice grades once more.

**When.** When a message arrives, within seconds. Off while the setting is empty.

**If it fails.** The messages come again after the subscription's ack deadline. `grade_predictions` also runs on its schedule.

**Safe to rerun?** Yes.

**Params.** None.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import get_current_context, task

from nba_grading.airflow.dag_defaults import grading_dag
from nba_grading.airflow.pubsub import acknowledge, make_requests_asset, read_requests

requests = make_requests_asset()


@grading_dag(__doc__, schedule=[requests] if requests else None, dagrun_timeout=timedelta(hours=1), tags=["grading"])
def grade_on_message() -> None:
    @task
    def read() -> list[dict[str, Any]]:
        return read_requests(get_current_context())

    grade = TriggerDagRunOperator.partial(task_id="grade", trigger_dag_id="grade_predictions").expand(conf=read())

    # Also when every message was refused, and there is nothing to grade.
    @task(trigger_rule="none_failed")
    def acknowledge_messages() -> int:
        return acknowledge(get_current_context())

    grade >> acknowledge_messages()


grade_on_message()
