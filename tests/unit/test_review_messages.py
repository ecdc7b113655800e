from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nba_grading.alerts.model import Alert
from nba_grading.game_dates import GameDateError, resolve_past_day
from nba_grading.reviews import messages
from nba_grading.reviews.systems import DRIFT_KINDS, Targets, due_milestones, gone_systems, is_drifting, is_weekly_due
from tests.alert_examples import RUN

DAY = date(2026, 1, 11)
TARGETS = Targets(mae=Decimal("4.5"), baseline_mae=Decimal("3.98"), win_rate=Decimal("0.524"))
# Slack takes 3,000 characters in one block; the title, the links and the values need some of them.
DETAIL_CHARACTERS = 2400


def rows_of(alert: Alert) -> list[str]:
    """The lines of its monospaced table."""
    return alert.detail.strip("`").splitlines()


def decile(number: int, **changed: Any) -> dict[str, Any]:
    return {"confidence_decile": number, "win_rate": 0.61, "is_off": False, **changed}


def system(name: str, **changed: Any) -> dict[str, Any]:
    return {
        "system_id": name,
        "graded_days": 6,
        "settled": 3000,
        "voided": 100,
        "errors": 2900,
        "mae": 4.987,
        "line_mae": 4.921,
        "bias": -0.123,
        "band_days": 28,
        "band_mae": 4.9,
        "band_low": 4.1,
        "band_high": 5.7,
        "decided": 2800,
        "won": 1600,
        "bet_days": 6,
        "low_p_value": 0.4,
        "win_rate": 0.5714,
        "win_rate_low": 0.5444,
        "win_rate_high": 0.5982,
        "deviation": 6.2,
        "deviation_low": 5.1,
        "deviation_high": 7.3,
        "mae_verdict": "inside",
        "deviation_verdict": "inside",
        "win_rate_verdict": "ok",
        "calibration": [decile(number) for number in range(1, 11)],
        **changed,
    }


SILENT = system(
    "silent_v1",
    **dict.fromkeys(("mae", "line_mae", "bias", "deviation", "win_rate", "win_rate_low", "win_rate_high", "low_p_value")),
    **dict.fromkeys(("graded_days", "settled", "voided", "errors", "decided", "won", "bet_days"), 0),
    mae_verdict="no_errors",
    deviation_verdict="no_errors",
    win_rate_verdict="no_bets",
    calibration=[],
)


PAIRS = [
    {"better_id": "steady_v1", "worse_id": "worse_v1", "difference": 1.1, "difference_low": 0.7, "difference_high": 1.5, "p_value": 0.001},
    {"better_id": "a", "worse_id": "b", "difference": 0.2, "difference_low": -0.1, "difference_high": 0.5, "p_value": 0.3},
    {"better_id": "a", "worse_id": "c", "difference": 0.2, "difference_low": None, "difference_high": None, "p_value": None},
]


def trends() -> dict[str, list[dict[str, Any]]]:
    return {
        "duplicate_rate": [{"duplicates": 12, "row_count": 6000, "rate_change": 0.001, "detected_duplicates": 9}],
        "grading_duration": [
            {"operation": "grading", "timed_runs": 1, "median_ms": 900.0, "p95_ms": 4100.0},
            {"operation": "grading", "timed_runs": 2, "median_ms": 1900.0, "p95_ms": 2000.0},
            {"operation": "grading", "timed_runs": 0, "median_ms": None, "p95_ms": None},
            {"operation": "maintenance", "timed_runs": 1, "median_ms": 99_000.0, "p95_ms": 99_000.0},
        ],
        "lease_wait": [{"p95_wait_ms": 250.0, "unleased": 1, "runs": 14}, {"p95_wait_ms": None, "unleased": 2, "runs": 2}],
        "volume_per_system": [
            {"game_date": date(2026, 1, 10), "system_id": "old", "predictions": 1, "volume_ratio": 0.1},
            {"game_date": DAY, "system_id": "less_v1", "predictions": 90, "volume_ratio": 0.4},
            {"game_date": DAY, "system_id": "more_v1", "predictions": 900, "volume_ratio": 1.4},
            {"game_date": DAY, "system_id": "new_v1", "predictions": 9, "volume_ratio": None},
        ],
    }


