"""Input files, good and bad: what is read exactly, which sentence each mistake gets, and what the generated sample holds."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands.console import CommandError
from commands.data_files import InputFiles, describe_games, read_inputs
from commands.input_tables import BOX_SCORES, PREDICTIONS, InputTable
from commands.sample import INJURY_STATUSES, write_sample
from nba_grading.game_dates import NEW_YORK, PREDICTED_DAYS_AHEAD
from tests.reference_grader import COMPLETE_MINUTES

Row = dict[str, Any]

PREDICTION: Row = {
    "prediction_id": "p1",
    "system_id": "ewma_v1",
    "player_lookup": "milesnash",
    "game_id": "20260110_DET_LAC",
    "game_date": "2026-01-10",
    "predicted_points": "25.1",
    "confidence_score": "0.7",
    "recommendation": "OVER",
    "current_points_line": "25.5",
    "line_source": "ACTUAL_PROP",
    "sportsbook": "FANDUEL",
    "is_active": "true",
    "invalidation_reason": "",
    "injury_status_at_prediction": "QUESTIONABLE",
    "model_version": "1",
    "created_at": "2026-01-10 12:00:00",
    "updated_at": "2026-01-10 13:00:00.123456",
}
BOX_SCORE: Row = {
    "player_lookup": "milesnash",
    "game_id": "20260110_DET_LAC",
    "game_date": "2026-01-10",
    "team_abbr": "DET",
    "opponent_team_abbr": "LAC",
    "points": "26",
    "minutes_played": "31.5",
    "is_dnp": "false",
    "updated_at": "2026-01-11T07:00:00Z",
}


def write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, columns: dict[str, Any]) -> None:
    pq.write_table(pa.table(columns), path)


def typed(spec: InputTable, row: Row, **changes: Any) -> dict[str, Any]:
    """One row of CSV text as Parquet columns of the table's own types, some of them replaced."""
    converters: dict[pa.DataType, Any] = {
        pa.date32(): date.fromisoformat,
        pa.decimal128(38, 9): Decimal,
        pa.int64(): int,
        pa.bool_(): lambda text: text == "true",
        pa.timestamp("us", tz="UTC"): lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
        pa.string(): str,
    }
    columns = {name: pa.array([converters[type_](row[name]) if row[name] else None], type_) for name, type_ in spec.columns.items()}
    return {**columns, **changes}


def write_both(directory: Path, predictions: list[Row] | None = None, box_scores: list[Row] | None = None) -> Path:
    """Both files as CSV, good ones unless given."""
    write_csv(directory / "player_prop_predictions.csv", predictions or [PREDICTION])
    write_csv(directory / "player_game_summary.csv", box_scores or [BOX_SCORE])
    return directory


def refusal(directory: Path, *, strict: bool = False) -> list[str]:
    """The sentences with which a directory is refused, without the last one, which says that nothing was loaded."""
    with pytest.raises(CommandError) as refused:
        read_inputs(directory, strict=strict)
    *sentences, last = str(refused.value).splitlines()
    assert last == "Nothing was loaded."
    return sentences


def predictions_of(tmp_path: Path) -> Row:
    [row] = read_inputs(tmp_path).predictions.to_pylist()
    return dict(row)


# What is read


def test_a_good_csv_is_read_with_every_column_typed(tmp_path: Path) -> None:
    inputs = read_inputs(write_both(tmp_path))
    assert inputs.predictions.schema.names == list(PREDICTIONS.columns)
    assert inputs.predictions.schema.types == list(PREDICTIONS.columns.values())
    assert inputs.box_scores.schema.types == list(BOX_SCORES.columns.values())
    [row] = inputs.predictions.to_pylist()
    assert row["predicted_points"] == Decimal("25.1")
    assert row["game_date"] == date(2026, 1, 10)
    assert row["is_active"] is True
    assert row["updated_at"] == datetime(2026, 1, 10, 13, 0, 0, 123456, tzinfo=UTC)
    assert row["invalidation_reason"] is None
    [box_score] = inputs.box_scores.to_pylist()
    assert (box_score["points"], box_score["minutes_played"], box_score["is_dnp"]) == (26, Decimal("31.5"), False)
    assert box_score["updated_at"] == datetime(2026, 1, 11, 7, tzinfo=UTC)


