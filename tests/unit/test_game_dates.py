from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from nba_grading.game_dates import NEW_YORK, GameDateError, is_in_season, parse_game_date, resolve_game_date, resolve_predicted_date

SIX_IN_NEW_YORK = datetime(2026, 1, 11, 6, 0, tzinfo=NEW_YORK)


def resolve(**given: Any) -> date:
    defaults: dict[str, Any] = {
        "game_date": None,
        "partition_key": None,
        "run_type": "manual",
        "logical_date": None,
        "run_after": SIX_IN_NEW_YORK,
    }
    return resolve_game_date(**{**defaults, **given})


def test_a_scheduled_run_grades_its_logical_date_in_new_york() -> None:
    logical = datetime(2026, 1, 10, 11, 0, tzinfo=UTC)
    assert resolve(run_type="scheduled", logical_date=logical) == date(2026, 1, 10)


def test_a_backfill_run_grades_its_logical_date_in_new_york_even_past_midnight_utc() -> None:
    logical = datetime(2026, 1, 11, 4, 30, tzinfo=UTC)
    assert resolve(run_type="backfill", logical_date=logical) == date(2026, 1, 10)


def test_a_manual_run_without_a_date_grades_the_day_before_it() -> None:
    assert resolve() == date(2026, 1, 10)


def test_a_manual_run_just_after_midnight_utc_still_counts_new_york_days() -> None:
    assert resolve(run_after=datetime(2026, 1, 11, 2, 0, tzinfo=UTC)) == date(2026, 1, 9)


def test_the_logical_date_of_a_manual_run_is_not_its_game_date() -> None:
    assert resolve(logical_date=datetime(2026, 1, 5, tzinfo=UTC)) == date(2026, 1, 10)


def test_an_explicit_date_wins_over_a_partition_key() -> None:
    assert resolve(game_date="2026-01-02", partition_key="2026-01-03") == date(2026, 1, 2)


def test_a_partition_key_wins_over_the_run() -> None:
    assert resolve(partition_key="2026-01-03", run_type="asset_triggered") == date(2026, 1, 3)


@pytest.mark.parametrize("text", ["2026-13-01", "10.01.2026", "yesterday", "2026-1-1x", "2026-02-30"])
def test_a_malformed_date_is_refused_with_the_form_to_use(text: str) -> None:
    with pytest.raises(GameDateError, match="YYYY-MM-DD"):
        resolve(game_date=text)


@pytest.mark.parametrize("text", ["2999-01-01", str(datetime.now(tz=NEW_YORK).date())])
def test_a_date_whose_games_cannot_be_over_is_refused(text: str) -> None:
    with pytest.raises(GameDateError, match="not over yet"):
        resolve(game_date=text)


def test_a_game_date_given_to_a_backfill_is_refused_as_every_run_would_grade_it() -> None:
    with pytest.raises(GameDateError, match="every run would grade"):
        resolve(run_type="backfill", game_date="2026-01-02", logical_date=datetime(2026, 1, 10, 11, tzinfo=UTC))


@pytest.mark.parametrize("days", [-400, -1, 0, 1, 14])
def test_predictions_may_be_for_past_days_today_and_two_weeks_ahead(days: int) -> None:
    day = datetime.now(tz=NEW_YORK).date() + timedelta(days=days)
    assert resolve_predicted_date(str(day)) == day


def test_predictions_further_ahead_are_refused_with_the_last_date_that_is_not() -> None:
    today = datetime.now(tz=NEW_YORK).date()
    with pytest.raises(GameDateError, match=f"up to {today + timedelta(days=14)}"):
        resolve_predicted_date(str(today + timedelta(days=15)))


@pytest.mark.parametrize("text", [None, "", "tomorrow"])
def test_the_date_of_predictions_has_no_default(text: str | None) -> None:
    with pytest.raises(GameDateError, match="YYYY-MM-DD"):
        resolve_predicted_date(text)


@pytest.mark.parametrize("text", ["2026-1-4", "20260104", "2026-01-4", "2026-W02-6", "2026-02-30", " 2026-01-04", "2026-01-04\n", ""])
def test_only_a_whole_date_of_the_calendar_is_a_date(text: str) -> None:
    with pytest.raises(GameDateError, match="YYYY-MM-DD"):
        parse_game_date(text)


def test_games_are_played_from_october_to_june() -> None:
    assert [is_in_season(day) for day in (date(2026, 6, 30), date(2026, 7, 1), date(2026, 9, 30), date(2026, 10, 1))] == [True, False, False, True]
