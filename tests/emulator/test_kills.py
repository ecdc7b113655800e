"""A writer killed with SIGKILL before, after or inside any statement leaves the date as it was or as it should be; the next one finishes."""

from __future__ import annotations

import json
import signal
from datetime import date

import pytest

from nba_grading.warehouse import Warehouse
from tests.emulator.small_date import ROWS, Writer, grade_unleased, stored

# seed fence, create staging, insert, audit, count outcomes, publish, drop staging
STATEMENTS = range(1, 8)


@pytest.mark.parametrize("when", ["before", "after", "inside"])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_killed_writer_leaves_a_whole_date_and_the_next_one_finishes(
    when: str, statement: int, warehouse: Warehouse, small_date: date, start_writer: Writer
) -> None:
    bigquery_client = warehouse.client
    grade_unleased(warehouse, small_date, "before")
    victim = start_writer("leased", str(small_date), "victim", f"--die-{when}", str(statement))
    assert victim.wait(timeout=120) == -signal.SIGKILL, victim.communicate()
    rows, keys, runs = stored(bigquery_client, small_date)
    assert (rows, keys) == (ROWS, ROWS)
    assert runs in ({"before"}, {"victim"})

    heir = start_writer("leased", str(small_date), "heir")
    out, errors = heir.communicate(timeout=120)
    assert heir.returncode == 0, errors
    assert json.loads(out)["graded"] + json.loads(out)["voided"] == ROWS
    assert stored(bigquery_client, small_date) == (ROWS, ROWS, {"heir"})