def test_csv_and_parquet_of_the_same_data_load_equal(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "parquet").mkdir()
    from_csv = read_inputs(write_both(tmp_path / "csv"))
    write_parquet(tmp_path / "parquet" / "player_prop_predictions.parquet", typed(PREDICTIONS, PREDICTION))
    box_score = {**BOX_SCORE, "updated_at": "2026-01-11 07:00:00"}
    write_parquet(tmp_path / "parquet" / "player_game_summary.parquet", typed(BOX_SCORES, box_score))
    from_parquet = read_inputs(tmp_path / "parquet")
    assert from_csv.predictions.equals(from_parquet.predictions)
    assert from_csv.box_scores.equals(from_parquet.box_scores)


@pytest.mark.parametrize("null", ["", "NULL", "null"])
def test_a_csv_null_is_null_in_every_type(tmp_path: Path, null: str) -> None:
    optional = [name for name in PREDICTIONS.columns if name not in PREDICTIONS.required]
    inputs = read_inputs(write_both(tmp_path, [{**PREDICTION, **dict.fromkeys(optional, null)}], [{**BOX_SCORE, "points": null}]))
    [row] = inputs.predictions.to_pylist()
    assert {name for name, value in row.items() if value is None} == set(optional)
    assert inputs.box_scores["points"].to_pylist() == [None]


def test_missing_optional_columns_become_null(tmp_path: Path) -> None:
    prediction = {name: PREDICTION[name] for name in PREDICTIONS.required}
    box_score = {name: BOX_SCORE[name] for name in BOX_SCORES.required}
    inputs = read_inputs(write_both(tmp_path, [prediction], [box_score]))
    assert inputs.predictions.schema.names == list(PREDICTIONS.columns)
    [row] = inputs.predictions.to_pylist()
    assert {name for name, value in row.items() if value is not None} == set(PREDICTIONS.required)
    assert inputs.box_scores["minutes_played"].to_pylist() == [None]
    assert len(inputs.notes) == 2
    assert inputs.notes[1].endswith(
        "player_game_summary.csv: 5 columns not in the file and filled with NULL: team_abbr, opponent_team_abbr, minutes_played, is_dnp, updated_at."
    )


def test_a_column_that_no_table_has_is_left_out(tmp_path: Path) -> None:
    inputs = read_inputs(write_both(tmp_path, [{**PREDICTION, "note": "hello"}]))
    assert "note" not in inputs.predictions.schema.names
    [note] = [note for note in inputs.notes if "predictions.csv" in note]
    assert note.endswith("player_prop_predictions.csv: 1 column ignored, as the table has none of that name: note.")


def test_columns_in_another_order_are_read_by_name(tmp_path: Path) -> None:
    inputs = read_inputs(write_both(tmp_path, [dict(reversed(PREDICTION.items()))]))
    assert inputs.predictions.schema.names == list(PREDICTIONS.columns)
    assert inputs.predictions["system_id"].to_pylist() == ["ewma_v1"]


@pytest.mark.parametrize("floats", [pa.float64(), pa.float32()])
@pytest.mark.parametrize("figure", ["25.1", "25.5", "26", "0.1", "0.333", "-1.7"])
def test_a_float_becomes_the_number_it_was_written_as(tmp_path: Path, floats: pa.DataType, figure: str) -> None:
    write_both(tmp_path)
    line = pa.array([float(figure)], floats)
    write_parquet(tmp_path / "player_prop_predictions.parquet", typed(PREDICTIONS, PREDICTION, predicted_points=line, current_points_line=line))
    row = predictions_of(tmp_path)
    assert (row["predicted_points"], row["current_points_line"]) == (Decimal(figure), Decimal(figure))


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-10 12:00:00",
        "2026-01-10T12:00:00",
        "2026-01-10T12:00:00Z",
        "2026-01-10 12:00:00 UTC",
        "2026-01-10 12:00:00+00:00",
        "2026-01-10 12:00:00.000000",
    ],
)
def test_a_timestamp_is_read_in_each_of_its_usual_forms(tmp_path: Path, text: str) -> None:
    write_both(tmp_path, [{**PREDICTION, "created_at": text}])
    assert predictions_of(tmp_path)["created_at"] == datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("1", True), ("0", False), ("", None)])
