"""How many BigQuery jobs the whole chain costs, by the emulator's list of jobs: each is a round trip, and billed for 10 MB a table at least."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest

from nba_grading.pipelines.aggregate import find_stale
from nba_grading.warehouse.client import Warehouse
from tests.dags.runs import insert_box_scores, insert_predictions, remember_jobs, run_in_process

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

FIRST = date(2026, 1, 1)
# Of one date, and of each date of a backfill: from the first look at its inputs to fresh aggregates.
# Three for each of six tables, and ten around them.
MOST_JOBS_OF_A_DATE, MOST_JOBS_A_DATE_IN_A_BACKFILL, MOST_SEEDS = 28, 3, 6
MOST_JOBS_LISTED = 1000


class Jobs:
    """Counts jobs by the emulator's list, which has no labels; what each of them is comes from where it was submitted."""

    def __init__(self, warehouse: Warehouse, patch: pytest.MonkeyPatch) -> None:
        self._client, self._submitted = warehouse.client, remember_jobs(patch)

    def listed(self) -> list[str]:
        """The ids of the newest jobs, in order."""
        found = list(self._client.list_jobs(all_users=True, max_results=MOST_JOBS_LISTED))
        return [job.job_id for job in sorted(found, key=lambda job: job.created)]

    def of(self, *runs: tuple[str, dict[str, Any]]) -> list[str]:
        """The jobs of these runs, in order: DAG, task and statement."""
        before = set(self.listed())
        for dag_id, conf in runs:
            assert str(run_in_process(dag_id, **conf).state) == "success"
        return [self._submitted.get(job_id, "not by a warehouse") for job_id in self.listed() if job_id not in before]


@pytest.fixture
def jobs(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    return Jobs(warehouse, monkeypatch)


def show(title: str, jobs: list[str]) -> None:
    counted = Counter(job.partition(":")[0] for job in jobs)
    print(f"\n{title}: {len(jobs)} jobs; {', '.join(f'{task} {count}' for task, count in counted.items())}", *jobs, sep="\n  ")


def test_a_graded_date_and_its_aggregates_cost_at_most_28_jobs(warehouse: Warehouse, jobs: Jobs) -> None:
    days = [FIRST, FIRST + timedelta(days=1)]
    insert_predictions(warehouse, days)
    insert_box_scores(warehouse, days)
    found = []
    for day, title in zip(days, ("the first date of its season", "a date of a season that has fences"), strict=True):
        found.append(jobs.of(("grade_predictions", {"game_date": str(day)}), ("aggregate_performance", {})))
        show(title, found[-1])
    assert not any(find_stale(warehouse).values())
    first, usual = map(len, found)
    assert usual <= MOST_JOBS_OF_A_DATE
    assert first - usual <= MOST_SEEDS, "of the grades and of each aggregate, once a season"


def test_a_backfill_of_32_dates_and_their_aggregates_costs_at_most_3_jobs_a_date(warehouse: Warehouse, jobs: Jobs) -> None:
    days = [FIRST + timedelta(days=number) for number in range(32)]
    insert_predictions(warehouse, days)
    insert_box_scores(warehouse, days)
    found = jobs.of(("backfill_grades", {"from_date": str(days[0]), "to_date": str(days[-1])}), ("aggregate_performance", {}))
    show(f"a backfill of {len(days)} dates", found)
    assert not any(find_stale(warehouse).values())
    [row] = warehouse.query("SELECT COUNT(DISTINCT game_date) AS dates FROM nba_predictions.prediction_accuracy")
    assert row["dates"] == len(days)
    assert len(found) <= MOST_JOBS_A_DATE_IN_A_BACKFILL * len(days)
