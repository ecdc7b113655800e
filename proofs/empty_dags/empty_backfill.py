"""The tasks of backfill_grades without their work, with as many chunks as its parameter says. For `make bench-season` alone."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, dag, get_current_context, task


@dag(schedule=None, catchup=False, params={"chunks": Param(1, type="integer")})
def empty_backfill() -> None:
    @task
    def plan() -> list[list[str]]:
        return [[str(number)] for number in range(int(get_current_context()["params"]["chunks"]))]

    @task
    def grade(game_dates: list[str]) -> list[dict[str, Any]]:
        del game_dates
        return []

    @task(trigger_rule="all_done")
    def report() -> list[dict[str, Any]]:
        return []

    reported = report()
    grade.expand(game_dates=plan()) >> reported
    TriggerDagRunOperator.partial(task_id="repair_small_finds", trigger_dag_id="empty_backfill").expand(conf=reported)


empty_backfill()