def test_a_boolean_is_read_in_each_of_its_usual_forms(tmp_path: Path, text: str, value: bool | None) -> None:
    write_both(tmp_path, [{**PREDICTION, "is_active": text}])
    assert predictions_of(tmp_path)["is_active"] is value


def test_whole_numbers_of_points_may_be_in_a_float_column_as_pandas_writes_them(tmp_path: Path) -> None:
    write_both(tmp_path)
    rows = {name: pa.concat_arrays([array, array]) for name, array in typed(BOX_SCORES, BOX_SCORE).items()}
    rows |= {"points": pa.array([26.0, None]), "player_lookup": pa.array(["milesnash", "elistone"])}
    write_parquet(tmp_path / "player_game_summary.parquet", rows)
    assert read_inputs(tmp_path).box_scores["points"].to_pylist() == [26, None]


def test_a_parquet_timestamp_without_zone_is_taken_as_utc(tmp_path: Path) -> None:
    write_both(tmp_path)
    naive = pa.array([datetime(2026, 1, 10, 12)], pa.timestamp("us"))  # noqa: DTZ001
    write_parquet(tmp_path / "player_prop_predictions.parquet", typed(PREDICTIONS, PREDICTION, created_at=naive))
    assert predictions_of(tmp_path)["created_at"] == datetime(2026, 1, 10, 12, tzinfo=UTC)


def test_a_parquet_of_text_columns_is_read_as_a_csv_would_be(tmp_path: Path) -> None:
    write_both(tmp_path)
    write_parquet(tmp_path / "player_prop_predictions.parquet", {name: pa.array([text or None], pa.string()) for name, text in PREDICTION.items()})
    from_text = read_inputs(tmp_path).predictions
    (tmp_path / "player_prop_predictions.parquet").unlink()
    assert from_text.equals(read_inputs(tmp_path).predictions)


def test_a_dictionary_column_is_text(tmp_path: Path) -> None:
    write_both(tmp_path)
    write_parquet(tmp_path / "player_prop_predictions.parquet", typed(PREDICTIONS, PREDICTION, system_id=pa.array(["ewma_v1"]).dictionary_encode()))
    assert predictions_of(tmp_path)["system_id"] == "ewma_v1"


def test_two_lines_half_a_point_apart_are_two_lines(tmp_path: Path) -> None:
    rows = [{**PREDICTION, "current_points_line": line} for line in ("25.5", "26.0", "26")]
    lines = read_inputs(write_both(tmp_path, rows)).predictions["current_points_line"].to_pylist()
    assert lines == [Decimal("25.5"), Decimal(26), Decimal(26)]


def test_predictions_may_hold_a_key_twice_because_grading_chooses(tmp_path: Path) -> None:
    inputs = read_inputs(write_both(tmp_path, [PREDICTION, {**PREDICTION, "prediction_id": "p2"}]))
    assert inputs.predictions.num_rows == 2


def test_box_scores_without_rows_are_read_as_an_empty_table(tmp_path: Path) -> None:
    write_both(tmp_path)
    (tmp_path / "player_game_summary.csv").write_text(",".join(BOX_SCORE) + "\n", encoding="utf-8")
    inputs = read_inputs(tmp_path)
    assert (inputs.predictions.num_rows, inputs.box_scores.num_rows) == (1, 0)
    assert inputs.box_scores.schema.types == list(BOX_SCORES.columns.values())


def test_a_byte_order_mark_as_spreadsheets_write_it_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = write_both(tmp_path) / "player_prop_predictions.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert predictions_of(tmp_path)["prediction_id"] == "p1"


# What is refused


def test_a_missing_file_is_reported_with_both_names_it_may_have(tmp_path: Path) -> None:
    write_csv(tmp_path / "player_prop_predictions.csv", [PREDICTION])
    [sentence] = refusal(tmp_path)
    assert sentence.startswith(f"{tmp_path}: there is no player_game_summary.parquet or player_game_summary.csv")


def test_problems_of_both_files_are_reported_together(tmp_path: Path) -> None:
    write_both(tmp_path, [{**PREDICTION, "predicted_points": "many", "is_active": "maybe"}], [{**BOX_SCORE, "points": "2.5"}])
    predicted, active, points = refusal(tmp_path)
    assert ("player_prop_predictions.csv" in predicted, "predicted_points" in predicted, "'many'" in predicted) == (True, True, True)
    assert ("player_prop_predictions.csv" in active, "is_active" in active, "'maybe'" in active) == (True, True, True)
    assert ("player_game_summary.csv" in points, "points" in points, "'2.5'" in points) == (True, True, True)


