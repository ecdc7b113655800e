from __future__ import annotations

from datetime import date
from typing import Any, cast

import pytest

from nba_grading.reviews.trends import NAMES, trend
from nba_grading.warehouse.sql import SQL_DIR

NO_WAREHOUSE = cast(Any, None)


def test_every_trend_is_a_file_and_every_file_a_trend() -> None:
    assert {path.stem for path in (SQL_DIR / "trends").glob("*.sql")} == set(NAMES)


@pytest.mark.parametrize(("name", "days", "expected"), [("../schema/x", 7, "the trends are duplicate_rate"), ("lease_wait", 0, "at least one day")])
def test_an_unknown_trend_or_no_days_is_refused_with_a_sentence(name: str, days: int, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        trend(NO_WAREHOUSE, name, date(2026, 1, 10), days)
