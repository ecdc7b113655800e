"""Load predictions and box scores from a directory into BigQuery; the dates found in the files are replaced, never doubled.

Usage: python -m commands.load DIRECTORY | --sample [--local]

--sample loads the generated sample; --local means the stack of `make up`, whose tables are created when they are missing.
"""

from __future__ import annotations

import argparse
import io
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from google.cloud import bigquery

from commands.clients import make_bigquery_client
from commands.console import CommandError, console, progress_bar, sentences, warehouse_of
from commands.data_files import BOX_SCORES, PREDICTIONS, InputFiles, InputTable, read_inputs
from commands.sample import write_sample
from commands.schema import create_schema
from commands.stack import use_local_stack
from commands.stack_config import ROOT
from commands.statements import COMMANDS_SQL
from nba_grading.settings import get_settings
from nba_grading.warehouse.sql import identifier, identifiers

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


def load_directory(client: bigquery.Client, directory: Path) -> Loaded:
    """Check both files of a directory, stage them, and replace their dates in one transaction. Raises CommandError."""
    if not directory.is_dir():
        raise CommandError(f"{directory}: there is no such directory; give one that holds {PREDICTIONS.stem} and {BOX_SCORES.stem}.")
    with progress_bar() as progress:
        steps = progress.add_task(f"loading {directory}", total=4)
        inputs = read_inputs(directory)
        progress.advance(steps)
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
        script = COMMANDS_SQL.render(
            "replace_loaded_dates",
            **{name: identifier(table) for name, table in names.items()},
            prediction_columns=identifiers(tuple(PREDICTIONS.columns)),
            box_score_columns=identifiers(tuple(BOX_SCORES.columns)),
        )
        warehouse_of(client).query(script)
        advance()
    finally:
        for table in names.values():
            client.delete_table(table, not_found_ok=True)
    dates = sorted(pc.unique(inputs.predictions["game_date"]).to_pylist())
    return Loaded(inputs.predictions.num_rows, inputs.box_scores.num_rows, dates)


def _stage(client: bigquery.Client, spec: InputTable, rows: pa.Table, name: str) -> None:
    schema = [bigquery.SchemaField(column, SCHEMA_TYPES[type_]) for column, type_ in spec.columns.items()]
    client.create_table(bigquery.Table(f"{client.project}.{name}", schema=schema))
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    buffer.seek(0)
    config = bigquery.LoadJobConfig(source_format=bigquery.SourceFormat.PARQUET, write_disposition="WRITE_APPEND", schema=schema)
    client.load_table_from_file(buffer, name, job_config=config).result()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit code 0, or 1 with sentences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--sample", action="store_true", help="the generated sample instead of a directory")
    parser.add_argument("--local", action="store_true", help="the running local stack")
    given = parser.parse_args(arguments)
    if (given.directory is None) == (not given.sample):
        parser.error("give a directory, or --sample")
    with sentences() as outcome:
        if given.local:
            use_local_stack()
        client = make_bigquery_client(get_settings())
        if given.local:
            create_schema(client)
        if given.sample:
            write_sample(SAMPLE_DIRECTORY)
        loaded = load_directory(client, given.directory or SAMPLE_DIRECTORY)
        console.print(
            f"loaded {loaded.predictions:,} predictions and {loaded.box_scores:,} box-score rows of {len(loaded.dates)} dates"
            + (f", {loaded.dates[0]} to {loaded.dates[-1]}" if loaded.dates else "")
        )
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