@pytest.mark.parametrize("column", PREDICTIONS.required)
def test_a_missing_required_column_is_reported_with_those_that_are_there(tmp_path: Path, column: str) -> None:
    write_both(tmp_path, [{name: value for name, value in PREDICTION.items() if name != column}])
    [sentence] = refusal(tmp_path)
    assert sentence.startswith(f"{tmp_path / 'player_prop_predictions.csv'}: required column {column} is missing; the file has prediction_id, ")


def test_a_box_score_file_without_points_is_refused(tmp_path: Path) -> None:
    write_both(tmp_path, None, [{name: value for name, value in BOX_SCORE.items() if name != "points"}])
    [sentence] = refusal(tmp_path)
    assert "required column points is missing" in sentence


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("predicted_points", "twenty", "numbers"),
        ("predicted_points", "1e3", "numbers"),
        ("predicted_points", "NaN", "numbers"),
        ("predicted_points", "123456789012345678901", "numbers"),
        ("confidence_score", "70%", "numbers"),
        ("current_points_line", "25,5", "numbers"),
        ("game_date", "2026-13-01", "dates (YYYY-MM-DD)"),
        ("game_date", "2026-02-30", "dates (YYYY-MM-DD)"),
        ("game_date", "10/01/2026", "dates (YYYY-MM-DD)"),
        ("game_date", "2026-01-10 00:00:00", "dates (YYYY-MM-DD)"),
        ("game_date", "2026-1-10", "dates (YYYY-MM-DD)"),
        ("created_at", "yesterday", "timestamps"),
        ("created_at", "2026-01-10 25:00:00", "timestamps"),
        ("created_at", "2026-02-30 12:00:00", "timestamps"),
        ("created_at", "2026-01-10 12:00:00-05:00", "timestamps"),
        ("is_active", "yes", "booleans (true, false)"),
        ("is_active", "2", "booleans (true, false)"),
    ],
)
def test_a_value_of_the_wrong_type_in_a_csv_is_reported_with_count_and_first_value(tmp_path: Path, column: str, value: str, word: str) -> None:
    wrong = {**PREDICTION, column: value}
    write_both(tmp_path, [PREDICTION, wrong, {**PREDICTION, column: ""} if column != "game_date" else PREDICTION, wrong])
    [sentence] = refusal(tmp_path)
    assert sentence.startswith(f"{tmp_path / 'player_prop_predictions.csv'}: column {column}: 2 values cannot be read as {word}")
    assert sentence.endswith(f"the first is {value!r} in line 3.")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("points", "26.5"),
        ("points", "-"),
        ("points", "9999999999999999999"),
        ("minutes_played", "31:30"),
        ("is_dnp", "dnp"),
        ("updated_at", "2026-01-11"),
    ],
)
def test_a_wrong_value_in_the_box_scores_is_reported(tmp_path: Path, column: str, value: str) -> None:
    write_both(tmp_path, None, [{**BOX_SCORE, column: value}])
    [sentence] = refusal(tmp_path)
    assert f"player_game_summary.csv: column {column}: 1 value cannot be read as" in sentence
    assert repr(value) in sentence


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (
            "predicted_points",
            pa.array(["many"]),
            "column predicted_points: 1 value cannot be read as numbers (at most 9 decimals); the first is 'many'",
        ),
        (
            "predicted_points",
            pa.array([True]),
            "column predicted_points holds bool values, not numbers (at most 9 decimals); the first is True",
        ),
        ("game_date", pa.array([20260110]), "column game_date holds int64 values, not dates (YYYY-MM-DD); the first is 20260110"),
        ("game_date", pa.array(["2026-13-01"]), "column game_date: 1 value cannot be read as dates (YYYY-MM-DD); the first is '2026-13-01'"),
        ("created_at", pa.array([1767960000]), "column created_at holds int64 values, not timestamps"),
        ("is_active", pa.array([1.0]), "column is_active holds double values, not booleans (true, false); the first is 1.0"),
        ("system_id", pa.array([7]), "column system_id holds int64 values, not text; the first is 7"),
    ],
)
def test_a_parquet_column_of_the_wrong_type_is_reported_with_its_first_value(tmp_path: Path, column: str, values: pa.Array, expected: str) -> None:
    write_both(tmp_path)
    write_parquet(tmp_path / "player_prop_predictions.parquet", typed(PREDICTIONS, PREDICTION, **{column: values}))
    [sentence] = refusal(tmp_path)
    assert sentence.startswith(f"{tmp_path / 'player_prop_predictions.parquet'}: {expected}")


