"""Reads and checks the input files of a directory, before anything is loaded.

``player_prop_predictions`` and ``player_game_summary``, and if they are there ``games`` and ``prop_lines``, each as .parquet or .csv (with a
header). Optional columns may be missing and become NULL, other columns are ignored, dates may be far ahead: that is noted, and refused when
strict. A name that is nearly a missing column's is refused. All problems are collected, each in a sentence: file, column, how many values,
the first one and where it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from commands.console import CommandError, count_of
from commands.input_tables import BOX_SCORES, INPUT_TABLES, NUMERIC, PREDICTIONS, TIMESTAMP, InputTable
from nba_grading.game_dates import NEW_YORK, PREDICTED_DAYS_AHEAD

# NUMERIC keeps nine decimals; zeros after them are harmless. No value here needs more than 20 digits, and Arrow parses 38 in all.
NUMBER_PATTERN = r"^[+-]?(\d{1,20}(\.\d{0,9}0{0,9})?|\.\d{1,9}0{0,9})$"
INTEGER_PATTERN = r"^[+-]?\d{1,18}$"
DATE_PATTERN = r"^\d{4}-\d{2}-\d{2}$"
BOOLEAN_PATTERN = r"(?i)^(true|false|1|0)$"
NULLS = ["", "NULL", "null"]


# Columns that must be in the file but may hold NULL: a player who did not play has no points.
NULLABLE_REQUIRED = {"points"}


PRICES = ("over_price", "under_price")


@dataclass(frozen=True)
class InputFiles:
    """The inputs by file stem, checked, with every column of their tables in table order; ``notes`` says which columns were ignored or filled."""

    tables: Mapping[str, pa.Table]
    notes: tuple[str, ...] = ()

    @property
    def predictions(self) -> pa.Table:
        """Rows of player_prop_predictions."""
        return self.tables[PREDICTIONS.stem]

    @property
    def box_scores(self) -> pa.Table:
        """Rows of player_game_summary."""
        return self.tables[BOX_SCORES.stem]


def read_inputs(directory: Path, *, strict: bool = False) -> InputFiles:
    """The files of a directory; raises CommandError with a sentence per problem, found in all files. ``strict``: a note is a problem."""
    problems: list[str] = []
    notes: list[str] = []
    given = [spec for spec in INPUT_TABLES if not spec.is_optional or _path(directory, spec)]
    tables = {spec.stem: _read(directory, spec, problems, notes) for spec in given}
    predictions = tables[PREDICTIONS.stem]
    if predictions is not None and not predictions.num_rows:
        problems.append(f"{_path(directory, PREDICTIONS)}: there are no predictions, only a header.")
    if problems or (strict and notes):
        raise CommandError("\n".join([*problems, *(notes if strict else ()), "Nothing was loaded."]))
    return InputFiles(tables, tuple(notes))


def describe_games(box_scores: pa.Table, bound: int) -> str | None:
    """A sentence about the games whose box scores are not complete by the bound in minutes, or about what keeps that from being judged."""
    switch = "GRADING_COMPLETE_MINUTES=0 grades any box score"
    if not bound or not box_scores.num_rows:
        return None
    if box_scores["team_abbr"].null_count == box_scores.num_rows:
        return f"no box-score row has a team_abbr, so no game counts as complete and nothing will be graded; {switch}."
    if box_scores["minutes_played"].null_count == box_scores.num_rows:
        return "no box-score row has minutes_played, so whether games are complete cannot be judged; they will be graded."
    teams = box_scores.group_by(["game_date", "game_id", "team_abbr"]).aggregate([("minutes_played", "sum")])
    teams = teams.filter(pc.is_valid(teams["team_abbr"]))
    games = teams.group_by(["game_date", "game_id"]).aggregate([("minutes_played_sum", "min"), ([], "count_all")])
    least = pc.fill_null(games["minutes_played_sum_min"].cast(pa.float64()), 0)
    short = games.filter(pc.or_(pc.not_equal(games["count_all"], 2), pc.less(least, bound)))
    if not short.num_rows:
        return None
    names = ", ".join(sorted(short["game_id"].to_pylist())[:5])
    return f"{count_of(short.num_rows, 'game')} with a box score that is not complete ({bound} minutes of each of two teams), left pending: {names}."


def _path(directory: Path, spec: InputTable) -> Path | None:
    return next((path for path in (directory / f"{spec.stem}.parquet", directory / f"{spec.stem}.csv") if path.is_file()), None)


def _read(directory: Path, spec: InputTable, problems: list[str], notes: list[str]) -> pa.Table:
    path = _path(directory, spec)
    if path is None:
        problems.append(f"{directory}: there is no {spec.stem}.parquet or {spec.stem}.csv; put one there, or name another directory by DATA=.")
        return None
    try:
        raw = pq.read_table(path) if path.suffix == ".parquet" else _read_csv(path)
    except (pa.ArrowException, OSError) as error:
        problems.append(f"{path}: cannot be read as {path.suffix[1:]}: {str(error).splitlines()[0]}")
        return None
    wrong = _check_names(path, spec, raw.column_names, notes)
    if wrong:
        problems += wrong
        return None
    columns = {name: _column(path, raw, name, type_, problems) for name, type_ in spec.columns.items()}
    if any(column is None for column in columns.values()):
        return None
    table = pa.table(columns)
    _check_keys(path, spec, table, problems)
    if "game_date" in spec.columns:
        _check_dates(path, table["game_date"], notes)
    for name in PRICES:
        if name in spec.columns:
            _check_prices(path, name, table[name], problems)
    return table


def _check_names(path: Path, spec: InputTable, names: Sequence[str], notes: list[str]) -> list[str]:
    """What is wrong with a file's column names; ``notes`` gets which of them are ignored, and which columns are filled with NULL."""
    for mark, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and mark in names[0]:
            example = (
                f"`python -c \"import csv, sys; csv.writer(sys.stdout).writerows(csv.reader(open('{path.name}'), delimiter={mark!r}))\" > new.csv`"
            )
            return [f"{path}: its columns are separated by {word}, not by commas: save it with commas, such as by {example}."]
    absent = [name for name in spec.columns if name not in names]
    unknown = [name for name in names if name not in spec.columns]
    likely = {name: match for name in unknown for match in difflib.get_close_matches(name.lower(), absent, n=1)}
    wrong = [
        f"{path}: column {name} is unknown: did you mean {match}? Rename the column, or remove it from the file." for name, match in likely.items()
    ]
    missing = [name for name in spec.required if name in absent]
    if missing:
        wrong.append(f"{path}: required column {', '.join(missing)} is missing; the file has {', '.join(names)}.")
    doubled = [name for name in spec.columns if names.count(name) > 1]
    if doubled:
        wrong.append(f"{path}: column {', '.join(doubled)} occurs more than once; the file has {', '.join(names)}.")
    if unknown:
        notes.append(f"{path}: {count_of(len(unknown), 'column')} ignored, as the table has none of that name: {', '.join(unknown)}.")
    if absent:
        notes.append(f"{path}: {count_of(len(absent), 'column')} not in the file and filled with NULL: {', '.join(absent)}.")
    return wrong


