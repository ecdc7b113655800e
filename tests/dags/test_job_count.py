"""How many BigQuery jobs the whole chain costs, by the emulator's list of jobs: each is a round trip, and billed for 10 MB a table at least."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from google.cloud import bigquery

from nba_grading.pipelines.aggregate import find_stale
from nba_grading.warehouse.client import Warehouse
from tests.dags.runs import insert_box_scores, insert_predictions, run_in_process

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

FIRST = date(2026, 1, 1)
# Of one date, and of each date of a backfill: from the first look at its inputs to fresh aggregates.
MOST_JOBS_OF_A_DATE, MOST_JOBS_A_DATE_IN_A_BACKFILL = 24, 3


def jobs_of(client: bigquery.Client) -> dict[str, bigquery.QueryJob]:
    return {job.job_id: job for job in client.list_jobs(all_users=True)}


def chain(warehouse: Warehouse, *runs: tuple[str, dict[str, Any]]) -> list[str]:
    """The jobs of these runs, in order: DAG, task, and the first words of the statement."""
    before = jobs_of(warehouse.client).keys()
    for dag_id, conf in runs:
        assert str(run_in_process(dag_id, **conf).state) == "success"
    new = [job for job_id, job in jobs_of(warehouse.client).items() if job_id not in before]
    new.sort(key=lambda job: job.created)
    return [f"{job.labels['airflow-dag']}.{job.labels['airflow-task']}: {statement_of(job)}" for job in new]


def statement_of(job: bigquery.QueryJob) -> str:
    """The statement without its comment, cut to a line."""
    lines = [line.strip() for line in job.query.splitlines() if line.strip() and not line.lstrip().startswith("--")]
    return " ".join(lines)[:110]


def show(title: str, jobs: list[str]) -> None:
    counted = Counter(job.partition(":")[0] for job in jobs)
    print(f"\n{title}: {len(jobs)} jobs; {', '.join(f'{task} {count}' for task, count in counted.items())}", *jobs, sep="\n  ")


def test_a_graded_date_and_its_aggregates_cost_at_most_24_jobs(warehouse: Warehouse) -> None:
    insert_predictions(warehouse, [FIRST])
    insert_box_scores(warehouse, [FIRST])
    jobs = chain(warehouse, ("grade_predictions", {"game_date": str(FIRST)}), ("aggregate_performance", {}))
    show("one date, first of its season", jobs)
    assert not any(find_stale(warehouse).values())
    insert_predictions(warehouse, [FIRST + timedelta(days=1)])
    insert_box_scores(warehouse, [FIRST + timedelta(days=1)])
    next_jobs = chain(warehouse, ("grade_predictions", {"game_date": str(FIRST + timedelta(days=1))}), ("aggregate_performance", {}))
    show("one date, whose season has fences", next_jobs)
    assert not any(find_stale(warehouse).values())
    assert len(next_jobs) <= MOST_JOBS_OF_A_DATE
    assert len(jobs) - len(next_jobs) <= 5, "the first date of a season seeds the fences of the grades and of each aggregate"


def test_a_backfill_of_32_dates_and_their_aggregates_costs_at_most_3_jobs_a_date(warehouse: Warehouse) -> None:
    days = [FIRST + timedelta(days=number) for number in range(32)]
    insert_predictions(warehouse, days)
    insert_box_scores(warehouse, days)
    jobs = chain(warehouse, ("backfill_grades", {"from_date": str(days[0]), "to_date": str(days[-1])}), ("aggregate_performance", {}))
    show("a backfill of 32 dates", jobs)
    assert not any(find_stale(warehouse).values())
    [row] = warehouse.query("SELECT COUNT(DISTINCT game_date) AS dates FROM nba_predictions.prediction_accuracy")
    assert row["dates"] == len(days)
    assert len(jobs) <= MOST_JOBS_A_DATE_IN_A_BACKFILL * len(days)