def test_points_with_a_fraction_are_refused_and_not_cut_off(tmp_path: Path) -> None:
    write_both(tmp_path)
    rows = {name: pa.concat_arrays([array] * 4) for name, array in typed(BOX_SCORES, BOX_SCORE).items()}
    rows |= {"points": pa.array([26.0, None, 26.5, 27.5]), "player_lookup": pa.array(["a", "b", "c", "d"])}
    write_parquet(tmp_path / "player_game_summary.parquet", rows)
    [sentence] = refusal(tmp_path)
    assert sentence.endswith("column points: 2 values cannot be read as whole numbers; the first is 26.5 in row 3.")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_a_float_that_no_numeric_can_hold_is_refused(tmp_path: Path, value: float) -> None:
    write_both(tmp_path)
    write_parquet(tmp_path / "player_prop_predictions.parquet", typed(PREDICTIONS, PREDICTION, predicted_points=pa.array([value])))
    [sentence] = refusal(tmp_path)
    assert "column predicted_points" in sentence


def test_zeros_after_the_ninth_decimal_are_harmless(tmp_path: Path) -> None:
    write_both(tmp_path, [{**PREDICTION, "predicted_points": "25.123456789000"}])
    assert predictions_of(tmp_path)["predicted_points"] == Decimal("25.123456789")


def test_more_digits_than_a_numeric_keeps_are_refused_and_not_rounded(tmp_path: Path) -> None:
    write_both(tmp_path, [{**PREDICTION, "predicted_points": "25.1234567891"}])
    [sentence] = refusal(tmp_path)
    assert "column predicted_points" in sentence
    assert "25.1234567891" in sentence


@pytest.mark.parametrize("column", PREDICTIONS.required)
def test_a_null_key_is_reported_with_count_and_first_row(tmp_path: Path, column: str) -> None:
    write_both(tmp_path, [PREDICTION, {**PREDICTION, column: ""}, {**PREDICTION, column: "NULL"}])
    [sentence] = refusal(tmp_path)
    expected = f"{tmp_path / 'player_prop_predictions.csv'}: column {column} is NULL in 2 rows, the first in line 3; it is part of the key."
    assert sentence == expected


def test_a_box_score_row_that_occurs_twice_is_reported_with_its_key(tmp_path: Path) -> None:
    other = {**BOX_SCORE, "player_lookup": "elistone"}
    write_both(tmp_path, None, [BOX_SCORE, other, {**BOX_SCORE, "points": "27"}])
    [sentence] = refusal(tmp_path)
    assert sentence.startswith(f"{tmp_path / 'player_game_summary.csv'}: 1 combination of game_id and player_lookup more than once")
    assert sentence.endswith("the first is game_id '20260110_DET_LAC', player_lookup 'milesnash', 2 times.")


@pytest.mark.parametrize(
    ("suffix", "content"), [("parquet", b"this is no parquet file"), ("csv", b""), ("csv", b"a,b\n1,2,3\n"), ("csv", b"a,b\n\xff\xfe,2\n")]
)
def test_a_file_that_cannot_be_read_is_reported_by_name(tmp_path: Path, suffix: str, content: bytes) -> None:
    write_csv(tmp_path / "player_game_summary.csv", [BOX_SCORE])
    path = tmp_path / f"player_prop_predictions.{suffix}"
    path.write_bytes(content)
    [sentence] = refusal(tmp_path)
    assert sentence.startswith(f"{path}: ")


def test_a_column_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    write_both(tmp_path)
    (tmp_path / "player_game_summary.csv").write_text(
        "player_lookup,game_id,game_date,points,points\nmilesnash,20260110_DET_LAC,2026-01-10,26,27\n", encoding="utf-8"
    )
    [sentence] = refusal(tmp_path)
    assert "points" in sentence


