"""
Bring dates of a table back from a backup that remove_duplicates took.

**What.** Replaces each date of the range by what the backup holds of it, duplicates included, under that date's lease and through the same
guarded write as every other.

**When.** By hand, when a repair turned out to be wrong; a dry run first, which is the default.

**If it fails.** It stops at the first date that fails, with nothing of that date changed. An unknown backup is refused with the names
of those there are.

**Safe to rerun?** Yes.

**Params.** `table`: prediction_accuracy or player_prop_predictions. `backup`: its name, such as `_backup_prediction_accuracy_20260110064500`.
`from_date`, `to_date`: both included. `dry_run`: say what would change. `use_lease`: off for emergencies, behind the fence alone; empty means
the setting.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from nba_grading.airflow.dag_defaults import GRADING_POOL, START_DATE, WRITE_TIMEOUT, default_args
from nba_grading.airflow.operators.repair import RestoreOperator
from nba_grading.warehouse.tables import PREDICTION_ACCURACY, REPAIRABLE


@dag(
    schedule=None,
    start_date=START_DATE,
    max_active_runs=1,
    default_args=default_args(),
    doc_md=__doc__,
    tags=["grading", "maintenance"],
    params={
        "table": Param(PREDICTION_ACCURACY.name, type="string", enum=list(REPAIRABLE), description="Table to restore."),
        "backup": Param(type="string", pattern="^_backup_[a-z_]+_[0-9]{14}$", description="Backup to take the dates from."),
        "from_date": Param(type="string", format="date", description="First date, YYYY-MM-DD."),
        "to_date": Param(type="string", format="date", description="Last date, included."),
        "dry_run": Param(True, type="boolean", description="Say what would change; change nothing."),
        "use_lease": Param(None, type=["null", "boolean"], description="Off: write behind the fence alone, for emergencies. Empty: the setting."),
    },
)
def restore_from_backup() -> None:
    RestoreOperator(task_id="restore", pool=GRADING_POOL, execution_timeout=WRITE_TIMEOUT)


restore_from_backup()
