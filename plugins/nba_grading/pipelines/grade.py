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
from nba_grading.settings import get_settings
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import load_sql
from nba_grading.warehouse.tables import PREDICTION_ACCURACY

log = get_logger(__name__)


class UnknownGame(ValueError):
    """A game that a run should accept has no box score on the date."""


@dataclass(frozen=True)
class Inputs:
    """The inputs of a date: gradable predictions, their games, those with a box score and those complete, and the rows graded earlier.

    ``pending_games`` names the first ten games that are not complete, and what their box scores have; None if all are.
    """

    gradable: int
    games: int
    games_with_box_score: int
    complete_games: int
    pending_no_box_score: int
    pending_incomplete: int
    pending_games: str | None
    stored_rows: int

    @property
    def outcome(self) -> str:
        """ready, no_predictions, no_box_scores or incomplete_games: ready if a game is complete.

        A date that has grades but no predictions any more is ready: the audit decides.
        """
        if self.gradable == 0:
            return "ready" if self.stored_rows else "no_predictions"
        if self.complete_games:
            return "ready"
        return "incomplete_games" if self.games_with_box_score else "no_box_scores"

    @property
    def are_complete(self) -> bool:
        """Whether every predicted game is complete."""
        return self.complete_games == self.games

    @property
    def pending(self) -> dict[str, int]:
        """The counts of a date none of whose predictions is graded: columns of grading_runs."""
        incomplete = self.games_with_box_score - self.complete_games
        reasons = {"pending_no_box_score": self.pending_no_box_score, "pending_incomplete": self.pending_incomplete, "incomplete_games": incomplete}
        return {"gradable": self.gradable, "graded": 0, "voided": 0, "pending": self.gradable, **reasons}

    def describe(self, game_date: date) -> str | None:
        """A sentence about the games that are not complete; None if all are."""
        if self.are_complete:
            return None
        return f"{self.games - self.complete_games} of the {self.games} games predicted for {game_date} are not complete: {self.pending_games}"


def count_inputs(warehouse: Warehouse, dates: Sequence[date]) -> dict[date, Inputs]:
    """Count the inputs of each date, in one query."""
    rows = warehouse.query_file("grading/count_inputs", {"game_dates": list(dates), **complete_minutes()})
    return {
        row.pop("counted_date"): Inputs(pending_games=row.pop("pending_games"), **{name: int(value) for name, value in row.items()}) for row in rows
    }


def complete_minutes() -> Params:
    """The query parameter of statements that tell complete games from others."""
    return {"complete_minutes": get_settings().grading_complete_minutes}


def accept_games(warehouse: Warehouse, game_date: date, games: Sequence[str], accepted_by: str) -> None:
    """Let these games of the date count as complete from now on, whatever their minutes add up to.

    Accepting a game again changes nothing. Raises UnknownGame, before anything is changed, if one has no box score on the date.
    """
    stored = {row["game_id"] for row in warehouse.query_file("grading/list_games", {"game_date": game_date, **complete_minutes()})}
    unknown = sorted(set(games) - stored)
    if unknown:
        raise UnknownGame(
            f"accept_games: no box score on {game_date} has the game {', '.join(unknown)}; its games are {', '.join(sorted(stored)) or 'none'}"
        )
    accepted = warehouse.dml(load_sql("grading/accept_games"), {"game_date": game_date, "games": sorted(set(games)), "accepted_by": accepted_by})
    log.warning("games_accepted", game_date=game_date, games=sorted(set(games)), rows=accepted, accepted_by=accepted_by)


def grade_dates(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Grade the claimed dates and publish them; a date's facts are the counts of ``grading/count_outcomes``.

    Raises what ``write_dates`` raises. A date whose counts do not balance is refused.
    """
    written = write_dates(warehouse, claimed, grading_write(request))
    for each in written.published:
        found = each.counts
        log.info("date_graded", game_date=each.game_date, graded=found["graded"], voided=found["voided"], pending=found["pending"], rows=each.written)
    return WriteReport(written)


def grading_write(request: WriteRequest) -> Write:
    """The write that grades dates."""
    return Write(
        table=PREDICTION_ACCURACY,
        rows=load_sql("grading/grade_predictions"),
        params={"grading_run_id": request.grading_run_id, **complete_minutes()},
        grading_run_id=request.grading_run_id,
        max_shrink=request.max_shrink,
        allow_shrink=request.allow_shrink,
        counts=load_sql("grading/count_outcomes"),
        check=_check_balance,
    )


def _check_balance(game_date: date, counts: Row) -> None:
    if counts["graded"] + counts["voided"] + counts["pending"] != counts["gradable"]:
        raise AuditFailed(
            "{0}: {graded} graded + {voided} voided + {pending} pending are not {gradable} gradable predictions; nothing was published. "
            "The inputs changed while they were read, or the grading SQL is wrong".format(game_date, **counts)
        )
