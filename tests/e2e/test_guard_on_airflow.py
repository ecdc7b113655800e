"""The guard on a running Airflow: a triggerer that dies while a run waits, a Firestore that dies in the middle of a backfill, metrics."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from google.cloud import bigquery

from commands.airflow_api import FINISHED, AirflowApi
from commands.stack import Stack
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.leases.times import LeaseTimes
from nba_grading.warehouse.client import Warehouse
from proofs.emulator import client_of
from proofs.publishes import insert_synthetic_date
from tests.conftest import BYTES
from tests.e2e.conftest import StatsdReceiver

Start = Callable[..., "subprocess.Popen[str]"]
DAG_ID = "grade_predictions"
FIRST, DATES, PREDICTIONS = date(2026, 2, 1), 10, 120
WAITING = date(2026, 2, 20)


@pytest.fixture(scope="module")
def warehouse(client: bigquery.Client, api: AirflowApi) -> Warehouse:
    """BigQuery of the stack, with the made-up dates of this module, once the aggregates of the modules before it are done."""
    until(lambda: api.active_runs("aggregate_performance") == 0, seconds=240)
    warehouse = Warehouse(client, maximum_bytes_billed=BYTES, retry_seconds=30)
    for day in [*(FIRST + timedelta(days=number) for number in range(DATES)), WAITING]:
        insert_synthetic_date(warehouse, day, PREDICTIONS)
    return warehouse


def until(incident: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not incident():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def grading_runs(warehouse: Warehouse, first: date, last: date) -> list[dict[str, Any]]:
    runs = "SELECT * FROM nba_predictions.grading_runs WHERE operation = 'grading' AND game_date BETWEEN @first AND @last ORDER BY game_date"
    return warehouse.query(runs, {"first": first, "last": last})


def surplus_rows(warehouse: Warehouse, first: date, last: date) -> int:
    count = (
        "SELECT COUNT(*) - (SELECT COUNT(*) FROM (SELECT DISTINCT game_date, player_lookup, game_id, system_id, line_value "
        "FROM nba_predictions.prediction_accuracy WHERE game_date BETWEEN @first AND @last)) AS n "
        "FROM nba_predictions.prediction_accuracy WHERE game_date BETWEEN @first AND @last"
    )
    return int(warehouse.query(count, {"first": first, "last": last})[0]["n"])


def slack_messages(stack: Stack) -> list[str]:
    return [message["text"] for message in httpx.get(f"{stack.config.url('slack')}/messages").json()]


@pytest.mark.timeout(600)
def test_a_run_that_waits_for_a_lease_outlives_its_triggerer(stack: Stack, api: AirflowApi, warehouse: Warehouse, statsd: StatsdReceiver) -> None:
    if not stack.config.has_firestore:
        pytest.fail("this needs the Firestore emulator: gcloud and Java")
    leases = LeaseManager(FirestoreLeaseStore(client_of(stack.config.port("firestore")), rpc_seconds=5), LeaseTimes(lease_s=30))
    lease = leases.acquire(LeaseKey("grading", WAITING), {"dag_id": "somebody_else", "run_id": "backfill__1"})
    run_id = api.trigger(DAG_ID, {"game_date": str(WAITING)})
    until(lambda: api.task_state(DAG_ID, run_id, "grade") == "deferred")
    stack.stop("triggerer")
    stack.start("triggerer")
    time.sleep(3)
    assert api.task_state(DAG_ID, run_id, "grade") == "deferred"
    lease.release()
    until(lambda: api.run(DAG_ID, run_id).state in FINISHED)
    [row] = grading_runs(warehouse, WAITING, WAITING)
    assert (row["outcome"], row["leased"]) == ("graded", True), row["detail"]
    assert row["lease_wait_ms"] > 3000

    metrics = {line.split(":")[0]: line for line in statsd.lines if "grading." in line}
    for name in ("lease_wait_ms", "lease_held_ms", "lease_contention"):
        assert f"airflow.grading.{name},operation=grading" in metrics, sorted(metrics)
    waits = [float(line.split(":")[1].split("|")[0]) for line in statsd.lines if line.startswith("airflow.grading.lease_wait_ms,")]
    # Other runs of the session have waited as well.
    assert any(wait == pytest.approx(row["lease_wait_ms"], abs=1) for wait in waits)


@pytest.mark.timeout(600)
def test_a_firestore_that_dies_in_the_middle_of_a_backfill_costs_no_date_and_one_alert(
    stack: Stack, api: AirflowApi, warehouse: Warehouse, start_command: Start, statsd: StatsdReceiver
) -> None:
    last = FIRST + timedelta(days=DATES - 1)
    sweep = api.trigger("release_stuck_leases", {})
    until(lambda: api.run("release_stuck_leases", sweep).state == "success")
    before = len(slack_messages(stack))
    process = start_command("backfill", "--from", str(FIRST), "--to", str(last))
    # All dates are one write, which begins when the plan is made.
    until(lambda: bool(api.runs("backfill_grades", "queued", "running")))
    stack.stop("firestore")
    try:
        out, errors = process.communicate(timeout=400)
        assert process.returncode == 0, out + errors

        runs = grading_runs(warehouse, FIRST, last)
        assert [run["game_date"] for run in runs] == [FIRST + timedelta(days=number) for number in range(DATES)]
        assert {run["outcome"] for run in runs} == {"graded"}, [run["detail"] for run in runs]
        unleased = [run for run in runs if not run["leased"]]
        assert unleased, "the outage met no run: it proves nothing"
        assert all(run["unleased_reason"] for run in unleased)
        assert surplus_rows(warehouse, FIRST, last) == 0
        assert [text.startswith("CRITICAL: The lease store does not answer") for text in slack_messages(stack)[before:]] == [True]
        assert any(line.startswith("airflow.grading.lease_degraded,operation=grading:1|c") for line in statsd.lines)
    finally:  # the tests after this one need it
        stack.start("firestore")

    run_id = api.trigger("release_stuck_leases", {})
    until(lambda: api.run("release_stuck_leases", run_id).state in FINISHED)
    assert "The lease store answers" in slack_messages(stack)[-1]
    assert len(slack_messages(stack)) == before + 2
