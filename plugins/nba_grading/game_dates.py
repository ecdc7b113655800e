"""The game_date that a run grades, and the dates it may write predictions for: used by every DAG that takes a date.

A grading run takes the first of these: its parameter game_date; the partition key of an asset event; the logical date in New York of a
scheduled or backfill run; the day before run_after in New York. It does not use the clock, so a retry or a cleared task grades the same
date. A date whose games may not be over yet is refused.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
# Predictions are made before the games, but no schedule is predicted further ahead: a later date is a typing error.
PREDICTED_DAYS_AHEAD = 14


class GameDateError(ValueError):
    """The run names no date that can be graded; the message says why and what to do."""


def parse_game_date(text: str) -> date:
    """A date from ``YYYY-MM-DD``; GameDateError for anything else."""
    try:
        # fromisoformat alone takes 20260110 and 2026-W02-6 as well.
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise GameDateError(f"game_date {text!r} is not a date: give it as YYYY-MM-DD, such as 2026-01-10.") from None


def parse_range(first: str, last: str) -> tuple[date, date]:
    """The first and last date of a range, both included; GameDateError for a malformed date, a reversed range, or one that ends after today."""
    start, end = parse_game_date(first), parse_game_date(last)
    if start > end:
        raise GameDateError(f"The range is reversed: {start} is after {end}. Give the earlier date first.")
    today = datetime.now(tz=NEW_YORK).date()
    if end > today:
        raise GameDateError(f"The range ends on {end}, after today in New York ({today}). Give a last date that is not in the future.")
    return start, end


def season_of(day: date) -> tuple[date, date]:
    """The first and last day of the season of a date: 1 October to 30 September."""
    year = day.year if day.month >= 10 else day.year - 1
    return date(year, 10, 1), date(year + 1, 9, 30)


def is_in_season(day: date) -> bool:
    """Whether games are played in the month, from October to June."""
    return not 7 <= day.month <= 9


def resolve_game_date(
    *,
    game_date: str | None,
    partition_key: str | None,
    run_type: str,
    logical_date: datetime | None,
    run_after: datetime,
) -> date:
    """The New York date that a run grades; raises GameDateError for a malformed or future one.

    ``logical_date`` and ``run_after`` are aware datetimes, ``run_type`` is Airflow's (scheduled, manual, backfill, asset_triggered).
    """
    if game_date and run_type == "backfill":
        raise GameDateError(
            f"game_date={game_date} was given to a backfill, where every run would grade that one date: "
            "leave it out and give the range with --from-date and --to-date."
        )
    if game_date:
        resolved = parse_game_date(game_date)
    elif partition_key:
        resolved = parse_game_date(partition_key)
    elif run_type in ("scheduled", "backfill") and logical_date is not None:
        resolved = logical_date.astimezone(NEW_YORK).date()
    else:
        resolved = run_after.astimezone(NEW_YORK).date() - timedelta(days=1)
    latest = max(run_after, datetime.now(tz=NEW_YORK)).astimezone(NEW_YORK).date()
    if resolved >= latest:
        raise GameDateError(f"game_date {resolved} is not over yet in New York: the latest that can be graded is {latest - timedelta(days=1)}.")
    return resolved


def resolve_past_day(day: str | None, run_after: datetime) -> date:
    """The day that a check or a review ends with: ``day`` as YYYY-MM-DD, or else the day before ``run_after`` in New York.

    Raises GameDateError for a malformed date, or a day that is not over at ``run_after``.
    """
    latest = run_after.astimezone(NEW_YORK).date() - timedelta(days=1)
    if day is None:
        return latest
    resolved = parse_game_date(day)
    if resolved > latest:
        raise GameDateError(f"day {resolved} is not over yet in New York: the latest that can be checked is {latest}.")
    return resolved


def resolve_predicted_date(game_date: str | None) -> date:
    """The New York date that predictions are for, past or up to 14 days ahead; raises GameDateError. There is no default."""
    if not game_date:
        raise GameDateError("game_date is missing: give the date of the batch's games as YYYY-MM-DD.")
    resolved = parse_game_date(game_date)
    latest = datetime.now(tz=NEW_YORK).date() + timedelta(days=PREDICTED_DAYS_AHEAD)
    if resolved > latest:
        raise GameDateError(f"game_date {resolved} is too far ahead: predictions are accepted for {PREDICTED_DAYS_AHEAD} days, up to {latest}.")
    return resolved
