"""
Remove duplicate keys from a table, date by date, keeping the row of each key that was written first.

**What.** Counts, per date of the range, rows, keys and the rows to be removed. Unless it is a dry run, it asks a person in the UI, then
takes a snapshot of the whole table (its name is in the run's result; it expires after `GRADING_BACKUP_DAYS`), then repairs the
dates together, each under its own lease: staged, audited (one row per key, no key lost), published by one fenced transaction, checked again.
It announces the changed dates to the DAGs that follow, and marks the findings as resolved in `grading_duplicate_audit`.

**When.** By hand, after an alert `duplicates-found`; first as a dry run, which is the default. Automatically and without approval when a
check finds at most `GRADING_AUTO_REPAIR_ROWS` surplus rows on a date.

**If it fails.** It stops at the first date whose repair fails, and leaves that date unchanged. The dates before it are done. Clear the
failed task, or run it again.

**Safe to rerun?** Yes: a date without duplicates is left alone. `restore_from_backup` undoes it.

**Params.** `table`: prediction_accuracy or player_prop_predictions. `from_date`, `to_date`: both included. `dry_run`: count only. `auto_approve`:
for automation; without it, no answer within `GRADING_APPROVAL_HOURS` is a rejection. `use_lease`: on, off, or as configured.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, get_current_context, task

from nba_grading.airflow.dag_defaults import GRADING_POOL, WRITE_TIMEOUT, WRITING_RUN_TIMEOUT, grading_dag
from nba_grading.airflow.operators.repair import RemoveDuplicatesOperator
from nba_grading.airflow.params import DRY_RUN, FROM_DATE, TABLE, TO_DATE, USE_LEASE
from nba_grading.airflow.tasks.repair import ApproveRepairOperator, approval_timeout, back_up_table, plan_duplicates


@grading_dag(
    __doc__,
    schedule=None,
    dagrun_timeout=WRITING_RUN_TIMEOUT + approval_timeout(),
    tags=["grading", "maintenance"],
    params={
        "table": TABLE,
        "from_date": FROM_DATE,
        "to_date": TO_DATE,
        "dry_run": DRY_RUN,
        "auto_approve": Param(False, type="boolean", title="Approve automatically", description="Do not ask a person."),
        "use_lease": USE_LEASE,
    },
)
def remove_duplicates() -> None:
    @task
    def plan() -> dict[str, Any]:
        return plan_duplicates(get_current_context())

    approve = ApproveRepairOperator(
        task_id="approve",
        subject="Remove {{ ti.xcom_pull(task_ids='plan')['duplicates'] }} duplicate rows of {{ params.table }}?",
        body="Per date: {{ ti.xcom_pull(task_ids='plan')['dates'] }}. A backup is taken right before the repair.",
        defaults="Reject",
        response_timeout=approval_timeout(),
    )

    @task
    def back_up() -> dict[str, Any]:
        return back_up_table(get_current_context())

    repair = RemoveDuplicatesOperator(task_id="repair", pool=GRADING_POOL, execution_timeout=WRITE_TIMEOUT)

    plan() >> approve >> back_up() >> repair


remove_duplicates()
