"""One batch of staging tables, merged into one game date of player_prop_predictions. The rules are in include/sql/consolidation.

Prediction workers each write ``_staging_batch_<batch>_<worker>``. A batch's tables are checked first, and refused by name if they
cannot be merged whole; then the guarded write merges all of them; then those whose rows are proven to be in the table are dropped. A
crash at any point leaves a whole date and every row that is not in it yet, so the batch can be consolidated again.

It does not promise that the workers are done. Rows that a worker writes between the proof and the drop of its table are dropped with
it (BigQuery keeps a dropped table for seven days), so consolidate a batch once its workers have finished.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

from nba_grading.events import get_logger
from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.publish import write_dates
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import AuditFailed, Published, Write
from nba_grading.pipelines.merged import count_unmerged_rows
from nba_grading.quality.after_write import Finding, find_duplicates, log_findings
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.errors import StatementFailed
from nba_grading.warehouse.sql import identifier, identifiers, literal, render_sql
from nba_grading.warehouse.tables import BATCH_ID_PATTERN, DATASET, PLAYER_PROP_PREDICTIONS

log = get_logger(__name__)

WORKER_PATTERN = "^[A-Za-z0-9_]+$"
# A row without these cannot be stored; a newer column that an older worker does not write is NULL.
REQUIRED_COLUMNS = (*PLAYER_PROP_PREDICTIONS.key, PLAYER_PROP_PREDICTIONS.date_column, PLAYER_PROP_PREDICTIONS.time_column)
# The columns that the checks read. Only the merge reads every column.
KEYS_AND_TIMES = (*REQUIRED_COLUMNS, "updated_at")
SHOWN_DATES = 5
SHOWN_CHARACTERS = 200


class BatchRefused(AuditFailed):
    """Staging tables that cannot be merged whole; nothing was changed. The message names table, column or dates, and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems) + ". Nothing was changed", permanent=True)


@dataclass(frozen=True)
class BatchTable:
    """A staging table of a batch and the columns it has."""

    name: str
    columns: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """``dataset.table``."""
        return f"{DATASET}.{self.name}"

    def select(self, columns: tuple[str, ...]) -> str:
        """A SELECT of its rows with these columns, NULL for those it lacks."""
        # A statement of a hundred tables is long enough without every column of each.
        listed = ", ".join(identifier(name) if name in self.columns else f"NULL AS {identifier(name)}" for name in columns)
        selected = "*" if columns == self.columns else listed
        return render_sql(
            "consolidation/staging_rows_fragment", columns=selected, staging=identifier(self.full_name), staging_name=literal(self.name)
        )


@dataclass(frozen=True)
class Batch:
    """The staging tables of a batch, all of which can be merged, and how many rows they held when they were checked."""

    batch_id: str
    tables: tuple[BatchTable, ...]
    rows: int = 0

    def candidates(self, columns: tuple[str, ...] = KEYS_AND_TIMES) -> str:
        """One SELECT of the date's stored rows and those of every table, each with its staging_table; it takes game_date.

        The stored rows come first: where a table lacks a column, its NULL gets its type from them.
        """
        stored = render_sql("consolidation/stored_rows_fragment", columns=identifiers(columns))
        return "\nUNION ALL\n".join(text.strip().rstrip(";") for text in (stored, *(table.select(columns) for table in self.tables)))


def staging_prefix(batch_id: str) -> str:
    """The prefix of the names of a batch's tables; ValueError for a batch id with other characters than letters and digits."""
    if not re.fullmatch(BATCH_ID_PATTERN, batch_id):
        raise ValueError(f"batch_id {batch_id!r} has other characters than letters and digits")
    return f"_staging_batch_{batch_id}_"


def read_batch(warehouse: Warehouse, batch_id: str, game_date: date) -> Batch:
    """The staging tables of a batch with the number of their rows, none when it has none. Raises BatchRefused if they cannot be merged whole."""
    batch = _read_tables(warehouse, batch_id)
    return replace(batch, rows=_check_rows(warehouse, batch, game_date)) if batch.tables else batch


