"""A morning on call: three faults, one summary that names them, the runbook's steps typed as the summary says, and everything is resolved.

The commands are read from Slack and given to Airflow as they stand: what cannot be typed as written fails here.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import httpx
import pytest
from google.cloud import bigquery

from commands.airflow_api import FINISHED, AirflowApi, AirflowApiError
from commands.slack_sink import text_of
from commands.stack import Stack
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from proofs.emulator import client_of
from tests.e2e.test_backfill import Start

COMMAND = re.compile(r"airflow dags trigger (\w+) --conf '(\{.*?\})'")
HOLDER = "0123456789abcdef0123456789abcdef"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def since(stack: Stack, client: bigquery.Client) -> Iterator[int]:
    """How many messages there are before the test, whose results no other test is to count."""
    yield len(messages(stack))
    client.query("DELETE FROM nba_predictions.data_quality_results WHERE TRUE").result(timeout=60)


@pytest.fixture
def stuck_lease(stack: Stack, dates: list[date]) -> Iterator[str]:
    """A lease whose holder died: it is stuck 72 seconds later, and removed as dead after 212."""
    if not stack.config.has_firestore:
        pytest.fail("this needs the Firestore emulator: gcloud and Java")
    store = FirestoreLeaseStore(client_of(stack.config.port("firestore")), rpc_seconds=5)
    key = LeaseKey("consolidation", dates[1])
    owner = {"dag_id": "consolidate_predictions", "run_id": "manual__dead", "hostname": "gone"}
    store.create(key, {**owner, "holder_id": HOLDER, "lease_ms": 70_000, "inflight_job": None, "waited_ms": 0})
    yield str(key)
    left = store.read(key)
    if left is not None:
        store.delete(key, left.version)


def messages(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{stack.config.url('slack')}/messages").json()
    return found


def threads(stack: Stack, since: int, kind: str) -> list[dict[str, Any]]:
    """First messages of a kind, each with its thread's replies in ``replies``."""
    posted = messages(stack)[since:]
    firsts = [one for one in posted if not one.get("thread_ts") and f"#{kind}|Runbook" in text_of(one)]
    return [{**one, "replies": [reply for reply in posted if reply.get("thread_ts") == one["ts"]]} for one in firsts]


def task_states(api: AirflowApi, dag_id: str, run_id: str) -> dict[str, str | None]:
    entries = api._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances").json()["task_instances"]
    return {entry["task_id"]: entry["state"] for entry in entries}


def finish(api: AirflowApi, dag_id: str, run_id: str, also: Callable[[], None] = lambda: None) -> str:
    deadline = time.monotonic() + 120
    while (state := api.run(dag_id, run_id).state) not in FINISHED:
        assert time.monotonic() < deadline, (dag_id, run_id, task_states(api, dag_id, run_id))
        also()
        time.sleep(0.5)
    return state


def run(api: AirflowApi, dag_id: str, conf: dict[str, Any]) -> None:
    assert finish(api, dag_id, api.trigger(dag_id, conf)) == "success"