def _read_csv(path: Path) -> pa.Table:
    header = csv.open_csv(path).schema.names
    options = csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=NULLS)
    return csv.read_csv(path, convert_options=options)


def _column(path: Path, raw: pa.Table, name: str, type_: pa.DataType, problems: list[str]) -> pa.ChunkedArray | None:
    if name not in raw.column_names:
        return pa.chunked_array([pa.nulls(raw.num_rows, type_)])
    values = raw[name]
    if values.type == type_ or pa.types.is_null(values.type):
        return values.cast(type_)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return _from_text(path, values.cast(pa.string()), name, type_, problems)
    if not _is_kin(values.type, type_):
        first = next(iter(values.drop_null()[:1].to_pylist()), None)
        problems.append(f"{path}: column {name} holds {values.type} values, not {_word(type_)}; the first is {first!r}.")
        return None
    try:
        return _to_type(values, type_)
    except pa.ArrowException:
        wrong = [index for index in range(len(values)) if not _fits(values[index : index + 1], type_)]
        problems.append(_misfits(path, name, type_, len(wrong), values[wrong[0]].as_py(), wrong[0]))
        return None


def _from_text(path: Path, text: pa.ChunkedArray, name: str, type_: pa.DataType, problems: list[str]) -> pa.ChunkedArray | None:
    text = pc.utf8_trim_whitespace(text)
    if pa.types.is_string(type_):
        return text
    if pa.types.is_timestamp(type_):
        parsed = _parse_timestamps(text)
    elif pa.types.is_date(type_):
        parsed = _parse_dates(text)
    else:
        pattern = {pa.bool_(): BOOLEAN_PATTERN, pa.int64(): INTEGER_PATTERN}.get(type_, NUMBER_PATTERN)
        parsed = pc.if_else(pc.match_substring_regex(text, pattern), text, None).cast(type_)
    bad = pc.and_(pc.is_valid(text), pc.is_null(parsed))
    count = pc.sum(bad).as_py() or 0
    if count:
        problems.append(_misfits(path, name, type_, count, text.filter(bad)[0].as_py(), pc.index(bad, True).as_py()))
        return None
    return parsed


def _misfits(path: Path, name: str, type_: pa.DataType, count: int, first: object, index: int) -> str:
    return f"{path}: column {name}: {count_of(count, 'value')} cannot be read as {_word(type_)}; the first is {first!r} in {_place(path, index)}."


def _place(path: Path, index: int) -> str:
    """Where a row is: its line in a CSV file, in which the header counts and empty lines are skipped, and its number in a Parquet file."""
    if path.suffix != ".csv":
        return f"row {index + 1}"
    with path.open(encoding="utf-8", errors="replace") as lines:
        filled = (number for number, line in enumerate(lines, 1) if line.rstrip("\r\n"))
        return f"line {next(islice(filled, index + 1, None))}"


