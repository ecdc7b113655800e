"""Writers of one date at the same time, in processes of their own."""

from __future__ import annotations

import json
from datetime import date

import pytest
from google.cloud import bigquery

from nba_grading.warehouse.client import Warehouse
from tests.emulator.small_date import ROWS, Writer, grade_unleased, stored

WRITERS = 4


@pytest.mark.parametrize("recipe", ["leased", "unleased"])
@pytest.mark.parametrize("filled", [False, True], ids=["empty date", "filled date"])
def test_racing_writers_leave_one_whole_write_and_no_duplicates(
    recipe: str, filled: bool, warehouse: Warehouse, small_date: date, start_writer: Writer
) -> None:
    bigquery_client = warehouse.client
    if filled:
        grade_unleased(warehouse, small_date, "before")
    writers = [start_writer(recipe, str(small_date), f"run{n}") for n in range(WRITERS)]
    ended = [writer.communicate(timeout=180) for writer in writers]
    tokens = [json.loads(out)["tokens"][str(small_date)] for (out, _), writer in zip(ended, writers, strict=True) if writer.returncode == 0]
    rows, keys, runs = stored(bigquery_client, small_date)
    assert (rows, keys) == (ROWS, ROWS)
    assert len(runs) == 1
    assert len(set(tokens)) == len(tokens) >= 1
    if recipe == "leased":
        assert [writer.returncode for writer in writers] == [0] * WRITERS, [error for _, error in ended]
    newest = next(iter(bigquery_client.query("SELECT MAX(fencing_token) AS t FROM nba_predictions.write_fences_prediction_accuracy").result()))["t"]
    assert newest == max(tokens)


def test_the_old_recipe_does_leave_duplicates_in_the_same_race(bigquery_client: bigquery.Client, small_date: date, start_writer: Writer) -> None:
    for _ in range(5):
        bigquery_client.query("DELETE FROM nba_predictions.prediction_accuracy WHERE TRUE").result(timeout=60)
        writers = [start_writer("unguarded", str(small_date), f"run{n}") for n in range(WRITERS)]
        assert [writer.wait(timeout=180) for writer in writers] == [0] * WRITERS
        rows, keys, _runs = stored(bigquery_client, small_date)
        if rows > keys:
            return
    pytest.fail("five races of the old recipe left no duplicates: the race test proves nothing")
