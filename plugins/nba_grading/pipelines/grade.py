"""One game date, from predictions and box scores to published grades. The rules are in include/sql/grading and docs/grading-rules.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import Claim
from nba_grading.guarded_write.publish import AuditFailed, Write, write_date
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import identifier, load_sql, render_sql
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


@dataclass(frozen=True)
class Outcomes:
    """How the gradable predictions of a date ended: graded + voided + pending = gradable."""

    gradable: int
    graded: int
    voided: int
    pending: int
    invalid_confidence: int

    @property
    def balanced(self) -> bool:
        """Whether every gradable prediction is accounted for exactly once."""
        return self.graded + self.voided + self.pending == self.gradable


def count_inputs(warehouse: Warehouse, game_date: date) -> Inputs:
    """Count a date's inputs, in one query."""
    [row] = warehouse.query_file("grading/count_inputs", {"game_date": game_date})
    return Inputs(**{name: int(value) for name, value in row.items()})


def grade_date(warehouse: Warehouse, claim: Claim, request: WriteRequest) -> WriteReport:
    """Grade the claim's date and publish it; the report's counts are those of Outcomes.

    Raises what ``write_date`` raises; AuditFailed also when the counts do not balance.
    """
    game_date = claim.key.game_date
    outcomes: list[Outcomes] = []

    def audit_balance(staging: str) -> None:
        [row] = warehouse.query(render_sql("grading/count_outcomes", staging=identifier(staging)), {"game_date": game_date})
        found = Outcomes(**{name: int(value) for name, value in row.items()})
        if not found.balanced:
            raise AuditFailed(
                f"{game_date}: {found.graded} graded + {found.voided} voided + {found.pending} pending are not {found.gradable} gradable "
                "predictions; nothing was published. The inputs changed while they were read, or the grading SQL is wrong"
            )
        outcomes.append(found)

    write = Write(
        table=PREDICTION_ACCURACY,
        rows=load_sql("grading/grade_predictions"),
        params={"game_date": game_date, "grading_run_id": request.grading_run_id},
        max_shrink=request.max_shrink,
        allow_shrink=request.allow_shrink,
    )
    published = write_date(warehouse, claim, write, audit_balance)
    [found] = outcomes
    log.info("date_graded", game_date=game_date, graded=found.graded, voided=found.voided, pending=found.pending, replaced=published.replaced)
    return WriteReport(published, asdict(found))
