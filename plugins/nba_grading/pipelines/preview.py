"""What a regrade would change: the grades of some dates are staged and audited as for a write, compared with the stored ones, and dropped.

Nothing is published, so it takes no lease. The comparison is in include/sql/preview.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from nba_grading.events import get_logger
from nba_grading.guarded_write.publish import MOST_DATES, staged_dates
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.pipelines.grade import complete_minutes, grading_write
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import identifier, render_sql

log = get_logger(__name__)

# In the order in which they are shown.
CHANGES = (
    *("new", "gone_no_box_score", "gone_incomplete", "gone_not_gradable", "void_to_graded", "graded_to_void"),
    *("actual_changed", "prediction_changed", "rule_changed", "unchanged"),
)
SIDES = ("stored", "staged")
SUMS = ("grades", "errors", "absolute_error", "signed_error", "correct", "incorrect")


@dataclass
class Preview:
    """What a regrade of some dates would change.

    ``by_date`` and ``by_system`` count keys by change; ``sums`` has, by system and side (stored, staged), the sums of SUMS; ``refused``
    says why the audit would stop a date, which then keeps its grades.
    """

    dates: list[date] = field(default_factory=list)
    by_date: dict[date, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_system: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sums: dict[str, dict[str, Counter[str]]] = field(default_factory=lambda: defaultdict(lambda: {side: Counter() for side in SIDES}))
    refused: dict[date, str] = field(default_factory=dict)

    @property
    def changes(self) -> dict[str, int]:
        """Keys by change, every change named."""
        total = sum(self.by_date.values(), Counter[str]())
        return {change: total[change] for change in CHANGES}

    def as_json(self) -> dict[str, Any]:
        """Plain values: the dates, the keys by change, by date and by system, the systems' figures before and after, and refusals."""
        return {
            "dates": [str(day) for day in self.dates],
            "changes": self.changes,
            "by_date": [{"game_date": str(day), **self.by_date[day]} for day in self.dates if day in self.by_date],
            "by_system": [
                {"system_id": system, **counts, **{side: _figures(self.sums[system][side]) for side in SIDES}}
                for system, counts in sorted(self.by_system.items())
            ],
            "refused": {str(day): reason for day, reason in self.refused.items()},
        }


def preview_dates(warehouse: Warehouse, dates: Sequence[date], request: WriteRequest) -> Preview:
    """Compare what a regrade would publish with what is stored, up to 32 dates at a time. Raises the warehouse's errors."""
    preview = Preview(list(dates))
    for chunk in _chunks(dates):
        with staged_dates(warehouse, chunk, grading_write(request)) as (staging, refused):
            _compare(warehouse, chunk, staging, preview)
        preview.refused |= {day: str(error) for day, error in refused.items()}
        log.info("dates_previewed", dates=len(chunk), game_date=chunk[0], of=len(dates), refused=len(refused))
    return preview


def _compare(warehouse: Warehouse, dates: Sequence[date], staging: str, preview: Preview) -> None:
    params = {"game_dates": list(dates)}
    text = render_sql("preview/compare_grades", staging=identifier(staging))
    for row in warehouse.query(text, {**params, **complete_minutes()}):
        preview.by_date[row["game_date"]][row["change"]] += row["key_count"]
        preview.by_system[row["system_id"]][row["change"]] += row["key_count"]
    for row in warehouse.query(render_sql("preview/summarize_systems", staging=identifier(staging)), params):
        preview.sums[row["system_id"]][row["side"]].update({name: row[name] for name in SUMS})


def _figures(sums: Mapping[str, Any]) -> dict[str, Any]:
    """Grades, and mae, avg_bias (points) and win_rate; None with nothing to divide by."""
    return {
        "grades": sums["grades"],
        "mae": _ratio(sums["absolute_error"], sums["errors"]),
        "avg_bias": _ratio(sums["signed_error"], sums["errors"]),
        "win_rate": _ratio(sums["correct"], sums["correct"] + sums["incorrect"]),
    }


def _ratio(part: Decimal | int, whole: int) -> float | None:
    return float(part) / whole if whole else None


def _chunks(dates: Sequence[date]) -> Iterator[Sequence[date]]:
    return (dates[first : first + MOST_DATES] for first in range(0, len(dates), MOST_DATES))
