"""
Remove duplicate keys from a table, date by date, keeping the row of each key that was written first.

**What.** Counts, per date of the range, rows, keys and the rows that would go. Not on a dry run: takes a snapshot of the whole table
(its name is in the run's result), asks a person in the UI, then repairs date by date under that date's lease: staged, audited
(one row per key, no key lost), published by one fenced transaction, looked at again. Announces the changed dates, so that what is
computed from them follows. Marks what was found as resolved in `grading_duplicate_audit`.

**When.** By hand, after an alert `duplicates-found`; a dry run first, which is the default. By itself, and without asking, for what a check
after a write has found, where that is at most `GRADING_AUTO_REPAIR_ROWS` rows of a date.

**If it fails.** It stops at the first date whose repair fails, with nothing of that date changed. Dates before it are done. Clear the
failed task, or run it again.

**Safe to rerun?** Yes: a date without duplicates is left alone. `restore_from_backup` takes it back.

**Params.** `table`: prediction_accuracy or player_prop_predictions. `from_date`, `to_date`: both included. `dry_run`: count only. `auto_approve`:
for automation; without it, no answer within `GRADING_APPROVAL_HOURS` is a no. `use_lease`: off for emergencies, behind the fence alone;
empty means the setting.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from nba_grading.airflow.dag_defaults import GRADING_POOL, START_DATE, WRITE_TIMEOUT, default_args
from nba_grading.airflow.operators.repair import RemoveDuplicatesOperator
from nba_grading.airflow.tasks.repair import ApprovalUnlessAutomated, approval_timeout, back_up_table, plan_duplicates
from nba_grading.warehouse.tables import PREDICTION_ACCURACY, REPAIRABLE


@dag(
    schedule=None,
    start_date=START_DATE,
    max_active_runs=1,
    default_args=default_args(),
    doc_md=__doc__,
    tags=["grading", "maintenance"],
    params={
        "table": Param(PREDICTION_ACCURACY.name, type="string", enum=list(REPAIRABLE), description="Table to repair."),
        "from_date": Param(type="string", format="date", description="First date, YYYY-MM-DD."),
        "to_date": Param(type="string", format="date", description="Last date, included."),
        "dry_run": Param(True, type="boolean", description="Count only; change nothing."),
        "auto_approve": Param(False, type="boolean", description="Do not ask a person."),
        "use_lease": Param(None, type=["null", "boolean"], description="Off: write behind the fence alone, for emergencies. Empty: the setting."),
    },
)
def remove_duplicates() -> None:
    @task
    def plan() -> dict[str, Any]:
        return plan_duplicates(get_current_context())

    @task
    def back_up(planned: dict[str, Any]) -> dict[str, Any]:
        return back_up_table(get_current_context(), planned)

    approve = ApprovalUnlessAutomated(
        task_id="approve",
        subject="Remove {{ ti.xcom_pull(task_ids='plan')['duplicates'] }} duplicate rows of {{ params.table }}?",
        body="Per date: {{ ti.xcom_pull(task_ids='plan')['dates'] }}. Backup: {{ ti.xcom_pull(task_ids='back_up')['backup'] }}.",
        defaults="Reject",
        response_timeout=approval_timeout(),
    )

    repair = RemoveDuplicatesOperator(task_id="repair", pool=GRADING_POOL, execution_timeout=WRITE_TIMEOUT)

    back_up(plan()) >> approve >> repair  # type: ignore[arg-type]


remove_duplicates()