def test_the_weekly_table_has_a_line_per_system_and_the_trends() -> None:
    rows = [system("moving_avg_10_v1"), system("worse_v1", mae=6.1, mae_verdict="above"), system("small_v1", win_rate_verdict="too_few"), SILENT]
    message = messages.weekly(RUN, rows, PAIRS, DAY, trends())
    assert message.title == "Weekly review of 3 systems, 2026-01-05 to 2026-01-11: 1 drifting"
    lines = rows_of(message)
    assert lines[0].split() == ["system", "MAE", "line", "band", "bias", "won", "%", "95", "%", "bets"]
    assert lines[1].split() == ["worse_v1", "6.10", "4.92", "4.1-5.7", "-0.12", "57.1", "54.4-59.8", "2800", "MAE", "above", "its", "band"]
    assert [line.split()[0] for line in lines[1:5]] == ["worse_v1", "moving_avg_10_v1", "small_v1", "silent_v1"]
    assert lines[4].split() == ["silent_v1", "-", "-", "4.1-5.7", "-", "-", "-", "0", "no", "grades"]
    assert message.facts == {
        "Days": "2026-01-05 to 2026-01-11",
        "Duplicates": "12 of 6000 rows, +0.10 points from the week before; found after writes: 9",
        "Grading a date": "daily median 0.9 s to 1.9 s, p95 up to 4.1 s",
        "Lease wait": "daily p95 up to 0.2 s; 3 of 16 runs without a lease",
        "Volume": "least on 2026-01-11: less_v1, 90 (0.4 of its mean)",
        "Drifting": "worse_v1 (MAE above its band)",
        "Compared": "1 of 3 pairs differ in MAE beyond chance: steady_v1 nearer than worse_v1 by 1.10 (0.70 to 1.50) points",
        "Verdicts": "from 100 errors, 10 days in the band, and 100 bets on 4 days on",
        "Graded days": "6 of 7",
    }


def test_a_decile_that_is_off_has_a_star_and_one_without_bets_a_dash() -> None:
    rows = [system("a_v1", calibration=[decile(6), decile(10, win_rate=0.4, is_off=True)]), system("b_v1", calibration=[decile(7)])]
    table = [line.split() for line in rows_of(messages.weekly(RUN, rows, [], DAY, {}))[-3:]]
    assert table == [["system", "50-60", "60-70", "90-100"], ["a_v1", "61", "-", "40*"], ["b_v1", "-", "61", "-"]]


def test_many_systems_of_long_names_fit_into_one_message_and_those_that_drift_come_first() -> None:
    rows = [system(f"a_system_with_a_very_long_name_{number}") for number in range(15)]
    rows.append(system("z_worse_v1", mae_verdict="above", win_rate_verdict="low"))
    message = messages.weekly(RUN, rows, PAIRS, DAY, trends())
    assert len(message.detail) < DETAIL_CHARACTERS
    assert rows_of(message)[1].startswith("z_worse_v1")
    assert rows_of(message)[-1] == "and 6 more systems in the run's result"


def test_a_week_without_grades_is_reported() -> None:
    assert messages.weekly(RUN, [], [], DAY, {}).title == "Weekly review: no grades from 2026-01-05 to 2026-01-11"
    assert "Graded in the month before: silent_v1." in messages.weekly(RUN, [SILENT], [], DAY, {}).detail


def checked(**changed: Any) -> dict[str, Any]:
    return system(
        "catboost_v9",
        predictions=3000,
        placeholders=0,
        game_days=6,
        silent_days=0,
        predictions_per_day=500.4,
        volume_variation=0.04,
        is_mae_met=True,
        is_placeholders_met=True,
        is_volume_met=True,
        is_win_rate_met=True,
        **changed,
    )


def test_a_milestone_has_each_value_with_its_target() -> None:
    message = messages.milestone(RUN, checked(mae=4.31), DAY, TARGETS)
    assert message.title == "Milestone of catboost_v9: met"
    assert message.facts["Against the baseline"] == "+0.33 points of MAE"
    assert rows_of(message)[1:] == [
        "ok  MAE           4.31 (at most 4.5; baseline 3.98; 2900 errors)",
        "ok  placeholders  0 of 3000 predictions (none allowed)",
        "ok  volume        500 a day, variation per game 0.04 (at most 0.25), silent on 0 of 6 game days",
        "ok  win rate      57.1 %, 95 % interval 54.4 to 59.8 % (at least 52.4 %; 2800 bets)",
    ]


def test_a_missed_milestone_names_what_missed_it() -> None:
    row = checked() | {"is_mae_met": False, "is_win_rate_met": False, "win_rate": None, "mae": None, "game_days": 0}
    message = messages.milestone(RUN, row, DAY, TARGETS)
    assert message.title == "Milestone of catboost_v9: missed by MAE, win rate"
    assert "NO  win rate      no decided bet" in message.detail
    assert "ok  volume        no box score in these days" in message.detail
    assert message.facts["Against the baseline"] == "no errors to compare"


