"""
Restore dates of a table from a backup that back_up_tables or remove_duplicates took.

**What.** Replaces each date of the range with the rows of the backup, duplicates included, under that date's lease and by the same
guarded write as every other.

**When.** By hand, when a repair turned out to be wrong; first as a dry run, which is the default.

**If it fails.** It stops at the first date that fails, and leaves that date unchanged. An unknown or expired backup is refused, with the
names of the existing ones.

**Safe to rerun?** Yes.

**Params.** `table`: prediction_accuracy or player_prop_predictions. `backup`: its name, such as `_backup_prediction_accuracy_20260110064500`.
`from_date`, `to_date`: both included. `dry_run`: report what would change. `use_lease`: on, off, or as configured.
"""

from __future__ import annotations

from airflow.sdk import Param

from nba_grading.airflow.dag_defaults import GRADING_POOL, WRITE_TIMEOUT, WRITING_RUN_TIMEOUT, grading_dag
from nba_grading.airflow.operators.repair import RestoreOperator
from nba_grading.airflow.params import DRY_RUN, FROM_DATE, TABLE, TO_DATE, USE_LEASE, full_match


@grading_dag(
    __doc__,
    schedule=None,
    dagrun_timeout=WRITING_RUN_TIMEOUT,
    tags=["grading", "maintenance"],
    params={
        "table": TABLE,
        "backup": Param(type="string", pattern=full_match("_backup_[a-z_]+_[0-9]{14}"), title="Backup", description="Backup that has the dates."),
        "from_date": FROM_DATE,
        "to_date": TO_DATE,
        "dry_run": DRY_RUN,
        "use_lease": USE_LEASE,
    },
)
def restore_from_backup() -> None:
    RestoreOperator(task_id="restore", pool=GRADING_POOL, execution_timeout=WRITE_TIMEOUT)


restore_from_backup()
