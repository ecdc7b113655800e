"""Which dates a backfill runs again, and what it says and returns in the end; against a small Airflow made of dictionaries."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

from commands import backfill
from commands.airflow_api import AirflowApi
from commands.console import CommandError
from nba_grading.game_dates import NEW_YORK

FIRST = date(2026, 1, 4)
DATES = [FIRST + timedelta(days=number) for number in range(3)]


class Airflow:
    """Runs by date and the outcomes they recorded; every run that is started ends at once, with what ``outcomes`` has for its date."""

    def __init__(self, **outcomes: str) -> None:
        self.outcomes = outcomes
        self.runs: dict[str, dict[str, str]] = {}
        self.started: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "token"})
        if parts[-1] == "backfills":
            return self._backfill(json.loads(request.content))
        if parts[-1] == "clearDagRuns":
            for entry in json.loads(request.content)["dag_runs"]:
                self._run(entry["dag_run_id"])
            return httpx.Response(200, json={})
        if parts[-1] == "return_value":
            return httpx.Response(200, json={"value": {"outcome": self.runs[parts[6]]["outcome"]}})
        if parts[-1] == "dagRuns":
            entries = [
                {"dag_run_id": day, "run_type": "backfill", "state": run["state"], "logical_date": f"{day}T06:00:00-05:00"}
                for day, run in self.runs.items()
            ]
            return httpx.Response(200, json={"dag_runs": entries, "total_entries": len(entries)})
        return httpx.Response(200, json={"is_paused": False})

    def _backfill(self, body: dict[str, Any]) -> httpx.Response:
        first, last = (datetime.fromisoformat(body[name]).astimezone(NEW_YORK).date() for name in ("from_date", "to_date"))
        for number in range((last - first).days + 1):
            day = str(first + timedelta(days=number))
            state = self.runs.get(day, {}).get("state")
            if state is None or body["reprocess_behavior"] == "completed":
                self._run(day)
        return httpx.Response(200, json={})

    def _run(self, day: str) -> None:
        self.started.append(day)
        outcome = self.outcomes.get(f"d{day[-2:]}", "graded")
        self.runs[day] = {"state": "failed" if outcome == "failed" else "success", "outcome": outcome}


def run(airflow: Airflow, *, regrade: bool = False, dates: list[date] = DATES) -> list[backfill.DateResult]:
    airflow.started.clear()
    said: list[str] = []
    api = AirflowApi("http://airflow", transport=httpx.MockTransport(airflow))
    results = backfill.backfill(api, dates[0], dates[-1], regrade=regrade, say=said.append)
    assert said
    return results


def test_dates_that_ended_without_predictions_run_again_once_they_are_loaded_and_graded_ones_do_not() -> None:
    airflow = Airflow(d04="no_predictions", d05="no_box_scores")
    run(airflow)
    airflow.outcomes = {}
    results = run(airflow)
    assert set(airflow.started) == {"2026-01-04", "2026-01-05"}
    assert [(result.outcome, result.ran) for result in results] == [("graded", True), ("graded", True), ("graded", False)]
    assert backfill.summary(results).splitlines() == ["2 dates graded.", "1 date graded earlier and left alone."]


def test_a_range_that_is_graded_already_starts_nothing_and_says_so() -> None:
    airflow = Airflow()
    run(airflow)
    results = run(airflow)
    assert airflow.started == []
    assert backfill.summary(results).splitlines() == ["0 dates graded.", "3 dates graded earlier and left alone."]


def test_a_failed_run_runs_again_and_a_regrade_runs_every_date() -> None:
    airflow = Airflow(d05="failed")
    run(airflow)
    airflow.outcomes = {}
    assert [result.ran for result in run(airflow)] == [False, True, False]
    assert airflow.started == ["2026-01-05"]
    assert all(result.ran for result in run(airflow, regrade=True))
    assert len(airflow.started) == len(DATES)


def test_a_backfill_that_grades_nothing_is_an_error_which_names_the_dates_and_the_reasons() -> None:
    airflow = Airflow(d04="no_predictions", d05="no_box_scores", d06="no_predictions")
    with pytest.raises(CommandError) as refused:
        backfill.summary(run(airflow))
    assert str(refused.value).splitlines() == [
        "Nothing was graded.",
        "2 dates without grades, as there are no predictions: 2026-01-04, 2026-01-06.",
        "1 date without grades, as there are no box scores: 2026-01-05.",
    ]


def test_a_backfill_that_grades_some_dates_lists_the_others() -> None:
    lines = backfill.summary(run(Airflow(d06="no_box_scores"))).splitlines()
    assert lines == ["2 dates graded.", "1 date without grades, as there are no box scores: 2026-01-06."]


def test_a_single_date_that_failed_is_one_date() -> None:
    with pytest.raises(CommandError, match=r"1 of 1 date failed or have duplicates: 2026-01-04"):
        backfill.summary(run(Airflow(d04="failed"), dates=DATES[:1]))


def test_the_first_line_says_what_runs_what_is_active_and_what_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow(d05="no_predictions")
    run(airflow)
    airflow.runs["2026-01-06"]["state"] = "running"
    monkeypatch.setattr(backfill, "_wait", lambda *_: [])
    said: list[str] = []
    backfill.backfill(AirflowApi("http://airflow", transport=httpx.MockTransport(airflow)), DATES[0], DATES[-1], regrade=False, say=said.append)
    assert said == [
        "grade_predictions, 2026-01-04 to 2026-01-06: 2 dates to grade; 1 date with a run that is active already; 1 date graded already and left "
        "alone (REGRADE=1 or --regrade grades such dates again)"
    ]
    assert airflow.started[-1] == "2026-01-05", "a run that is active is not started again"


def test_ctrl_c_says_that_airflow_continues_and_which_command_waits_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backfill, "_wait", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"Airflow continues.*`make backfill FROM=2026-01-04 TO=2026-01-06` waits"):
        run(Airflow())


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        ("", "2026-01-04", "FROM is missing: give the first game date"),
        ("2026-01-04", "", "TO is missing: give the last game date"),
        ("2026-1-4", "2026-01-04", "FROM '2026-1-4' is not a date: give it as YYYY-MM-DD"),
        ("2026-01-04", "20260104", "TO '20260104' is not a date: give it as YYYY-MM-DD"),
        ("2026-01-05", "2026-01-04", "The range is reversed"),
        ("2026-01-05", "2999-01-04", "is not over yet"),
    ],
)
def test_a_range_that_cannot_be_graded_is_refused_with_a_sentence(first: str, last: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert backfill.main(["--from", first, "--to", last]) == 1
    assert sentence in capsys.readouterr().err
