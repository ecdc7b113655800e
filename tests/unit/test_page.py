"""How the page turns rows into states, sentences, findings and time series, and how its cache outlives its sources."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from commands.stack_config import ROOT
from nba_grading.alerts.model import Alert, RunLink
from nba_grading.page import date_status, findings, market, orphans, time_series
from nba_grading.page.cache import FAILURE_SECONDS, RECENT_SECONDS, Answer, PanelCache

TODAY = date(2026, 1, 17)
STATIC = ROOT / "plugins" / "nba_grading" / "page" / "static"


def day(game_date: date = date(2026, 1, 16), **counts: Any) -> dict[str, Any]:
    zero = {"gradable": 0, "pending": 0, "games": 0, "pending_games": 0, "graded": 0, "voided": 0, "duplicates": 0}
    return {"game_date": game_date, **zero, "dag_id": None, "run_id": None, "outcome": None, "detail": None, **counts}


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"gradable": 10, "graded": 8, "voided": 2}, "graded"),
        ({"graded": 8}, "graded"),
        ({"gradable": 10, "graded": 6, "pending": 4}, "pending"),
        ({"gradable": 10, "pending": 10}, "pending"),
        ({"gradable": 10, "graded": 6, "pending": 3}, "ungraded"),
        ({"gradable": 10}, "ungraded"),
        ({"gradable": 10, "graded": 10, "outcome": "failed"}, "failed"),
        ({"gradable": 10, "graded": 10, "outcome": "refused"}, "failed"),
        ({"gradable": 10, "graded": 10, "duplicates": 1, "outcome": "failed"}, "duplicates"),
        ({"outcome": "no_predictions"}, "none"),
        ({"gradable": 10, "pending": 10, "game_date": TODAY}, "to_come"),
        ({"gradable": 10, "graded": 10, "game_date": TODAY}, "graded"),
    ],
)
def test_a_date_has_the_state_that_matters_most(counts: dict[str, Any], state: str) -> None:
    assert date_status.state_of(day(**counts), TODAY) == state


def test_every_state_names_the_next_step_and_a_letter_of_its_own() -> None:
    assert all(state.next_step for state in date_status.STATES.values())
    letters = [state.letter for state in date_status.STATES.values()]
    assert len(set(letters)) == len(letters)


def test_the_runbook_entries_that_the_page_names_exist() -> None:
    headings = re.findall(r"^## (\S+)$", (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    scripts = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    named = {state.runbook for state in date_status.STATES.values() if state.runbook} | set(re.findall(r'runbook\("([a-z-]+)"\)', scripts))
    assert named <= set(headings)


@pytest.mark.parametrize(
    ("counts", "open_findings", "expected"),
    [
        (
            {"gradable": 2715, "graded": 2400, "voided": 12, "pending": 303, "pending_games": 2},
            3,
            "2026-01-16: 2,412 of 2,715 gradable predictions are graded, 303 wait for 2 games' complete box scores; 3 findings are open.",
        ),
        (
            {"gradable": 2, "graded": 1, "pending": 1, "pending_games": 1, "duplicates": 1, "outcome": "failed"},
            1,
            "2026-01-16: 1 of 2 gradable predictions are graded, 1 waits for 1 game's complete box scores, 1 surplus row repeats a key, "
            "its newest run failed; 1 finding is open.",
        ),
        ({"gradable": 2}, 0, "2026-01-16: 0 of 2 gradable predictions are graded, 2 in complete games are not; no finding is open."),
        ({"gradable": 2, "graded": 2}, None, "2026-01-16: 2 of 2 gradable predictions are graded; open findings are unknown."),
    ],
)
def test_today_is_one_sentence(counts: dict[str, Any], open_findings: int | None, expected: str) -> None:
    assert date_status.sentence(day(**counts), TODAY, open_findings) == expected


def test_without_games_yesterday_the_last_date_with_games_is_shown() -> None:
    shown = [day(date(2026, 1, 14), gradable=1, graded=1), day(date(2026, 1, 16), outcome="no_predictions"), day(TODAY, gradable=5, pending=5)]
    focus = date_status.focus_of(shown, TODAY)
    assert focus is shown[0]
    assert date_status.sentence(focus, TODAY, 0).startswith("No games on 2026-01-16. The last date with games: 2026-01-14: 1 of 1 gradable")
    assert date_status.focus_of([shown[2]], TODAY) is None
    assert "No date before 2026-01-17 has predictions yet" in date_status.sentence(None, TODAY, 0)


def test_a_season_is_1_october_to_30_september() -> None:
    assert date_status.season_range(2025) == (date(2025, 10, 1), date(2026, 9, 30))
    assert [date_status.season_of(each) for each in (date(2025, 9, 30), date(2025, 10, 1), date(2026, 9, 30))] == [2024, 2025, 2025]


def incident(alert: Any) -> dict[str, Any]:
    row = {"name": "task-failed/grade_predictions/2026-01-10", "detail": "boom", "severity": None, "game_date": None, "opened_at": None}
    return {
        **row,
        "alert": alert if alert is None or isinstance(alert, str) else json.dumps(alert),
        "occurrences": 1,
        "last_seen_at": None,
        "is_undelivered": None,
    }


@pytest.mark.parametrize("alert", [None, "", "{", "[]", "3", {"facts": [], "run": "x"}])
def test_a_finding_whose_alert_is_missing_or_broken_still_shows_what_is_known(alert: Any) -> None:
    shown = findings.shown(incident(alert))
    assert (shown["kind"], shown["subject"]) == ("task-failed", "grade_predictions/2026-01-10")
    assert (shown["title"], shown["detail"], shown["severity"]) == ("task-failed/grade_predictions/2026-01-10", "boom", "WARNING")
    assert (shown["facts"], shown["run_id"], shown["command"]) == ({}, None, None)


def test_a_finding_shows_its_alert() -> None:
    run = {"dag_id": "grade_predictions", "run_id": "r1", "url": "javascript:alert(1)", "runbook_url": "x"}
    shown = findings.shown(incident({"severity": "CRITICAL", "title": "Bad", "facts": {"Figure": "3"}, "command": None, "run": run}))
    assert (shown["title"], shown["severity"], shown["facts"], shown["run_id"]) == ("Bad", "CRITICAL", {"Figure": "3"}, "r1")
    assert "javascript:" not in json.dumps(shown)


def test_a_finding_shows_an_alert_as_an_incident_stores_it() -> None:
    link = RunLink("grade_predictions", "r1", "http://airflow/run", "docs/runbook.md")
    alert = Alert(
        "task-failed",
        "ERROR",
        "grade_predictions/2026-01-10",
        "It failed",
        "why",
        "nothing",
        "fix it",
        link,
        facts={"Date": "2026-01-10"},
        command="make it",
    )
    shown = findings.shown({**incident(alert.to_json()), "name": alert.name, "severity": "ERROR"})
    expected = ("It failed", "why", "nothing", "fix it", "make it", "ERROR", {"Date": "2026-01-10"}, "grade_predictions", "r1")
    names = ("title", "detail", "impact", "next_step", "command", "severity", "facts", "dag_id", "run_id")
    assert tuple(shown[name] for name in names) == expected


def system_day(number: int, **figures: Any) -> dict[str, Any]:
    row = {"system_id": "a", "game_date": date(2026, 1, number), "graded": 10, "correct": 1, "incorrect": 1, "mae": 4}
    return {**row, **figures}


def test_averages_are_weighted_over_seven_days_and_none_without_rows() -> None:
    rows = [
        system_day(1, graded=30, mae=6),
        system_day(3, correct=3),
        system_day(8, mae=None, correct=None, incorrect=0),
        system_day(3, system_id="b"),
    ]
    drawn = time_series.systems(rows)
    assert drawn["dates"] == [date(2026, 1, 1), date(2026, 1, 3), date(2026, 1, 8)]
    first, second = drawn["systems"]
    assert first == {"system": "a", "mae": [6.0, 5.5, 4.0], "win_rate": [0.5, pytest.approx(4 / 6), 0.75]}
    assert second == {"system": "b", "mae": [None, 4.0, None], "win_rate": [None, 0.5, None]}


def judged(system: str, skill: float | None, low: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    return {"system_id": system, "slice_type": "all", "slice_value": "all", "skill": skill, "skill_low": low, "skill_high": high, **more}


def test_systems_stand_by_their_skill_each_with_its_verdict_and_every_edge_band() -> None:
    band = {**judged("b", 0.1, None, None), "slice_type": "edge", "slice_value": "5+"}
    rows = [judged("a", -0.02, -0.03, -0.01), judged("b", 0.01, -0.01, 0.03), band, judged("c", None, None, None)]
    drawn = market.market(rows)
    assert [(each["system_id"], each["verdict"]) for each in drawn["systems"]] == [("b", "level"), ("a", "farther"), ("c", "unknown")]
    assert drawn["systems"][0]["edges"] == [None, None, None, None, band]
    assert drawn["sentence"] == "No system is nearer to the points than the line, beyond chance; 1 of 3 are farther."
    better = market.market([*rows, judged("d", 0.04, 0.01, 0.07)])
    assert better["sentence"] == "Nearer to the points than the line, beyond chance: d."


def test_a_calibration_curve_has_a_point_for_each_decile_with_bets() -> None:
    row = {"system_id": "a", "confidence_decile": 7, "bets": 8, "won": 2, "mean_confidence": 0.65}
    assert market.calibration([row]) == {"systems": [{"system": "a", "points": [{"confidence": 0.65, "win_rate": 0.25, "bets": 8}]}]}


def test_checks_that_failed_come_first() -> None:
    rows = [
        {"check_name": name, "status": status, "day": date(2026, 1, number), "value": number}
        for number, (name, status) in enumerate(
            [("a", "passed"), ("b", "warned"), ("c", "broken"), ("d", "failed"), ("e", "failed"), ("e", "no_games")], start=1
        )
    ]
    shown = time_series.quality(rows)
    assert [(each["check_name"], each["status"]) for each in shown] == [
        ("c", "broken"),
        ("d", "failed"),
        ("b", "warned"),
        ("a", "passed"),
        ("e", "no_games"),
    ]
    assert [value for _, value, _ in shown[-1]["trend"]] == [5, 6]


def test_staging_tables_are_grouped_by_their_source() -> None:
    now = datetime(2026, 1, 20, tzinfo=UTC)
    names = [
        "_staging_batch_b1_w1",
        "_staging_batch_b1_w2",
        f"_staging_prediction_accuracy_20260110_{'a' * 32}",
        "_staging_odd",
        "_backup_prediction_accuracy_20260110064500",
        "_backup_player_prop_predictions_20260112000000",
    ]
    made = [{"table_name": name, "creation_time": now - timedelta(days=9 - number), "expires_at": None} for number, name in enumerate(names)]
    made[-1]["expires_at"] = now + timedelta(days=26)
    grouped = orphans.group(made, now)
    assert [(each["of"], each["tables"], each["old"]) for each in grouped["staging"]] == [
        ("batch b1", 2, True),
        ("writes of prediction_accuracy", 1, False),
        ("unknown", 1, False),
    ]
    assert [(each["name"], each["table"], each["expires_at"]) for each in grouped["backups"]] == [
        ("_backup_player_prop_predictions_20260112000000", "player_prop_predictions", now + timedelta(days=26)),
        ("_backup_prediction_accuracy_20260110064500", "prediction_accuracy", None),
    ]


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(cache: PanelCache, question: Callable[[], Any], key: str = "panel") -> Answer:
    return asyncio.run(cache.get(key, question))


def test_many_readers_ask_once() -> None:
    asked = []
    released = threading.Event()

    def question() -> str:
        asked.append(1)
        released.wait(5)
        return "answer"

    async def read() -> list[Answer]:
        readers = [asyncio.create_task(cache.get("panel", question)) for _ in range(20)]
        await asyncio.sleep(0.05)
        released.set()
        return await asyncio.gather(*readers)

    cache = PanelCache(60, 5)
    answers = asyncio.run(read())
    assert {answer.data for answer in answers} == {"answer"}
    assert len(asked) == 1
    assert ask(cache, question).data == "answer"
    assert len(asked) == 1


def settled(cache: PanelCache, question: Callable[[], Any]) -> Answer:
    """The answer once nothing is on its way."""
    for _ in range(200):
        answer = ask(cache, question)
        if not answer.is_asked_for:
            return answer
        time.sleep(0.01)
    raise AssertionError("never settled")


def test_an_answer_that_is_no_longer_fresh_is_shown_at_once_while_it_is_asked_for_again() -> None:
    clock, released = Clock(), threading.Event()
    cache = PanelCache(45, 5, clock)
    assert ask(cache, lambda: 1).data == 1
    clock.now = 44
    assert ask(cache, lambda: pytest.fail("asked again")).data == 1
    clock.now = 46
    old = ask(cache, lambda: released.wait(10) and 2)
    assert (old.data, old.stale_because, old.is_asked_for) == (1, None, True)
    clock.now = 52
    late = ask(cache, lambda: pytest.fail("asked twice"))
    assert (late.data, late.stale_because) == (1, "no answer within 5 s")
    released.set()
    assert settled(cache, lambda: pytest.fail("asked twice")).data == 2


def test_an_answer_of_long_ago_is_waited_for() -> None:
    clock = Clock()
    cache = PanelCache(45, 5, clock)
    assert ask(cache, lambda: 1).data == 1
    clock.now = RECENT_SECONDS + 1
    assert ask(cache, lambda: 2).data == 2


def fails() -> None:
    raise ConnectionError("BigQuery is away\nand more")


def test_a_source_that_is_away_leaves_the_last_answer_with_the_reason_and_is_not_hammered() -> None:
    clock = Clock()
    cache = PanelCache(45, 5, clock)
    good = ask(cache, lambda: "good")
    clock.now = 50
    stale = settled(cache, fails)
    assert (stale.data, stale.as_of, stale.stale_because) == ("good", good.as_of, "ConnectionError: BigQuery is away")
    clock.now += FAILURE_SECONDS - 1
    assert ask(cache, lambda: pytest.fail("asked again")).stale_because == "ConnectionError: BigQuery is away"
    clock.now += 2
    back = settled(cache, lambda: "back")
    assert (back.data, back.stale_because) == ("back", None)


def test_without_any_answer_there_is_a_reason() -> None:
    assert ask(PanelCache(45, 5), fails) == Answer(None, None, "ConnectionError: BigQuery is away")


def test_a_source_that_hangs_is_waited_for_a_little_and_its_late_answer_is_kept() -> None:
    released = threading.Event()
    cache = PanelCache(45, 0.05)
    late = ask(cache, lambda: released.wait(10) and "late")
    assert (late.data, late.stale_because) == (None, "no answer within 0.05 s")
    released.set()
    for _ in range(100):
        answer = ask(cache, lambda: pytest.fail("asked twice"))
        if answer.data:
            break
    assert answer.data == "late"
    assert answer.stale_because is None


def test_no_script_makes_markup_of_data() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "setHTML"):
        assert name not in scripts
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"\s(?:style|on\w+)=", page) == []
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", page) == []
