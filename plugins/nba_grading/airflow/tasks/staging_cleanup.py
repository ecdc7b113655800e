"""The task of clean_staging_tables: judge every staging table, drop the proven ones unless it is a dry run, and say what was kept and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import fail_for_good
from nba_grading.events import get_logger

if TYPE_CHECKING:
    from airflow.sdk import Context

log = get_logger(__name__)

LISTED = 200


def clean_staging(context: Context) -> dict[str, Any]:
    """How many tables there are, may go (``proven``), went (``dropped``) and why the others stay; the first 200 of them in full."""
    from nba_grading.pipelines.staging_cleanup import drop_staging_tables, judge_staging_tables

    params, warehouse = context["params"], make_warehouse(context)
    with fail_for_good():
        tables = judge_staging_tables(warehouse, float(params["older_than_days"]))
        dropped = 0 if params["dry_run"] else drop_staging_tables(warehouse, tables)
    for table in tables:
        log.info("staging_table_classified", **asdict(table))
    kept = Counter(table.kept_because for table in tables if not table.is_proven)
    return {
        "tables": len(tables),
        "proven": sum(table.is_proven for table in tables),
        "dropped": dropped,
        "kept": dict(kept.most_common(20)),
        "listed": [asdict(table) for table in tables[:LISTED]],
    }