def _read_tables(warehouse: Warehouse, batch_id: str) -> Batch:
    """The staging tables of a batch, by their columns. Raises BatchRefused if those cannot be merged."""
    prefix = staging_prefix(batch_id)
    types = _read_columns(warehouse, prefix)
    target = types.pop(PLAYER_PROP_PREDICTIONS.name)
    problems = _problems_of_target(target)
    for name, columns in types.items():
        problems += _problems_of(name, prefix, columns, target)
    if problems:
        raise BatchRefused(problems)
    return Batch(batch_id, tuple(BatchTable(name, tuple(columns)) for name, columns in types.items()))


def _check_rows(warehouse: Warehouse, batch: Batch, game_date: date) -> int:
    """The number of rows of the batch. Raises BatchRefused if some cannot be merged."""
    described = warehouse.query(render_sql("consolidation/describe_staging", candidates=batch.candidates()), {"game_date": game_date})
    problems = [problem for row in described for problem in _problems_of_rows(row, game_date)]
    if problems:
        raise BatchRefused(problems)
    return sum(int(row["staged_rows"]) for row in described)


def consolidate_date(warehouse: Warehouse, claimed: ClaimedDates, request: WriteRequest) -> WriteReport:
    """Merge the batch ``batch_id`` into the claimed date, and drop the staging tables that are proven merged. Idempotent, also after a crash.

    The date's facts count tables, rows and keys, and have ``kept``: a sentence per table that was not dropped. Raises BatchRefused and what
    ``write_dates`` raises.
    """
    [game_date], batch_id = claimed.dates, str(request.params["batch_id"])
    batch = _read_tables(warehouse, batch_id)
    write = Write(
        table=PLAYER_PROP_PREDICTIONS,
        rows=render_sql("consolidation/merge_batch", candidates=batch.candidates(PLAYER_PROP_PREDICTIONS.columns)),
        params={"game_date": game_date},
        grading_run_id=request.grading_run_id,
        max_shrink=request.max_shrink,
        allow_shrink=request.allow_shrink,
        reads_target=True,
        counts=render_sql("consolidation/count_merge", candidates=batch.candidates(PLAYER_PROP_PREDICTIONS.key), staging="{staging}"),
        check=partial(_check_keys, batch),
    )
    written = write_dates(warehouse, claimed, write)
    if written.refused and batch.tables:
        _check_rows(warehouse, batch, game_date)  # names the tables and their dates
    facts = {each.game_date: _finish(warehouse, claimed, batch, each, request.grading_run_id) for each in written.published}
    return WriteReport(written, facts)


def _finish(warehouse: Warehouse, claimed: ClaimedDates, batch: Batch, published: Published, run: str) -> dict[str, Any]:
    """Drop what is proven merged; returns the facts of the date."""
    merged, kept = published.counts, _drop_merged(warehouse, claimed, batch)
    counts = {
        "tables": len(batch.tables),
        "dropped": len(batch.tables) - len(kept),
        "batch_rows": int(merged["batch_rows"]),
        "batch_keys": int(merged["batch_keys"]),
        "new_keys": int(merged["expected_keys"] - merged["date_keys"]),
        "collapsed": int(merged["date_rows"] - merged["date_keys"]),
    }
    log.info("batch_consolidated", game_date=published.game_date, batch=batch.batch_id, run=run, written=published.written, **counts)
    return {**counts, "kept": kept}


def validate_consolidation(warehouse: Warehouse, game_date: date, reported: Mapping[str, Any]) -> list[Finding]:
    """Findings after a consolidation; none is a pass. ``reported`` has the counts that ``consolidate_date`` reported."""
    kept = [Finding("staging_kept", "warn", sentence) for sentence in reported["kept"]]
    findings = [*find_duplicates(warehouse, PLAYER_PROP_PREDICTIONS, [game_date])[game_date], *kept]
    log_findings(findings, game_date)
    return findings


