"""What a guarded write is asked to do, and what it reports: the contract between the operators and the pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.write import Refusal, Written
from nba_grading.warehouse.client import Warehouse


@dataclass(frozen=True)
class WriteRequest:
    """One write: its id, how many of its keys a date may lose (a share), and the run's parameters that this work reads."""

    grading_run_id: str
    max_shrink: float = 1.0
    allow_shrink: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WriteReport:
    """What was published, and per date the work's own figures, such as the counts of its audit."""

    written: Written
    facts: Mapping[date, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def refused(self) -> Mapping[date, Refusal]:
        """Why a date was not published."""
        return self.written.refused

    def facts_of(self, day: date) -> dict[str, Any]:
        """A published date as plain values: columns of grading_runs, and what the checks after the write compare."""
        [published] = [each for each in self.written.published if each.game_date == day]
        return {
            **self.facts.get(day, published.counts),
            "game_date": str(day),
            "fencing_token": published.fencing_token,
            "written": published.written,
            "replaced": published.replaced,
            "duration_ms": self.written.duration_ms,
        }

    def raise_refused(self) -> None:
        """Raise why the first date was refused, if one was."""
        for error in self.refused.values():
            raise error


class GuardedWork(Protocol):
    """Writes the claimed dates through ``publish.write_dates``, and raises what that raises."""

    def __call__(self, warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
        """Do it once; doing it again gives the same rows."""