@pytest.mark.parametrize(
    ("column", "written"),
    [("predicted_points", "predicted_pts"), ("confidence_score", "confidence"), ("is_active", "IS_ACTIVE"), ("game_date", "gamedate")],
)
def test_a_column_whose_name_is_nearly_a_missing_one_is_refused_with_that_name(tmp_path: Path, column: str, written: str) -> None:
    write_both(tmp_path, [{written if name == column else name: value for name, value in PREDICTION.items()}])
    sentence, *rest = refusal(tmp_path)
    assert sentence.startswith(f"{tmp_path / 'player_prop_predictions.csv'}: column {written} is unknown: did you mean {column}?")
    assert len(rest) == (column in PREDICTIONS.required)


def test_complete_files_leave_nothing_to_note(tmp_path: Path) -> None:
    assert read_inputs(write_both(tmp_path)).notes == ()


def test_predictions_without_rows_are_refused(tmp_path: Path) -> None:
    path = write_both(tmp_path) / "player_prop_predictions.csv"
    path.write_text(",".join(PREDICTION) + "\n", encoding="utf-8")
    assert refusal(tmp_path) == [f"{path}: there are no predictions, only a header."]


def test_a_game_date_further_ahead_than_predictions_are_made_is_noted_with_its_line_and_refused_when_strict(tmp_path: Path) -> None:
    near = datetime.now(tz=NEW_YORK).date() + timedelta(days=PREDICTED_DAYS_AHEAD)
    far = near + timedelta(days=2)
    write_both(tmp_path, [{**PREDICTION, "game_date": str(near)}, {**PREDICTION, "game_date": str(far)}])
    [sentence] = read_inputs(tmp_path).notes
    assert "column game_date: 1 value more than 14 days ahead, after " in sentence
    assert sentence.endswith(f"; the first is {far} in line 3.")
    assert refusal(tmp_path, strict=True) == [sentence]


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_file_with_other_separators_is_refused_with_the_way_to_convert_it(tmp_path: Path, mark: str, word: str) -> None:
    path = write_both(tmp_path) / "player_game_summary.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",", mark), encoding="utf-8")
    [sentence] = refusal(tmp_path)
    assert sentence.startswith(f"{path}: its columns are separated by {word}, not by commas: save it with commas, such as by `python -c")
    command = sentence[sentence.index('"') + 1 : sentence.rindex('"')]
    done = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    path.write_text(done.stdout, encoding="utf-8")
    assert read_inputs(tmp_path).box_scores.num_rows == 1


def test_strict_refuses_what_is_otherwise_noted(tmp_path: Path) -> None:
    write_both(tmp_path, [{**PREDICTION, "note": "hello"}])
    assert refusal(tmp_path, strict=True) == list(read_inputs(tmp_path).notes) != []


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([("DET", "240"), ("LAC", "240")], None),
        ([("DET", "240"), ("LAC", "234.5")], "1 game with a box score that is not complete (235 minutes of each of two teams), left pending: "),
        ([("DET", "240")], "1 game with a box score that is not complete"),
        ([("", "240"), ("", "240")], "no box-score row has a team_abbr, so no game counts as complete and nothing will be graded"),
        ([("DET", ""), ("LAC", "")], "no box-score row has minutes_played, so whether games are complete cannot be judged"),
    ],
)
def test_games_that_are_not_complete_are_said(tmp_path: Path, rows: list[tuple[str, str]], sentence: str | None) -> None:
    scores = [{**BOX_SCORE, "player_lookup": f"p{number}", "team_abbr": team, "minutes_played": each} for number, (team, each) in enumerate(rows)]
    box_scores = read_inputs(write_both(tmp_path, box_scores=scores)).box_scores
    found = describe_games(box_scores, COMPLETE_MINUTES)
    assert found == sentence if sentence is None else str(found).startswith(sentence)
    assert describe_games(box_scores, 0) is None


def test_the_line_of_a_wrong_value_counts_empty_lines(tmp_path: Path) -> None:
    path = write_both(tmp_path, [PREDICTION, {**PREDICTION, "predicted_points": "many"}]) / "player_prop_predictions.csv"
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, "", *rows, ""]), encoding="utf-8")
    [sentence] = refusal(tmp_path)
    assert sentence.endswith("the first is 'many' in line 4.")


# The generated sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> InputFiles:
    directory = tmp_path_factory.mktemp("sample")
    write_sample(directory, dates=3, predictions=400)
    return read_inputs(directory)


