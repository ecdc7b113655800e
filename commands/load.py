"""Load predictions and box scores from a directory into BigQuery; the dates in the files are replaced.

Usage: python -m commands.load DIRECTORY | --sample [--local] [--strict]

--sample loads the generated sample; --local means the stack of `make up`, whose tables are created if they do not exist; --strict refuses
what is otherwise noted: ignored columns, columns filled with NULL, and dates too far ahead.
"""

from __future__ import annotations

import io
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer
from google.cloud import bigquery

from commands.clients import make_bigquery_client
from commands.console import CommandError, command, console, count_of, progress_bar, warehouse_of
from commands.data_files import BOX_SCORES, PREDICTIONS, InputFiles, InputTable, describe_games, read_inputs
from commands.sample import write_sample
from commands.schema import create_schema
from commands.stack import use_local_stack
from commands.stack_config import ROOT
from commands.statements import COMMANDS_SQL
from nba_grading.settings import get_settings
from nba_grading.warehouse.sql import identifier, identifiers, literal

SAMPLE_DIRECTORY = ROOT / ".local" / "sample"

SCHEMA_TYPES = {
    pa.string(): "STRING",
    pa.bool_(): "BOOLEAN",
    pa.int64(): "INTEGER",
    pa.date32(): "DATE",
    pa.decimal128(38, 9): "NUMERIC",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP",
}


@dataclass(frozen=True)
class Loaded:
    """What was loaded: rows of each table and the prediction dates, in order."""

    predictions: int
    box_scores: int
    dates: list[date]

    @property
    def line(self) -> str:
        """The line that reports it."""
        rows = f"{count_of(self.predictions, 'prediction')} and {count_of(self.box_scores, 'box-score row')}"
        return f"loaded {rows} of {count_of(len(self.dates), 'date')}, {self.dates[0]} to {self.dates[-1]}"


def load_directory(client: bigquery.Client, directory: Path, *, strict: bool = False) -> Loaded:
    """Check both files of a directory, stage them, and replace their dates in one transaction. Raises CommandError."""
    if not directory.is_dir():
        raise CommandError(f"{directory}: there is no such directory; give one that holds {PREDICTIONS.stem} and {BOX_SCORES.stem}.")
    with progress_bar() as progress:
        steps = progress.add_task(f"loading {directory}", total=4)
        inputs = read_inputs(directory, strict=strict)
        progress.advance(steps)
        for note in filter(None, (*inputs.notes, describe_games(inputs.box_scores, get_settings().grading_complete_minutes))):
            console.print(note, style="yellow", markup=False)
        return _load(client, inputs, lambda: progress.advance(steps))


def _load(client: bigquery.Client, inputs: InputFiles, advance: Callable[[], None]) -> Loaded:
    suffix = uuid.uuid4().hex[:12]
    names = {
        "staged_predictions": f"nba_predictions._load_predictions_{suffix}",
        "staged_box_scores": f"nba_predictions._load_box_scores_{suffix}",
    }
    try:
        _stage(client, PREDICTIONS, inputs.predictions, names["staged_predictions"])
        advance()
        _stage(client, BOX_SCORES, inputs.box_scores, names["staged_box_scores"])
        advance()
        dates = sorted({*_dates_of(inputs.predictions), *_dates_of(inputs.box_scores)}) or [date.min]
        script = COMMANDS_SQL.render(
            "replace_loaded_dates",
            first_date=literal(dates[0]),
            last_date=literal(dates[-1]),
            **{name: identifier(table) for name, table in names.items()},
            prediction_columns=identifiers(tuple(PREDICTIONS.columns)),
            box_score_columns=identifiers(tuple(BOX_SCORES.columns)),
        )
        warehouse_of(client).query(script)
        advance()
    finally:
        for table in names.values():
            client.delete_table(table, not_found_ok=True)
    return Loaded(inputs.predictions.num_rows, inputs.box_scores.num_rows, _dates_of(inputs.predictions))


def _dates_of(rows: pa.Table) -> list[date]:
    dates: list[date] = sorted(pc.unique(rows["game_date"]).to_pylist())
    return dates


def _stage(client: bigquery.Client, spec: InputTable, rows: pa.Table, name: str) -> None:
    schema = [bigquery.SchemaField(column, SCHEMA_TYPES[type_]) for column, type_ in spec.columns.items()]
    client.create_table(bigquery.Table(f"{client.project}.{name}", schema=schema))
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    buffer.seek(0)
    config = bigquery.LoadJobConfig(source_format=bigquery.SourceFormat.PARQUET, write_disposition="WRITE_APPEND", schema=schema)
    client.load_table_from_file(buffer, name, job_config=config).result()


@command()
def main(
    directory: Annotated[Path | None, typer.Argument()] = None,
    sample: Annotated[bool, typer.Option("--sample", help="The generated sample instead of a directory.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Into the running local stack.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse what is otherwise noted.")] = False,
) -> None:
    """Command line; exit code 0, 1 with sentences, or 2 for neither a directory nor --sample."""
    if (directory is None) == (not sample):
        raise typer.BadParameter("give a directory, or --sample")
    if local:
        use_local_stack()
    client = make_bigquery_client(get_settings())
    if local:
        create_schema(client)
    if sample:
        write_sample(SAMPLE_DIRECTORY)
    loaded = load_directory(client, directory or SAMPLE_DIRECTORY, strict=strict)
    console.print(loaded.line)


if __name__ == "__main__":
    sys.exit(main())