def approve(api: AirflowApi, run_id: str) -> None:
    """What the button in the UI sends."""
    if api.task_state("remove_duplicates", run_id, "approve") == "awaiting_input":
        path = f"/api/v2/dags/remove_duplicates/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
        with contextlib.suppress(AirflowApiError):  # SQLite was busy: asked again with the next look
            api._send("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {}}, ok=(200, 409))


def typed(text: str, dag_id: str) -> list[dict[str, Any]]:
    """The params of every command in a message that triggers a DAG."""
    return [json.loads(conf) for found, conf in COMMAND.findall(text.replace("&amp;", "&")) if found == dag_id]


def panel(api: AirflowApi, name: str) -> str:
    return str(api._get(f"/grading/api/{name}").json())


def state_on(api: AirflowApi, day: date) -> str:
    """A date's state on the page's calendar."""
    shown = api._get("/grading/api/calendar").json()["data"]["days"]
    [state] = [each["state"] for each in shown if each["game_date"] == str(day)]
    return str(state)


def until(is_so: Callable[[], bool], what: str) -> None:
    """The page shows its last answer at once, and asks again meanwhile."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(1)


def test_three_faults_are_named_in_one_summary_and_on_the_page_and_cleared_by_the_steps_it_says(
    stack: Stack, api: AirflowApi, client: bigquery.Client, dates: list[date], start_command: Start, since: int, stuck_lease: str
) -> None:
    first, last = dates[0], dates[-1]
    graded = start_command("backfill", "--from", str(first), "--to", str(dates[-2]))
    assert graded.wait(timeout=200) == 0
    everything = "SELECT * FROM nba_predictions.prediction_accuracy"
    client.query(
        f"INSERT INTO nba_predictions.prediction_accuracy {everything} WHERE game_date = DATE '{first}' AND system_id = "
        f"(SELECT MIN(system_id) FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{first}')"
    ).result(timeout=60)

    stuck = lambda: threads(stack, since, "lease-stuck")  # noqa: E731
    deadline = time.monotonic() + 120
    while not stuck():
        assert time.monotonic() < deadline
        run(api, "release_stuck_leases", {})
        time.sleep(5)
    run(api, "check_data_quality", {"day": str(last)})

    [summary] = threads(stack, since, "data-quality")
    text = text_of(summary)
    assert re.search(rf"duplicate_grades failed: .*{first}: \d+", text)
    assert "has no box score" in text
    assert f"The lease {stuck_lease} has not been renewed" in text
    until(lambda: "Data quality" in panel(api, "findings") and stuck_lease in panel(api, "findings"), "the page shows the findings")
    until(lambda: stuck_lease in panel(api, "leases"), "the page shows the lease")
    until(lambda: state_on(api, first) == "duplicates", "the page shows the duplicates")
    until(lambda: state_on(api, last) == "ungraded" or "pending" in state_on(api, last), "the page shows what is not graded")

    # The lease first, by its holder's id: a repair of that date would wait for it.
    [release] = typed(text, "release_stuck_leases")
    run(api, "release_stuck_leases", release)
    # The duplicates: the command of the summary is a dry run; then without, and a person's yes.
    for conf in typed(text, "remove_duplicates"):
        run(api, "remove_duplicates", conf)
        run_id = api.trigger("remove_duplicates", {**conf, "dry_run": False})
        assert finish(api, "remove_duplicates", run_id, lambda run_id=run_id: approve(api, run_id)) == "success"  # type: ignore[misc]
    # The box score: it is loaded, then the day is graded.
    client.query(
        "INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, team_abbr, points, minutes_played, updated_at) "
        "SELECT player_lookup, game_id, game_date, IF(MOD(ROW_NUMBER() OVER (ORDER BY player_lookup), 2) = 0, 'DET', 'LAC'), 20, NUMERIC '240', "
        "TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 60 SECOND) FROM ("
        f"SELECT DISTINCT player_lookup, game_id, game_date FROM nba_predictions.player_prop_predictions WHERE game_date = DATE '{last}')"
    ).result(timeout=60)
    backfills = set(re.findall(r"make backfill FROM=(\S+) TO=(\S+) REGRADE=1", text))
    assert (str(last), str(last)) in backfills, text
    assert start_command("backfill", "--from", str(last), "--to", str(last), "--regrade").wait(timeout=200) == 0

    run(api, "release_stuck_leases", {})
    run(api, "check_data_quality", {"day": str(last)})
    [summary], [lease] = threads(stack, since, "data-quality"), stuck()[:1]
    for thread in (summary, lease):
        assert "RESOLVED" in text_of(thread), text_of(thread)
        assert any("RESOLVED" in text_of(reply) and reply["reply_broadcast"] for reply in thread["replies"])
    until(lambda: "Data quality" not in panel(api, "findings"), "the page forgets the finding")
    until(lambda: stuck_lease not in panel(api, "findings") + panel(api, "leases"), "the page forgets the lease")
    until(lambda: state_on(api, first) != "duplicates", "the page forgets the duplicates")
    until(lambda: state_on(api, last) == "graded", "the page shows the day graded")
