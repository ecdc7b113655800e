"""The plan of a backfill: which dates of a range to grade, in chunks that are one guarded write each, and what a run has recorded so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from nba_grading.events import get_logger
from nba_grading.guarded_write.publish import MOST_DATES
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.params import Params

log = get_logger(__name__)

# A chunk reads the predictions of its dates at once, and BigQuery limits the bytes of a statement.
CHUNK_PREDICTIONS = 8_000_000


@dataclass(frozen=True)
class BackfillPlan:
    """What becomes of each date of a range: graded in a chunk, left alone as it is graded already, or without predictions."""

    chunks: list[list[date]]
    graded: list[date]
    no_predictions: list[date]


def plan_backfill(warehouse: Warehouse, dates: Sequence[date], *, regrade: bool) -> BackfillPlan:
    """The plan for these dates, in order; one query. ``regrade`` grades dates again that a run has graded."""
    found = {row["game_date"]: row for row in warehouse.query_file("records/list_dates_to_grade", {"first_date": dates[0], "last_date": dates[-1]})}
    graded = [day for day in dates if day in found and found[day]["is_graded"] and not regrade]
    to_grade = [(day, int(found[day]["predictions"])) for day in dates if day in found and day not in set(graded)]
    plan = BackfillPlan(list(_chunks(to_grade)), graded, [day for day in dates if day not in found])
    log.info("backfill_planned", dates=len(dates), to_grade=len(to_grade), chunks=len(plan.chunks), graded_already=len(graded))
    return plan


def _chunks(dates: Iterable[tuple[date, int]]) -> Iterable[list[date]]:
    chunk: list[date] = []
    rows = 0
    for day, predictions in dates:
        if chunk and (len(chunk) == MOST_DATES or rows + predictions > CHUNK_PREDICTIONS):
            yield chunk
            chunk, rows = [], 0
        chunk.append(day)
        rows += predictions
    if chunk:
        yield chunk


def list_dates_of_run(warehouse: Warehouse, dag_id: str, run_id: str, began: datetime) -> dict[date, Row]:
    """What the run has recorded of each date so far: counts, outcome and detail."""
    params: Params = {"dag_id": dag_id, "run_id": run_id, "since": began - timedelta(days=1)}
    return {row["game_date"]: row for row in warehouse.query_file("records/list_dates_of_run", params)}
