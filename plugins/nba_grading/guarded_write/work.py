"""What a guarded write is asked to do, and what it reports: the contract between the operators and the pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from nba_grading.guarded_write.claim import Claim
from nba_grading.guarded_write.publish import Published
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
    """What was published, and the work's own counts."""

    published: Published
    counts: Mapping[str, Any] = field(default_factory=dict)

    def as_facts(self) -> dict[str, Any]:
        """Both as plain values: columns of grading_runs, and what the checks after the write compare."""
        published = self.published
        return {
            **self.counts,
            "fencing_token": published.fencing_token,
            "written": published.written,
            "replaced": published.replaced,
            "duration_ms": published.duration_ms,
        }


class GuardedWork(Protocol):
    """Writes the date of its claim through ``publish.write_date``, and raises what that raises."""

    def __call__(self, warehouse: Warehouse, claim: Claim, request: WriteRequest) -> WriteReport:
        """Do it once; doing it again gives the same rows."""