def test_a_milestone_of_a_system_without_rows_is_a_warning() -> None:
    message = messages.milestone(RUN, checked() | {"predictions": 0, "errors": 0}, DAY, TARGETS)
    assert message.title == "Milestone of catboost_v9: it has no predictions and no grades from 2026-01-05 to 2026-01-11"
    assert message.severity == "WARNING"


def test_a_drift_has_its_values_and_a_query_and_a_resolution() -> None:
    row = system("worse'v1", mae=6.1, mae_verdict="above", win_rate_verdict="low", win_rate_high=0.51, low_p_value=0.0104)
    mae, spread, rate = (messages.drift(RUN, row, kind, DAY, TARGETS) for kind in DRIFT_KINDS)
    assert "Standard deviation 6.20 points, outside 5.10 to 7.30" in spread.detail
    assert mae.title == "worse'v1: the MAE of the week is above its own 30-day band"
    assert "6.10 points, outside 4.10 to 5.70 (mean of 28 days 4.90" in mae.detail
    assert rate.title == "worse'v1: the win rate of the week is under 52.4 %, beyond chance"
    assert "of 2800 bets of record on 6 days: lower than the target with p = 0.010" in rate.detail
    assert rate.facts["MAE of the line"] == "4.92"
    assert mae.command is not None
    assert "system_id = 'worse\\'v1' AND period_end_date BETWEEN '2025-12-06' AND '2026-01-11'" in mae.command
    for kind in DRIFT_KINDS:
        assert messages.drift_resolution("worse'v1", kind, row).startswith("worse'v1: ")
        assert "not graded for more than a month" in messages.drift_resolution("worse'v1", kind, None)
    assert (mae.name, mae.severity) == ("mae-out-of-band/worse'v1", "WARNING")


def test_the_watchlist_names_who_entered_and_who_left_and_counts_the_rest() -> None:
    entry = {"system_id": "ewma_v1", "player_lookup": "milesnash", "reason": "5 of 30 decided bets won; …"}
    made = {"game_date": "2026-01-11", "entered": [entry], "left": [{**entry, "player_lookup": f"p{number}"} for number in range(14)], "listed": 3}
    message = messages.watchlist(RUN, made)
    assert message.title == "Watchlist of 2026-01-11: 1 entered, 14 left, 3 listed"
    lines = rows_of(message)
    assert lines[0] == "+ ewma_v1, milesnash: 5 of 30 decided bets won; …"
    assert (len(lines), lines[-1]) == (13, "and 3 more in player_watchlist")


def test_only_a_definite_verdict_opens_or_resolves_a_drift() -> None:
    mae = {verdict: is_drifting({"mae_verdict": verdict}, "mae-out-of-band") for verdict in ("above", "below", "inside", "too_few", "no_errors")}
    assert mae == {"above": True, "below": True, "inside": False, "too_few": None, "no_errors": None}
    rate = {verdict: is_drifting({"win_rate_verdict": verdict}, "win-rate-low") for verdict in ("low", "ok", "too_few", "no_bets")}
    assert rate == {"low": True, "ok": False, "too_few": None, "no_bets": None}
    assert gone_systems([{"system_id": "a"}], ["a", "c", "b"]) == ["b", "c"]


def test_today_is_the_day_after_the_last_day_looked_at() -> None:
    milestones = {"b": date(2026, 1, 12), "a": date(2026, 1, 12), "c": DAY}
    assert due_milestones(milestones, DAY) == ["a", "b"]
    assert [is_weekly_due(date(2026, 1, day), None) for day in (10, 11, 12)] == [False, True, False]
    assert (is_weekly_due(DAY, False), is_weekly_due(date(2026, 1, 10), True)) == (False, True)


def test_the_day_is_the_one_before_the_run_in_new_york() -> None:
    assert resolve_past_day(None, datetime(2026, 1, 12, 15, tzinfo=UTC)) == DAY
    assert resolve_past_day(None, datetime(2026, 1, 13, 4, 59, tzinfo=UTC)) == DAY
    assert resolve_past_day("2026-01-10", datetime(2026, 1, 12, 15, tzinfo=UTC)) == date(2026, 1, 10)
    for day, reason in (("2026-01-12", "not over yet"), ("12 January", "is not a date")):
        with pytest.raises(GameDateError, match=reason):
            resolve_past_day(day, datetime(2026, 1, 12, 15, tzinfo=UTC))


def test_the_runbook_has_a_heading_for_every_message_of_a_review(repository: Path) -> None:
    headings = {line.removeprefix("## ") for line in (repository / "docs" / "runbook.md").read_text().splitlines() if line.startswith("## ")}
    assert {*DRIFT_KINDS, "milestone", "weekly-review", "watchlist"} - headings == set()
