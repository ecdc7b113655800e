"""What a backfill says while one run of backfill_grades works, and what it returns in the end; against a small Airflow made of dictionaries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from commands import backfill
from commands.airflow_api import AirflowApi
from commands.console import CommandError

FIRST = date(2026, 1, 4)
DATES = [FIRST + timedelta(days=number) for number in range(3)]
RANGE = {"from_date": "2026-01-04", "to_date": "2026-01-06", "regrade": False}
RECORDED = {"graded": 9, "voided": 1, "pending": 0, "replaced": 0, "duplicates": 0}


class Airflow:
    """One DAG, and the run that a trigger starts: each question about its state takes one of ``steps``, the results of its tasks by then."""

    def __init__(self, *steps: dict[str, Any], state: str = "success", paused: bool = False, active: Iterable[dict[str, Any]] = ()) -> None:
        self.steps, self.state, self.paused, self.active = list(steps), state, paused, list(active)
        self.triggered: list[dict[str, Any]] = []
        self.followed: set[str] = set()
        self.results: dict[str, Any] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "token"})
        if "xcomEntries" in parts:
            task, index = parts[parts.index("taskInstances") + 1], request.url.params["map_index"]
            found = self.results.get(".".join((task, parts[-1], *([] if index == "-1" else [index]))))
            return httpx.Response(404, json={"detail": "not found"}) if found is None else httpx.Response(200, json={"value": json.dumps(found)})
        if parts[-1] == "dagRuns" and request.method == "POST":
            self.triggered.append(json.loads(request.content))
            return httpx.Response(200, json={"dag_run_id": self.triggered[-1]["dag_run_id"]})
        if parts[-1] == "dagRuns":
            wanted = request.url.params.get_list("state")
            runs = [run for run in self.active if run["state"] in wanted]
            return httpx.Response(200, json={"dag_runs": runs, "total_entries": len(runs)})
        if "dagRuns" in parts:
            self.followed.add(parts[-1])
            state = "running" if len(self.steps) > 1 else self.state
            self.results = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
            return httpx.Response(200, json=run_entry(parts[-1], state))
        return httpx.Response(200, json={"is_paused": self.paused})


def run_entry(run_id: str, state: str = "running", **conf: Any) -> dict[str, Any]:
    return {"dag_run_id": run_id, "run_type": "manual", "state": state, "logical_date": None, "conf": conf}


def ended(*, graded_before: Iterable[str] = (), no_predictions: Iterable[str] = (), **outcomes: str) -> dict[str, Any]:
    """The results of a run that is over: d04="graded" is a planned date and its outcome, in one chunk."""
    days = {f"2026-01-{name[1:]}": outcome for name, outcome in outcomes.items()}
    nothing = dict.fromkeys(no_predictions, "no_predictions")
    rows = [{"game_date": day, "outcome": outcome, "detail": None, **RECORDED} for day, outcome in sorted({**days, **nothing}.items())]
    return {
        "plan.return_value": [list(days)] if days else [],
        "plan.others": {"graded": list(graded_before), "no_predictions": list(no_predictions)},
        "grade.progress.0": days,
        "report.dates": rows,
    }


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "POLL_SECONDS", 0)


def api_of(airflow: Callable[[httpx.Request], httpx.Response]) -> AirflowApi:
    return AirflowApi("http://airflow", transport=httpx.MockTransport(airflow))


def run(airflow: Airflow, *, regrade: bool = False, dates: list[date] = DATES) -> list[backfill.DateResult]:
    return backfill.run_with_progress(api_of(airflow), dates[0], dates[-1], regrade=regrade)


@pytest.mark.parametrize("regrade", [True, False])
def test_one_run_is_started_for_the_range_and_the_first_line_names_it(regrade: bool, capsys: pytest.CaptureFixture[str]) -> None:
    airflow = Airflow(ended(d04="graded", d05="graded", d06="graded"))
    run(airflow, regrade=regrade)
    [triggered] = airflow.triggered
    assert triggered["conf"] == {**RANGE, "regrade": regrade}
    assert capsys.readouterr().out.splitlines()[0] == f"backfill_grades, 2026-01-04 to 2026-01-06: started {triggered['dag_run_id']}"


def test_each_date_is_printed_once_when_it_is_finished_whatever_its_chunk(capsys: pytest.CaptureFixture[str]) -> None:
    plan = {"plan.return_value": [["2026-01-04"], ["2026-01-05"]], "plan.others": {"graded": [], "no_predictions": ["2026-01-06"]}}
    second = {**plan, "grade.progress.1": {"2026-01-05": "refused"}}
    both = {**second, "grade.progress.0": {"2026-01-04": "graded"}}
    airflow = Airflow({}, plan, second, second, both, ended(d04="graded", d05="refused", no_predictions=["2026-01-06"]))
    run(airflow)
    assert capsys.readouterr().out.splitlines()[1:] == ["2026-01-06 no_predictions (1/3)", "2026-01-05 refused (2/3)", "2026-01-04 graded (3/3)"]


def test_the_results_are_those_of_the_report_and_dates_left_alone_are_of_an_earlier_run() -> None:
    results = run(Airflow(ended(graded_before=["2026-01-06"], d04="graded", d05="no_box_scores")))
    assert [(result.outcome, result.ran) for result in results] == [("graded", True), ("no_box_scores", True), ("graded", False)]
    assert results[0].recorded["graded"] == 9
    assert backfill.summary(results).splitlines() == [
        "1 date graded.",
        "1 date graded earlier and left alone.",
        "1 date without grades, as there are no box scores: 2026-01-05.",
    ]


def test_a_range_that_is_graded_already_is_a_success_that_says_so() -> None:
    results = run(Airflow(ended(graded_before=list(map(str, DATES)))))
    assert backfill.summary(results).splitlines() == ["0 dates graded.", "3 dates graded earlier and left alone."]


def test_a_backfill_that_grades_nothing_is_an_error_which_names_the_dates_and_the_reasons() -> None:
    with pytest.raises(CommandError) as refused:
        backfill.summary(run(Airflow(ended(no_predictions=["2026-01-04", "2026-01-06"], d05="no_box_scores"))))
    assert str(refused.value).splitlines() == [
        "Nothing was graded.",
        "2 dates without grades, as there are no predictions: 2026-01-04, 2026-01-06.",
        "1 date without grades, as there are no box scores: 2026-01-05.",
    ]


@pytest.mark.parametrize("outcome", ["failed", "refused"])
def test_a_single_date_that_failed_or_was_refused_fails_the_backfill(outcome: str) -> None:
    with pytest.raises(CommandError, match=r"1 of 1 date failed or have duplicates: 2026-01-04"):
        backfill.summary(run(Airflow(ended(d04=outcome), state="failed"), dates=DATES[:1]))


def test_a_date_with_duplicates_fails_the_backfill_although_it_is_graded() -> None:
    step = ended(d04="graded", d05="graded")
    step["report.dates"][1]["duplicates"] = 3
    with pytest.raises(CommandError, match=r"1 of 2 dates failed or have duplicates: 2026-01-05"):
        backfill.summary(run(Airflow(step), dates=DATES[:2]))


def test_a_date_that_the_run_has_not_recorded_is_shown_so_and_fails_the_backfill() -> None:
    step = ended(d04="graded", d05="graded", d06="graded")
    del step["report.dates"][1]
    results = run(Airflow(step, state="failed"))
    assert [result.outcome for result in results] == ["graded", "not recorded", "graded"]
    with pytest.raises(CommandError, match=r"1 of 3 dates failed or have duplicates: 2026-01-05"):
        backfill.summary(results)


def test_a_run_that_failed_before_it_had_a_plan_has_recorded_no_date() -> None:
    results = run(Airflow({}, state="failed"))
    assert {result.outcome for result in results} == {"not recorded"}
    with pytest.raises(CommandError, match=r"Nothing was graded\.\n3 of 3 dates failed"):
        backfill.summary(results)


def test_an_active_run_of_the_same_range_is_followed_and_another_one_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    others = [run_entry("other", **{**RANGE, "to_date": "2026-01-05"}), run_entry("again", **{**RANGE, "regrade": True})]
    over = run_entry("over", "success", **RANGE)
    airflow = Airflow(ended(d04="graded"), active=[*others, over, run_entry("active", "queued", **RANGE, dates=[])])
    run(airflow)
    assert airflow.triggered == []
    assert airflow.followed == {"active"}
    assert "following the run active, which is active already" in capsys.readouterr().out
    another = Airflow(ended(d04="graded"), active=[*others, over])
    run(another)
    assert len(another.triggered) == 1


def test_a_paused_dag_is_an_error_and_starts_nothing() -> None:
    airflow = Airflow(ended(), paused=True)
    with pytest.raises(CommandError, match="backfill_grades is paused"):
        run(airflow)
    assert airflow.triggered == []


def test_ctrl_c_says_that_airflow_continues_with_which_run_and_which_command_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backfill.time, "sleep", interrupt)
    airflow = Airflow({}, ended(d04="graded"))
    with pytest.raises(KeyboardInterrupt) as interrupted:
        run(airflow)
    [triggered] = airflow.triggered
    again = "`make backfill FROM=2026-01-04 TO=2026-01-06` follows it again."
    assert str(interrupted.value) == f"Interrupted. Airflow continues with the run {triggered['dag_run_id']}; {again}"


def exit_code(monkeypatch: pytest.MonkeyPatch, airflow: Airflow, *arguments: str) -> int:
    monkeypatch.setenv("AIRFLOW_API_URL", "http://airflow")
    monkeypatch.setattr(backfill, "AirflowApi", lambda _url: api_of(airflow))
    return backfill.main(["--from", "2026-01-04", "--to", "2026-01-06", *arguments])


def test_the_command_ends_with_a_table_by_date_and_sentences(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    airflow = Airflow(ended(graded_before=["2026-01-06"], d04="graded", d05="graded"))
    assert exit_code(monkeypatch, airflow) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if "2026-01-06" in line][-1].split("│")[-2].strip() == "graded (earlier run)"
    assert out.splitlines()[-2:] == ["2 dates graded.", "1 date graded earlier and left alone."]


def test_the_command_fails_with_the_table_and_the_reason(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    results = ended(d04="graded", d05="refused", d06="graded")
    results["report.dates"][1]["detail"] = "AuditRefused: 1 key is on two rows"
    airflow = Airflow(results, state="failed")
    assert exit_code(monkeypatch, airflow, "--regrade") == 1
    assert airflow.triggered[0]["conf"]["regrade"] is True
    shown = capsys.readouterr()
    assert "refused" in shown.out
    said = " ".join(shown.err.split())
    assert "1 of 3 dates failed or have duplicates: 2026-01-05. 2026-01-05: AuditRefused: 1 key is on two rows" in said


def test_the_command_that_is_interrupted_exits_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backfill.time, "sleep", interrupt)
    assert exit_code(monkeypatch, Airflow({}, ended(d04="graded"))) == 130
    assert "Airflow continues with the run" in capsys.readouterr().err


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
