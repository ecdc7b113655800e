"""What a guarded write is made of, and what becomes of its dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from nba_grading.warehouse.client import Row
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.tables import Table


class AuditFailed(RuntimeError):
    """The audit stopped the staged rows; the date is unchanged. ``permanent`` means that a retry would find the same."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class FencedOut(RuntimeError):
    """A newer claim has published this date, or anybody has since this write read it; the date keeps the newer rows."""


Refusal = AuditFailed | FencedOut
# The work's own part of the audit: the date and its counts; raises AuditFailed.
Check = Callable[[date, Row], None]


def _accept(_game_date: date, _counts: Row) -> None:
    pass


@dataclass(frozen=True)
class Write:
    """The rows that replace the claimed dates of a table: ``rows`` is the text of a SELECT of the table's columns.

    It takes ``params`` and the claimed ``game_dates``. ``max_shrink`` is the share of its keys that a date may lose, unless
    ``allow_shrink``. ``reads_target``: the rows are made from those that the date holds, as in a merge or a repair. A token orders writers,
    not what they have read, so such a date is also refused when anybody has published it since. ``allow_duplicates`` is for restoring a
    date exactly as it was. ``counts`` is a SELECT of the work's own counts by ``counted_date``, with ``{staging}`` for the staging table,
    and ``check`` judges them. ``source_versions`` are the versions of what a date is made from, as they were before it was read.
    """

    table: Table
    rows: str
    params: Params
    grading_run_id: str
    max_shrink: float
    allow_shrink: bool = False
    reads_target: bool = False
    allow_duplicates: bool = False
    counts: str | None = None
    check: Check = _accept
    source_versions: Mapping[date, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """A published date: its token, the rows written and replaced, the work's own counts, and the tables that were read."""

    table: Table
    game_date: date
    fencing_token: int
    written: int
    replaced: int
    counts: Row
    read: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """What became of each claimed date: published, or refused and unchanged. ``duration_ms`` is of the whole write."""

    published: tuple[Published, ...]
    refused: Mapping[date, Refusal]
    duration_ms: int