def _parse_dates(text: pa.ChunkedArray) -> pa.ChunkedArray:
    shaped = pc.if_else(pc.match_substring_regex(text, DATE_PATTERN), text, None)
    days = pc.strptime(shaped, format="%Y-%m-%d", unit="s", error_is_null=True)
    # strptime takes 30 February for 2 March.
    return pc.if_else(pc.equal(pc.strftime(days, format="%Y-%m-%d"), shaped), days, None).cast(pa.date32())


def _parse_timestamps(text: pa.ChunkedArray) -> pa.ChunkedArray:
    plain = pc.replace_substring_regex(text, r"(\.\d{1,6})\d*", r"\1")
    plain = pc.replace_substring_regex(pc.replace_substring_regex(plain, r"^([\d-]{10})T", r"\1 "), r"( ?UTC|Z|\+00:?(00)?)$", "")
    shaped = pc.match_substring_regex(plain, r"^\d{4}-\d{2}-\d{2} ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?$")
    days = _parse_dates(pc.utf8_slice_codeunits(plain, 0, 10))
    usable = pc.and_(pc.fill_null(shaped, False), pc.is_valid(days))
    return pc.assume_timezone(pc.if_else(usable, plain, None).cast(pa.timestamp("us")), "UTC")


def _is_kin(given: pa.DataType, wanted: pa.DataType) -> bool:
    kin = {
        NUMERIC: (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
        pa.int64(): (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
        TIMESTAMP: (pa.types.is_timestamp,),
        pa.date32(): (pa.types.is_date, pa.types.is_timestamp),
        pa.string(): (pa.types.is_dictionary,),
    }
    return any(check(given) for check in kin.get(wanted, ()))


def _fits(value: pa.ChunkedArray, type_: pa.DataType) -> bool:
    try:
        _to_type(value, type_)
    except pa.ArrowException:
        return False
    return True


def _to_type(values: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_floating(values.type) and type_ == NUMERIC:
        # A float's decimal expansion has more digits than NUMERIC keeps: round to what the float was written as.
        return pc.round(values.cast(pa.float64()), 6).cast(pa.decimal128(38, 6)).cast(type_)
    if pa.types.is_timestamp(type_) and values.type.tz is None:
        return pc.assume_timezone(values.cast(pa.timestamp("us")), "UTC")
    return values.cast(type_)


def _check_keys(path: Path, spec: InputTable, table: pa.Table, problems: list[str]) -> None:
    for name in spec.required:
        if name in NULLABLE_REQUIRED:
            continue
        nulls = pc.is_null(table[name])
        count = pc.sum(nulls).as_py() or 0
        if count:
            place = _place(path, pc.index(nulls, True).as_py())
            problems.append(f"{path}: column {name} is NULL in {count_of(count, 'row')}, the first in {place}; it is part of the key.")
    if not spec.unique:
        return
    counts = table.group_by(list(spec.unique)).aggregate([([], "count_all")])
    doubled = counts.filter(pc.greater(counts["count_all"], 1))
    if doubled.num_rows:
        first = ", ".join(f"{name} {doubled[name][0].as_py()!r}" for name in spec.unique)
        times = doubled["count_all"][0].as_py()
        keys = count_of(doubled.num_rows, "combination")
        problems.append(f"{path}: {keys} of {' and '.join(spec.unique)} more than once; the first is {first}, {times} times.")


def _check_dates(path: Path, game_dates: pa.ChunkedArray, notes: list[str]) -> None:
    latest = datetime.now(tz=NEW_YORK).date() + timedelta(days=PREDICTED_DAYS_AHEAD)
    late = pc.fill_null(pc.greater(game_dates, pa.scalar(latest)), False)
    count = pc.sum(late).as_py() or 0
    if count:
        index = pc.index(late, True).as_py()
        notes.append(
            f"{path}: column game_date: {count_of(count, 'value')} more than {PREDICTED_DAYS_AHEAD} days ahead, after {latest}; "
            f"the first is {game_dates[index]} in {_place(path, index)}."
        )


def _check_prices(path: Path, name: str, prices: pa.ChunkedArray, problems: list[str]) -> None:
    """American odds are at most -100 or at least +100."""
    wrong = pc.fill_null(pc.less(pc.abs(prices), 100), False)
    count = pc.sum(wrong).as_py() or 0
    if count:
        index = pc.index(wrong, True).as_py()
        problems.append(
            f"{path}: column {name}: {count_of(count, 'value')} between -100 and 100, which American odds never are; "
            f"the first is {prices[index]} in {_place(path, index)}."
        )


def _word(type_: pa.DataType) -> str:
    words = {
        pa.bool_(): "booleans (true, false)",
        pa.int64(): "whole numbers",
        pa.date32(): "dates (YYYY-MM-DD)",
        NUMERIC: "numbers (at most 9 decimals)",
        pa.string(): "text",
    }
    return words.get(type_, "timestamps (YYYY-MM-DD HH:MM:SS, in UTC)")