def _read_columns(warehouse: Warehouse, prefix: str) -> dict[str, dict[str, str]]:
    """Table → column → type, of the batch's tables and of the target."""
    names = [PLAYER_PROP_PREDICTIONS.name, *warehouse.list_tables(DATASET, prefix)]
    return {name: columns for name, columns in zip(names, warehouse.read_columns([f"{DATASET}.{name}" for name in names]), strict=True) if columns}


def _problems_of_target(columns: Mapping[str, str]) -> list[str]:
    # The guarded write replaces whole rows: a column it does not know would be emptied.
    unknown = sorted(columns.keys() - set(PLAYER_PROP_PREDICTIONS.columns))
    return [f"{PLAYER_PROP_PREDICTIONS.name} has the column {name}, which this code does not know: add it to tables.py" for name in unknown]


def _problems_of(table: str, prefix: str, columns: Mapping[str, str], target: Mapping[str, str]) -> Iterator[str]:
    if not re.fullmatch(WORKER_PATTERN, table.removeprefix(prefix)):
        yield f"the name {table!r} has other characters after its batch than letters, digits and underscores: copy the table to another name"
    for name in sorted(columns.keys() - set(PLAYER_PROP_PREDICTIONS.columns)):
        yield (
            f"{table} has the column {name}, which {PLAYER_PROP_PREDICTIONS.name} does not have: add it to that table and to tables.py, "
            "or drop it from the staging table"
        )
    for name in (name for name in REQUIRED_COLUMNS if name not in columns):
        yield f"{table} lacks the column {name}, without which its rows cannot be merged: the worker must write it"
    for name, type_ in columns.items():
        if name in target and type_ != target[name]:
            yield f"{table} has {name} as {type_}, {PLAYER_PROP_PREDICTIONS.name} as {target[name]}: the worker must write that type"


def _problems_of_rows(row: Row, game_date: date) -> Iterator[str]:
    if row["foreign_rows"]:
        dates = sorted(row["foreign_dates"].split(", "))
        shown = ", ".join(dates[:SHOWN_DATES]) + (f" and {len(dates) - SHOWN_DATES} more dates" if len(dates) > SHOWN_DATES else "")
        yield (
            f"{row['staging_table']} has {row['foreign_rows']} of its {row['staged_rows']} rows on other dates than {game_date} ({shown}): "
            "give the batch's own date, or fix the table"
        )
    if row["null_keys"]:
        yield f"{row['staging_table']} has {row['null_keys']} rows without one of {', '.join(PLAYER_PROP_PREDICTIONS.required_key)}: fix the table"


def _check_keys(batch: Batch, game_date: date, counts: Row) -> None:
    if counts["lost_keys"] or counts["merged_rows"] != counts["expected_keys"]:
        raise AuditFailed(
            f"{game_date}: {counts['merged_rows']} rows were staged for the {counts['expected_keys']} keys of the date and batch {batch.batch_id}, "
            f"{counts['lost_keys']} are missing; nothing was published. A worker is still writing, or the merge's SQL is wrong"
        )


def _drop_merged(warehouse: Warehouse, claimed: ClaimedDates, batch: Batch) -> list[str]:
    """Drop the tables that are proven merged; returns a sentence for each table that is kept, by name."""
    if not batch.tables:
        return []
    claimed.check()
    [game_date], target = claimed.dates, PLAYER_PROP_PREDICTIONS
    staged = count_unmerged_rows(warehouse, target, [table.name for table in batch.tables], game_date, game_date)
    kept = {
        name: f"{name} is kept: {rows.unmerged} of its rows are not proven to be in {target.name}" for name, rows in staged.items() if rows.unmerged
    }
    for table in batch.tables:
        if table.name in kept:
            continue
        claimed.check()
        try:
            # A call, not a statement: a hundred tables would need a hundred query jobs, most of the time of a merge.
            warehouse.drop_table(table.full_name)
        except StatementFailed as error:
            # Its rows are in the table, so keeping it or merging it again loses nothing.
            kept[table.name] = f"{table.name} is kept, although it is merged: {str(error)[:SHOWN_CHARACTERS]}"
    return [kept[name] for name in sorted(kept)]
