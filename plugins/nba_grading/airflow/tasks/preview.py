"""The task of preview_regrade: what a regrade of a range would change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import ParamsRefused, fail_for_good
from nba_grading.airflow.params import range_of
from nba_grading.game_dates import GameDateError, parse_game_date, resolve_past_day
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context


def preview_range(context: Context) -> dict[str, Any]:
    """``Preview.as_json`` of the run's dates: those of its range, or of ``dates`` within it."""
    from nba_grading.guarded_write.work import WriteRequest
    from nba_grading.pipelines.preview import preview_dates

    params = context["params"]
    first, last = range_of(context)
    try:
        resolve_past_day(str(last), datetime.now(tz=UTC))
        only = {parse_game_date(day) for day in params.get("dates") or ()}
    except GameDateError as error:
        raise ParamsRefused(str(error)) from None
    dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    request = WriteRequest("preview", max_shrink=get_settings().grading_max_shrink, allow_shrink=bool(params.get("allow_shrink")))
    with fail_for_good():
        return preview_dates(make_warehouse(context), [day for day in dates if not only or day in only], request).as_json()
