"""One game date, from predictions and box scores to published grades. The rules are in include/sql/grading and docs/grading-rules.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import Claim
from nba_grading.guarded_write.publish import AuditFailed, Write, write_date
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import identifier, load_sql, render_sql
from nba_grading.warehouse.tables import PREDICTION_ACCURACY

log = get_logger(__name__)

OPERATION = "grading"


@dataclass(frozen=True)
class Inputs:
    """What a date holds before grading: gradable predictions, their games, those with a box score, and rows graded earlier."""

    gradable: int
    games: int
    games_with_box_score: int
    stored_rows: int

    @property
    def outcome(self) -> str:
        """ready, no_predictions or no_box_scores. A date whose predictions all went but that has grades is ready: the audit decides."""
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
    """Figures of a date's inputs, from one query."""
    [row] = warehouse.query_file("grading/count_inputs", {"game_date": game_date})
    return Inputs(**{name: int(value) for name, value in row.items()})


def grade_date(warehouse: Warehouse, claim: Claim, game_date: date, *, grading_run_id: str, max_shrink: float, allow_shrink: bool) -> dict[str, Any]:
    """Grade a date under a claim and publish it; returns the counts of Outcomes plus fencing_token, replaced and duration_ms.

    Raises what ``fenced_write.write_date`` raises; AuditFailed also when the counts do not balance.
    """
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

    published = write_date(
        warehouse,
        claim,
        Write(
            table=PREDICTION_ACCURACY,
            game_date=game_date,
            rows=load_sql("grading/grade_predictions"),
            params={"game_date": game_date, "grading_run_id": grading_run_id},
            max_shrink=max_shrink,
            allow_shrink=allow_shrink,
        ),
        audit_balance,
    )
    [found] = outcomes
    log.info("date_graded", game_date=game_date, graded=found.graded, voided=found.voided, pending=found.pending, replaced=published.replaced_rows)
    return {
        **asdict(found),
        "fencing_token": published.fencing_token,
        "written": published.written_rows,
        "replaced": published.replaced_rows,
        "duration_ms": published.duration_ms,
    }
