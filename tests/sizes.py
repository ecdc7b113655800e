"""How much of everything the tests try: quick by default, all of it with FULL_TESTS=1 in the environment (`make test-full`)."""

from __future__ import annotations

import os

# The files that take longer than half a minute, the longest first.
LONGEST_FILES = (
    *("dags/test_grade_predictions", "dags/test_maintenance", "dags/test_aggregate_performance", "emulator/test_stress", "emulator/test_proxy"),
    *("dags/test_lineage", "dags/test_consolidate_predictions", "emulator/test_kills_aggregates", "emulator/test_kills_consolidation"),
    *("emulator/test_consolidation", "emulator/test_bench", "emulator/test_kills_repairs", "sql/test_sql_cases"),
    *("emulator/test_grading_property", "dags/test_task_incidents", "emulator/test_incident"),
)

FULL = os.environ.get("FULL_TESTS") == "1"


def examples(quick: int, full: int) -> int:
    """The number of examples of a property."""
    return full if FULL else quick