def test_the_same_seed_gives_identical_sample_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        write_sample(tmp_path / name, seed=seed, dates=2, predictions=200)
    for spec in (PREDICTIONS, BOX_SCORES):
        one, two, three = ((tmp_path / name / f"{spec.stem}.parquet").read_bytes() for name in ("one", "two", "three"))
        assert one == two
        assert one != three


def test_the_sample_has_the_dates_and_about_the_predictions_that_are_asked_for(sample: InputFiles) -> None:
    counts = Counter(sample.predictions["game_date"].to_pylist())
    assert sorted(counts) == [date(2026, 1, 4), date(2026, 1, 5), date(2026, 1, 6)]
    assert all(390 <= count <= 430 for count in counts.values())
    assert len(set(sample.predictions["system_id"].to_pylist())) >= 6


def test_the_last_date_of_the_sample_has_one_game_that_is_not_played_and_the_second_date_a_postponed_one(sample: InputFiles) -> None:
    games = {(row["game_date"], row["game_id"]) for row in sample.predictions.to_pylist()}
    played = {(row["game_date"], row["game_id"]) for row in sample.box_scores.to_pylist()}
    assert Counter(day for day, _ in games - played) == {date(2026, 1, 5): 1, date(2026, 1, 6): 1}
    assert [day for day, _ in games].count(date(2026, 1, 6)) == 1


@pytest.mark.parametrize(
    ("case", "holds"),
    [
        ("NO_LINE without a line", lambda row: row["current_points_line"] is None and row["recommendation"] == "NO_LINE"),
        ("OVER without a line", lambda row: row["current_points_line"] is None and row["recommendation"] == "OVER"),
        *[(word, lambda row, word=word: row["recommendation"] == word) for word in ("OVER", "UNDER", "PASS", "HOLD", None)],
        ("a line of 25.5", lambda row: row["current_points_line"] == Decimal("25.5")),
        ("a line of 26", lambda row: row["current_points_line"] == 26),
        ("confidence in percent", lambda row: (row["confidence_score"] or 0) > 1),
        ("confidence as a share", lambda row: 0 < (row["confidence_score"] or 0) < 1),
        ("confidence below 0", lambda row: (row["confidence_score"] or 0) < 0),
        ("confidence above 100", lambda row: (row["confidence_score"] or 0) > 100),
        ("no confidence", lambda row: row["confidence_score"] is None),
        ("no predicted points", lambda row: row["predicted_points"] is None),
        ("inactive", lambda row: row["is_active"] is False),
        ("activity unknown", lambda row: row["is_active"] is None),
        ("invalidated", lambda row: row["invalidation_reason"] is not None),
        *[(status, lambda row, status=status: row["injury_status_at_prediction"] == status) for status in INJURY_STATUSES],
    ],
)
def test_the_sample_has_every_odd_prediction(sample: InputFiles, case: str | None, holds: Callable[[Row], bool]) -> None:
    assert any(holds(row) for row in sample.predictions.to_pylist()), case


@pytest.mark.parametrize(
    ("case", "holds"),
    [
        ("did not play", lambda row: row["is_dnp"] is True),
        ("no points", lambda row: row["points"] is None and not row["is_dnp"]),
        ("0 points in 0 minutes", lambda row: row["points"] == 0 and row["minutes_played"] == 0),
        ("0 points in unknown minutes", lambda row: row["points"] == 0 and row["minutes_played"] is None and not row["is_dnp"]),
        ("points in 0 minutes", lambda row: (row["points"] or 0) > 0 and row["minutes_played"] == 0),
        ("whole minutes", lambda row: (row["minutes_played"] or Decimal("0.5")) % 1 == 0 < (row["points"] or 0)),
    ],
)
def test_the_sample_has_every_odd_box_score(sample: InputFiles, case: str, holds: Callable[[Row], bool]) -> None:
    assert any(holds(row) for row in sample.box_scores.to_pylist()), case


