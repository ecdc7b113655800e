"""Load predictions, box scores, and tip-offs and prices where there are any, from a directory into BigQuery; the dates in a file are replaced.

Usage: python -m commands.load DIRECTORY | --sample [--local] [--strict]

--sample loads the generated sample; --local means the stack of `make up`, whose tables are created if they do not exist; --strict refuses
what is otherwise noted: ignored columns, columns filled with NULL, and dates too far ahead.
"""

from __future__ import annotations

import io
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from google.cloud import bigquery

from commands.clients import make_bigquery_client
from commands.console import CommandError, command, console, count_of, progress_bar, warehouse_of
from commands.data_files import InputFiles, describe_games, read_inputs
from commands.input_tables import BOX_SCORES, GAMES, INPUT_TABLES, PREDICTIONS, PROP_LINES, InputTable
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
    """What was loaded: rows by file stem, and the prediction dates in order."""

    rows: Mapping[str, int]
    dates: list[date]

    @property
    def line(self) -> str:
        """The line that reports it."""
        words = {PREDICTIONS.stem: "prediction", BOX_SCORES.stem: "box-score row", GAMES.stem: "game", PROP_LINES.stem: "offer"}
        *first, last = [count_of(rows, words[stem]) for stem, rows in self.rows.items()]
        return f"loaded {', '.join(first)} and {last} of {count_of(len(self.dates), 'date')}, {self.dates[0]} to {self.dates[-1]}"


def load_directory(client: bigquery.Client, directory: Path, *, strict: bool = False) -> Loaded:
    """Check the files of a directory, stage them, and replace their dates in one transaction. Raises CommandError."""
    if not directory.is_dir():
        raise CommandError(f"{directory}: there is no such directory; give one that holds {PREDICTIONS.stem} and {BOX_SCORES.stem}.")
    with progress_bar() as progress:
        steps = progress.add_task(f"loading {directory}", total=None)
        inputs = read_inputs(directory, strict=strict)
        progress.update(steps, total=2 + len(inputs.tables))
        progress.advance(steps)
        for note in filter(None, (*inputs.notes, describe_games(inputs.box_scores, get_settings().grading_complete_minutes))):
            console.print(note, style="yellow", markup=False)
        return _load(client, inputs, lambda: progress.advance(steps))


def _load(client: bigquery.Client, inputs: InputFiles, advance: Callable[[], None]) -> Loaded:
    suffix = uuid.uuid4().hex[:12]
    given = [(spec, inputs.tables[spec.stem], f"nba_predictions._load_{spec.stem}_{suffix}") for spec in INPUT_TABLES if spec.stem in inputs.tables]
    try:
        for spec, rows, staged in given:
            _stage(client, spec, rows, staged)
            advance()
        replaced = "".join(_replacement(spec, rows, staged) for spec, rows, staged in given)
        warehouse_of(client).query(COMMANDS_SQL.render("replace_loaded_dates", replaced=replaced))
        advance()
    finally:
        for _, _, staged in given:
            client.delete_table(staged, not_found_ok=True)
    return Loaded({spec.stem: rows.num_rows for spec, rows, _ in given}, PREDICTIONS.dates_of(inputs.predictions))


def _replacement(spec: InputTable, rows: pa.Table, staged: str) -> str:
    dates = spec.dates_of(rows) or [date.min]
    return COMMANDS_SQL.render(
        "replace_dates_fragment",
        target=identifier(spec.full_name),
        staging=identifier(staged),
        columns=identifiers(tuple(spec.columns)),
        date_of=f"DATE({identifier(spec.date_column)})" if pa.types.is_timestamp(spec.columns[spec.date_column]) else identifier(spec.date_column),
        first_date=literal(dates[0]),
        last_date=literal(dates[-1]),
    )


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
