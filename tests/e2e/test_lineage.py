"""OpenLineage's events of a run on a running Airflow, as a backend receives them from its scheduler and its tasks."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import pytest
from google.cloud import bigquery

from commands.airflow_api import FINISHED, AirflowApi
from commands.stack_config import PROJECT
from nba_grading.airflow.lineage import FACET
from tests.lineage_receiver import LineageReceiver, names, partitions

DAG_ID = "grade_predictions"
INPUTS = [
    f"bigquery {PROJECT}.{name}"
    for name in ("nba_box_scores.player_game_summary", "nba_predictions.accepted_games", "nba_predictions.player_prop_predictions")
]
OUTPUT = f"bigquery {PROJECT}.nba_predictions.prediction_accuracy"


def events_of(lineage: LineageReceiver, run_id: str, event_type: str) -> list[dict[str, Any]]:
    events = lineage.of(f"{DAG_ID}.grade", event_type)
    return [event for event in events if event["run"]["facets"]["airflow"]["dagRun"]["run_id"] == run_id]


@pytest.mark.timeout(300)
def test_a_graded_date_arrives_with_its_inputs_its_output_and_its_date(
    api: AirflowApi, client: bigquery.Client, dates: list[date], lineage: LineageReceiver
) -> None:
    day = dates[1]  # the first one has lost its box scores to another test
    run_id = api.trigger(DAG_ID, {"game_date": str(day)})
    deadline = time.monotonic() + 240
    while api.run(DAG_ID, run_id).state not in FINISHED:
        assert time.monotonic() < deadline
        time.sleep(0.2)

    query = f"SELECT * FROM nba_predictions.grading_runs WHERE run_id = '{run_id}'"
    [row] = client.query(query).result(timeout=60)
    assert row["outcome"] == "graded", row["detail"]
    [start] = events_of(lineage, run_id, "START")
    [complete] = events_of(lineage, run_id, "COMPLETE")
    for event in (start, complete):
        assert names(event["outputs"]) == [OUTPUT]
        assert partitions(event["outputs"][0]) == [{"game_date": str(day)}]
    assert names(complete["inputs"]) == INPUTS
    assert complete["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == row["written"]
    [write] = complete["run"]["facets"][FACET]["writes"]
    assert (write["gradingRunId"], write["fence"]) == (row["grading_run_id"], row["fencing_token"])
    assert complete["run"]["facets"]["parent"]["job"]["name"] == DAG_ID