def test_the_sample_has_players_missing_from_a_box_score_and_pushes_and_keys_that_occur_twice(sample: InputFiles) -> None:
    points = {(row["game_id"], row["player_lookup"]): row["points"] for row in sample.box_scores.to_pylist()}
    played = {game_id for game_id, _ in points}
    keys: dict[tuple[Any, ...], list[Row]] = {}
    for row in sample.predictions.to_pylist():
        keys.setdefault((row["game_id"], row["player_lookup"], row["system_id"], row["current_points_line"]), []).append(row)
    assert any(game_id in played and (game_id, player) not in points for game_id, player, _, _ in keys)
    assert any(line is not None and points.get((game_id, player)) == line for game_id, player, _, line in keys)
    doubled = [rows for rows in keys.values() if len(rows) == 2]
    assert any(first["created_at"] == second["created_at"] for first, second in doubled)
    assert any(first["created_at"] != second["created_at"] and second["is_active"] for first, second in doubled)
    assert any(first["created_at"] < second["created_at"] and second["is_active"] is False for first, second in doubled)


def test_the_games_of_the_sample_are_complete_but_for_three(tmp_path: Path) -> None:
    write_sample(tmp_path, predictions=300)
    minutes: dict[tuple[date, str], Counter[str]] = {}
    for row in read_inputs(tmp_path).box_scores.to_pylist():
        minutes.setdefault((row["game_date"], row["game_id"]), Counter())[row["team_abbr"]] += row["minutes_played"] or 0
    incomplete = {day: teams for (day, _), teams in minutes.items() if len(teams) != 2 or min(teams.values()) < COMPLETE_MINUTES}
    assert list(incomplete) == [date(2026, 1, 6), date(2026, 1, 9), date(2026, 1, 10)]
    half, few, one_team = incomplete.values()
    assert all(110 < total < 140 for total in half.values())
    assert len(few) == 2
    assert len(one_team) == 1
    assert all(total in (240, 265) for (day, _), teams in minutes.items() if day not in incomplete for total in teams.values())


@pytest.mark.parametrize(("dates", "predictions"), [(1, 3000), (10, 199)])
def test_a_sample_too_small_for_every_case_is_refused(tmp_path: Path, dates: int, predictions: int) -> None:
    with pytest.raises(CommandError, match=f"at least 2 dates of 200 predictions, not {dates} of {predictions}"):
        write_sample(tmp_path, dates=dates, predictions=predictions)


def test_a_sample_that_cannot_be_written_is_reported_by_its_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(CommandError, match="file: the sample cannot be written there"):
        write_sample(tmp_path / "file", dates=2, predictions=200)


GAME: Row = {"game_id": "g1", "game_date": "2026-01-10", "tip_off_at": "2026-01-11 00:30:00", "status": "Final"}
OFFER: Row = {
    "game_id": "g1",
    "player_lookup": "milesnash",
    "sportsbook": "FANDUEL",
    "line": "25.5",
    "over_price": "-110",
    "under_price": "100",
    "captured_at": "2026-01-10 12:00:00",
}


def test_tip_offs_and_prices_are_read_if_they_are_there(tmp_path: Path) -> None:
    assert set(read_inputs(write_both(tmp_path)).tables) == {"player_prop_predictions", "player_game_summary"}
    write_csv(tmp_path / "games.csv", [GAME, {"game_id": "g2", "game_date": "2026-01-10", "tip_off_at": "", "status": ""}])
    write_csv(tmp_path / "prop_lines.csv", [OFFER, {**OFFER, "line": "26.5", "over_price": "", "under_price": "-100"}])
    tables = read_inputs(tmp_path).tables
    assert tables["games"]["tip_off_at"].to_pylist() == [datetime(2026, 1, 11, 0, 30, tzinfo=UTC), None]
    assert tables["prop_lines"].select(["line", "over_price", "under_price"]).to_pylist() == [
        {"line": Decimal("25.5"), "over_price": -110, "under_price": 100},
        {"line": Decimal("26.5"), "over_price": None, "under_price": -100},
    ]


def test_prices_that_are_no_american_odds_and_games_that_stand_twice_are_refused(tmp_path: Path) -> None:
    write_both(tmp_path)
    write_csv(tmp_path / "games.csv", [GAME, GAME])
    write_csv(tmp_path / "prop_lines.csv", [OFFER, {**OFFER, "line": "26.5", "over_price": "99"}, {**OFFER, "line": "27.5", "over_price": "0"}])
    doubled, prices = refusal(tmp_path)
    assert doubled == f"{tmp_path}/games.csv: 1 combination of game_id more than once; the first is game_id 'g1', 2 times."
    assert prices == (
        f"{tmp_path}/prop_lines.csv: column over_price: 2 values between -100 and 100, which American odds never are; the first is 99 in line 3."
    )
