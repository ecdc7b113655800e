"""
Say what a regrade of a range of game dates would change, before anything does.

**What.** Stages and audits the grades that a regrade would publish, compares them with the stored ones key by key, and drops them. Counts
keys that are new, gone (and why), void that becomes graded and the reverse, changed by the box score, by the prediction or by the rules,
and unchanged; by date and by system, with mean error, bias and win rate before and after. A date that the audit would stop is named with
the reason. Publishes nothing, so it takes no lease.

**When.** By `make preview FROM=… TO=…`, or from the UI with a range: before a regrade of history, and after a change of the rules.

**If it fails.** Nothing is changed. A staging table that a killed run leaves is found by `clean_staging_tables`.

**Safe to rerun?** Yes, at any time.

**Params.** `from_date`, `to_date`: the range, both included, YYYY-MM-DD. `dates`: only these dates of the range. `allow_shrink`: as in
`grade_predictions`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import get_current_context, task

from nba_grading.airflow.dag_defaults import WRITE_TIMEOUT, grading_dag
from nba_grading.airflow.params import ALLOW_SHRINK, FROM_DATE, ONLY_DATES, TO_DATE
from nba_grading.airflow.tasks.preview import preview_range


@grading_dag(
    __doc__,
    schedule=None,
    dagrun_timeout=timedelta(hours=5),
    max_active_runs=4,
    tags=["grading"],
    params={"from_date": FROM_DATE, "to_date": TO_DATE, "dates": ONLY_DATES, "allow_shrink": ALLOW_SHRINK},
)
def preview_regrade() -> None:
    @task(execution_timeout=WRITE_TIMEOUT)
    def preview() -> dict[str, Any]:
        return preview_range(get_current_context())

    preview()


preview_regrade()
