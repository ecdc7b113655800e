"""A writer killed with SIGKILL before, after or inside any statement leaves the date as it was or as it should be; the next one finishes."""

from __future__ import annotations

import json
import signal
from datetime import date

import pytest
from google.cloud import bigquery

from tests.emulator.small_date import ROWS, Writer, stored

# create staging, insert, audit, count outcomes, seed fence, publish, drop staging
STATEMENTS = range(1, 8)


@pytest.mark.parametrize("when", ["before", "after", "inside"])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_killed_writer_leaves_a_whole_date_and_the_next_one_finishes(
    when: str, statement: int, bigquery_client: bigquery.Client, small_date: date, start_writer: Writer
) -> None:
    assert start_writer("unleased", str(small_date), "before").wait(timeout=120) == 0
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
