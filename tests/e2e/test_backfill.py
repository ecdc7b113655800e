"""Through a running Airflow, as a person uses it: backfills that overlap, a trigger among them, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import date

from google.cloud import bigquery

from commands.aggregation import wait_for_aggregates
from commands.airflow_api import FINISHED, AirflowApi
from commands.stack import Stack
from commands.statements import COMMANDS_SQL
from nba_grading.pipelines.grade import complete_minutes
from nba_grading.warehouse.client import Warehouse
from tests.conftest import BYTES

Start = Callable[..., "subprocess.Popen[str]"]
DAG_ID, DAILY_DAG = "backfill_grades", "grade_predictions"


def test_overlapping_backfills_and_a_trigger_leave_whole_dates_and_a_row_for_every_write(
    start_command: Start, api: AirflowApi, client: bigquery.Client, dates: list[date]
) -> None:
    span = ("--from", str(dates[0]), "--to", str(dates[-1]))
    first = start_command("backfill", *span)
    deadline = time.monotonic() + 60
    while not api.runs(DAG_ID):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    second = start_command("backfill", *span, "--regrade")
    triggered = [api.trigger(DAILY_DAG, {"game_date": str(dates[1])}) for _ in range(2)]
    ends = [process.communicate(timeout=280) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ends
    deadline = time.monotonic() + 120
    while any(api.run(DAILY_DAG, run_id).state not in FINISHED for run_id in triggered):
        assert time.monotonic() < deadline
        time.sleep(0.5)

    summary = Warehouse(client, maximum_bytes_billed=BYTES, retry_seconds=30).query(COMMANDS_SQL.load("summarize_dates"), complete_minutes())
    assert [row["game_date"] for row in summary] == dates
    for row in summary:
        assert row["graded"] + row["voided"] + row["pending"] == row["gradable"] > 0
        assert row["duplicates"] == 0

    runs = [dict(row.items()) for row in client.query("SELECT * FROM nba_predictions.grading_runs WHERE operation = 'grading'").result(timeout=60)]
    rows = Counter((run["run_id"], run["game_date"]) for run in runs if run["dag_id"] == DAG_ID)
    assert set(rows.values()) == {1}, "each date once for each write"
    assert len({run_id for run_id, _ in rows}) == 2
    assert [sum(run["run_id"] == run_id for run in runs) for run_id in triggered] == [1, 1]
    assert [run for run in runs if run["game_date"] in dates[:-1] and run["outcome"] != "graded"] == []
    assert {run["outcome"] for run in runs if run["game_date"] == dates[-1]} == {"no_box_scores"}
    tokens = [run["fencing_token"] for run in runs if run["fencing_token"]]
    assert len(set(tokens)) == len(tokens)

    for out, _ in ends:
        for day in dates[:-1]:
            assert any(str(day) in line and "graded" in line for line in out.splitlines()), out


def test_what_was_graded_is_aggregated_without_being_asked(api: AirflowApi, client: bigquery.Client) -> None:
    warehouse = Warehouse(client, maximum_bytes_billed=BYTES, retry_seconds=30)
    assert wait_for_aggregates(api, warehouse) == []
    days = client.query("SELECT game_date, SUM(graded + voided) AS n FROM nba_predictions.system_daily_performance GROUP BY game_date").result(
        timeout=60
    )
    graded = client.query("SELECT game_date, COUNT(*) AS n FROM nba_predictions.prediction_accuracy GROUP BY game_date").result(timeout=60)
    assert {row["game_date"]: row["n"] for row in days} == {row["game_date"]: row["n"] for row in graded} != {}


def test_a_range_of_the_airflow_command_is_graded_by_the_same_code(stack: Stack, api: AirflowApi, client: bigquery.Client, dates: list[date]) -> None:
    command = ["backfill", "create", "--dag-id", DAILY_DAG, "--from-date", str(dates[0]), "--to-date", f"{dates[0]}T23:59:59"]
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *command, "--reprocess-behavior", "completed"],
        env=stack.config.environment(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    query = f"SELECT outcome FROM nba_predictions.grading_runs WHERE dag_id = '{DAILY_DAG}' AND run_type = 'backfill'"
    deadline = time.monotonic() + 120
    while not (found := [row["outcome"] for row in client.query(query).result(timeout=60)]):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert found == ["graded"]


def test_a_finished_date_is_left_alone_unless_a_regrade_is_asked_for(start_command: Start, client: bigquery.Client, dates: list[date]) -> None:
    count = "SELECT COUNT(*) AS n FROM nba_predictions.grading_runs WHERE operation = 'grading'"
    before = next(iter(client.query(count).result(timeout=60)))["n"]
    again = start_command("backfill", "--from", str(dates[0]), "--to", str(dates[0]))
    out, errors = again.communicate(timeout=280)
    assert again.returncode == 0, errors
    assert "1 date graded earlier and left alone." in out
    assert next(iter(client.query(count).result(timeout=60)))["n"] == before


def test_a_date_without_box_scores_is_graded_by_the_same_command_once_they_have_come(
    start_command: Start, client: bigquery.Client, dates: list[date]
) -> None:
    span = ("--from", str(dates[0]), "--to", str(dates[0]))
    box_scores, day = "nba_box_scores.player_game_summary", f"game_date = DATE '{dates[0]}'"
    client.query(f"CREATE TABLE nba_box_scores.late_box_scores AS SELECT * FROM {box_scores} WHERE {day}").result(timeout=60)
    client.query(f"DELETE FROM {box_scores} WHERE {day}").result(timeout=60)
    without = start_command("backfill", *span, "--regrade")
    out, errors = without.communicate(timeout=280)
    assert without.returncode == 1, out
    assert "Nothing was graded." in errors
    assert f"1 date without grades, as there are no box scores: {dates[0]}." in errors
    assert newest_outcome(client, dates[0]) == "no_box_scores", "the earlier result is not shown for the new run"

    client.query(f"INSERT INTO {box_scores} SELECT * FROM nba_box_scores.late_box_scores").result(timeout=60)
    client.query("DROP TABLE nba_box_scores.late_box_scores").result(timeout=60)
    again = start_command("backfill", *span)
    out, errors = again.communicate(timeout=280)
    assert again.returncode == 0, errors
    assert "1 date graded." in out
    assert newest_outcome(client, dates[0]) == "graded"


def newest_outcome(client: bigquery.Client, day: date) -> str:
    newest = "SELECT outcome FROM nba_predictions.grading_runs "
    newest += f"WHERE operation = 'grading' AND game_date = DATE '{day}' ORDER BY finished_at DESC LIMIT 1"
    return str(next(iter(client.query(newest).result(timeout=60)))["outcome"])


def test_bad_ranges_are_refused_with_a_sentence(start_command: Start) -> None:
    for first, last, sentence in [
        ("2026-01-10", "2026-01-04", "reversed"),
        ("2026-01-10", "2999-01-01", "not over yet"),
        ("10.01.2026", "2026-01-10", "YYYY-MM-DD"),
        ("2026-1-4", "2026-01-10", "FROM '2026-1-4' is not a date"),
        ("", "2026-01-10", "FROM is missing"),
    ]:
        process = start_command("backfill", "--from", first, "--to", last)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert sentence in errors
        assert "Traceback" not in errors


def test_the_pool_is_there_without_a_manual_step(api: AirflowApi) -> None:
    assert api.pool_slots("grading") == 4
