"""Some game dates, from predictions and box scores to published grades. The rules are in include/sql/grading and docs/grading-rules.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.publish import write_dates
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import AuditFailed, Write
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.sql import load_sql
from nba_grading.warehouse.tables import PREDICTION_ACCURACY

log = get_logger(__name__)


@dataclass(frozen=True)
class Inputs:
    """The inputs of a date: gradable predictions, their games, those with a box score, and the rows graded earlier."""

    gradable: int
    games: int
    games_with_box_score: int
    stored_rows: int

    @property
    def outcome(self) -> str:
        """ready, no_predictions or no_box_scores. A date that has grades but no predictions any more is ready: the audit decides."""
        if self.gradable == 0:
            return "ready" if self.stored_rows else "no_predictions"
        return "ready" if self.games_with_box_score else "no_box_scores"


def count_inputs(warehouse: Warehouse, dates: Sequence[date]) -> dict[date, Inputs]:
    """Count the inputs of each date, in one query."""
    rows = warehouse.query_file("grading/count_inputs", {"game_dates": list(dates)})
    return {row.pop("counted_date"): Inputs(**{name: int(value) for name, value in row.items()}) for row in rows}


def grade_dates(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Grade the claimed dates and publish them; a date's facts are its gradable, graded, voided, pending and invalid_confidence.

    Raises what ``write_dates`` raises. A date whose counts do not balance is refused.
    """
    write = Write(
        table=PREDICTION_ACCURACY,
        rows=load_sql("grading/grade_predictions"),
        params={"grading_run_id": request.grading_run_id},
        grading_run_id=request.grading_run_id,
        max_shrink=request.max_shrink,
        allow_shrink=request.allow_shrink,
        counts=load_sql("grading/count_outcomes"),
        check=_check_balance,
    )
    written = write_dates(warehouse, claimed, write)
    for each in written.published:
        found = each.counts
        log.info("date_graded", game_date=each.game_date, graded=found["graded"], voided=found["voided"], pending=found["pending"], rows=each.written)
    return WriteReport(written)


def _check_balance(game_date: date, counts: Row) -> None:
    if counts["graded"] + counts["voided"] + counts["pending"] != counts["gradable"]:
        raise AuditFailed(
            "{0}: {graded} graded + {voided} voided + {pending} pending are not {gradable} gradable predictions; nothing was published. "
            "The inputs changed while they were read, or the grading SQL is wrong".format(game_date, **counts)
        )
