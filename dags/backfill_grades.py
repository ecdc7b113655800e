"""
Grade a range of game dates, up to 32 of them in one write.

**What.** Plans the dates of the range that no run has graded, then grades them in chunks. A chunk is one guarded write: one staging
table, one audit by date, and one transaction that replaces each date whole. It checks its dates as `grade_predictions` does, and adds one
row for each to `grading_runs`. A date that cannot be graded fails alone; the others go on.

**When.** By `make backfill FROM=… TO=…`, from the UI with a range, and by `heal_grading`. Next to scheduled runs and other backfills:
a date that is being written is left for later and waits for its lease, without a worker slot.

**If it fails.** The task `report` names the dates that failed, with the reason of the first. Each date holds either its old rows or one
complete write. Run it again: it does only what is left. While the circuit breaker is open the chunks wait instead of failing.

**Safe to rerun?** Yes, at any time.

**Params.** `from_date`, `to_date`: the range, both included, YYYY-MM-DD. `regrade`: grade dates again that are graded. `dates`: only these
dates of the range. `allow_shrink`, `use_lease`, `override_breaker`: as in `grade_predictions`.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, get_current_context, task

from nba_grading.airflow.assets import GRADES
from nba_grading.airflow.dag_defaults import GRADING_POOL, WRITE_TIMEOUT, WRITING_RUN_TIMEOUT, grading_dag
from nba_grading.airflow.operators.backfill import GradeDatesOperator
from nba_grading.airflow.params import ALLOW_SHRINK, FROM_DATE, ONLY_DATES, OVERRIDE_BREAKER, TO_DATE, USE_LEASE
from nba_grading.airflow.tasks.backfill import plan_dates, report_dates
from nba_grading.airflow.tasks.validate import REPAIR_DAG


@grading_dag(
    __doc__,
    schedule=None,
    recorded=True,
    dagrun_timeout=WRITING_RUN_TIMEOUT,
    max_active_runs=4,
    tags=["grading"],
    params={
        "from_date": FROM_DATE,
        "to_date": TO_DATE,
        "regrade": Param(False, type="boolean", title="Grade again", description="Also grade dates again that are graded."),
        "dates": ONLY_DATES,
        "allow_shrink": ALLOW_SHRINK,
        "use_lease": USE_LEASE,
        "override_breaker": OVERRIDE_BREAKER,
    },
)
def backfill_grades() -> None:
    @task
    def plan() -> list[list[str]]:
        return plan_dates(get_current_context())

    chunk = GradeDatesOperator.partial(task_id="grade", pool=GRADING_POOL, execution_timeout=WRITE_TIMEOUT, outlets=[GRADES])
    grade = chunk.expand(game_dates=plan())

    @task(trigger_rule="all_done")
    def report() -> list[dict[str, Any]]:
        return report_dates(get_current_context())

    reported = report()
    grade >> reported
    TriggerDagRunOperator.partial(task_id="repair_small_finds", trigger_dag_id=REPAIR_DAG).expand(conf=reported)


backfill_grades()
