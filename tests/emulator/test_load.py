"""Loading input files into BigQuery's emulator: dates are replaced as wholes, or nothing happens."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.cloud import bigquery

from commands import load
from commands.console import CommandError
from commands.data_files import InputFiles, read_inputs
from commands.input_tables import BOX_SCORES, PREDICTIONS, InputTable
from commands.load import load_directory

Row = dict[str, Any]

TENTH, ELEVENTH = date(2026, 1, 10), date(2026, 1, 11)
PREDICTION: Row = {
    "prediction_id": "p1",
    "system_id": "ewma_v1",
    "player_lookup": "milesnash",
    "game_id": "g1",
    "game_date": TENTH,
    "predicted_points": "25.1",
    "current_points_line": "25.5",
    "created_at": "2026-01-10 12:00:00",
}
BOX_SCORE: Row = {"player_lookup": "milesnash", "game_id": "g1", "game_date": TENTH, "points": 26, "minutes_played": "31.75"}


def write_files(directory: Path, predictions: list[Row], box_scores: list[Row]) -> Path:
    contents: list[tuple[InputTable, Row, list[Row]]] = [(PREDICTIONS, PREDICTION, predictions), (BOX_SCORES, BOX_SCORE, box_scores)]
    for spec, columns, rows in contents:
        with (directory / f"{spec.stem}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(columns))
            writer.writeheader()
            writer.writerows(rows)
    return directory


def predictions_in(client: bigquery.Client) -> list[tuple[date, str, Decimal]]:
    query = "SELECT game_date, prediction_id, predicted_points FROM nba_predictions.player_prop_predictions"
    return sorted(tuple(row.values()) for row in client.query(query).result(timeout=60))


def box_scores_in(client: bigquery.Client) -> list[tuple[date, str, int]]:
    query = "SELECT game_date, player_lookup, points FROM nba_box_scores.player_game_summary"
    return sorted(tuple(row.values()) for row in client.query(query).result(timeout=60))


def staged_tables(client: bigquery.Client) -> list[str]:
    return [table.table_id for table in client.list_tables("nba_predictions") if table.table_id.startswith("_load_")]


def test_every_column_arrives_as_it_was_written(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    directory = write_files(tmp_path, [PREDICTION], [BOX_SCORE])
    loaded = load_directory(bigquery_client, directory)
    assert (loaded.rows, loaded.dates) == ({"player_prop_predictions": 1, "player_game_summary": 1}, [TENTH])
    inputs = read_inputs(directory)
    for table, rows in (
        ("nba_predictions.player_prop_predictions", inputs.predictions),
        ("nba_box_scores.player_game_summary", inputs.box_scores),
    ):
        found = [dict(row.items()) for row in bigquery_client.query(f"SELECT * FROM {table}").result(timeout=60)]
        assert found == rows.to_pylist()


def test_a_number_keeps_all_nine_decimals_of_numeric(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    load_directory(bigquery_client, write_files(tmp_path, [{**PREDICTION, "predicted_points": "25.123456789"}], []))
    assert predictions_in(bigquery_client) == [(TENTH, "p1", Decimal("25.123456789"))]


def test_loading_twice_replaces_and_never_doubles(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    directory = write_files(tmp_path, [PREDICTION, {**PREDICTION, "prediction_id": "p2"}], [BOX_SCORE])
    load_directory(bigquery_client, directory)
    load_directory(bigquery_client, directory)
    assert predictions_in(bigquery_client) == [(TENTH, "p1", Decimal("25.1")), (TENTH, "p2", Decimal("25.1"))]
    assert box_scores_in(bigquery_client) == [(TENTH, "milesnash", 26)]


def test_a_corrected_file_replaces_the_whole_date(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    load_directory(bigquery_client, write_files(tmp_path, [PREDICTION, {**PREDICTION, "prediction_id": "p2"}], [BOX_SCORE]))
    load_directory(bigquery_client, write_files(tmp_path, [{**PREDICTION, "prediction_id": "p3"}], [{**BOX_SCORE, "points": 27}]))
    assert predictions_in(bigquery_client) == [(TENTH, "p3", Decimal("25.1"))]
    assert box_scores_in(bigquery_client) == [(TENTH, "milesnash", 27)]


def test_loading_another_date_leaves_the_rest(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    load_directory(bigquery_client, write_files(tmp_path, [PREDICTION], [BOX_SCORE]))
    later = write_files(tmp_path, [{**PREDICTION, "game_date": ELEVENTH}], [{**BOX_SCORE, "game_date": ELEVENTH, "points": 30}])
    assert load_directory(bigquery_client, later).dates == [ELEVENTH]
    assert predictions_in(bigquery_client) == [(TENTH, "p1", Decimal("25.1")), (ELEVENTH, "p1", Decimal("25.1"))]
    assert box_scores_in(bigquery_client) == [(TENTH, "milesnash", 26), (ELEVENTH, "milesnash", 30)]


def test_each_table_is_replaced_on_the_dates_of_its_own_file(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    load_directory(bigquery_client, write_files(tmp_path, [PREDICTION], [BOX_SCORE]))
    load_directory(bigquery_client, write_files(tmp_path, [{**PREDICTION, "game_date": ELEVENTH}], [{**BOX_SCORE, "points": 28}]))
    assert predictions_in(bigquery_client) == [(TENTH, "p1", Decimal("25.1")), (ELEVENTH, "p1", Decimal("25.1"))]
    assert box_scores_in(bigquery_client) == [(TENTH, "milesnash", 28)]


def test_predictions_without_rows_are_refused_and_change_nothing(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    load_directory(bigquery_client, write_files(tmp_path, [PREDICTION], [BOX_SCORE]))
    with pytest.raises(CommandError, match="there are no predictions, only a header"):
        load_directory(bigquery_client, write_files(tmp_path, [], []))
    assert (len(predictions_in(bigquery_client)), len(box_scores_in(bigquery_client))) == (1, 1)


def test_a_bad_file_loads_nothing_of_the_good_one_either(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    load_directory(bigquery_client, write_files(tmp_path, [PREDICTION], [BOX_SCORE]))
    bad = write_files(tmp_path, [{**PREDICTION, "prediction_id": "p9"}], [{**BOX_SCORE, "points": "many"}])
    with pytest.raises(CommandError, match="column points: 1 value cannot be read as whole numbers; the first is 'many'"):
        load_directory(bigquery_client, bad)
    assert predictions_in(bigquery_client) == [(TENTH, "p1", Decimal("25.1"))]
    assert box_scores_in(bigquery_client) == [(TENTH, "milesnash", 26)]
    assert staged_tables(bigquery_client) == []


def test_a_missing_directory_is_refused_with_a_sentence(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no such directory"):
        load_directory(bigquery_client, tmp_path / "nowhere")


def test_no_staged_table_is_left_after_a_load(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    load_directory(bigquery_client, write_files(tmp_path, [PREDICTION], [BOX_SCORE]))
    assert staged_tables(bigquery_client) == []


def test_no_staged_table_is_left_when_the_second_file_cannot_be_staged(
    bigquery_client: bigquery.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    original = bigquery_client.load_table_from_file

    def fail_on_box_scores(file: Any, destination: str, **keywords: Any) -> Any:
        if "player_game_summary" in destination:
            seen.append(staged_tables(bigquery_client))
            raise ConnectionError("the network is gone")
        return original(file, destination, **keywords)

    monkeypatch.setattr(bigquery_client, "load_table_from_file", fail_on_box_scores)
    with pytest.raises(ConnectionError):
        load_directory(bigquery_client, write_files(tmp_path, [PREDICTION], [BOX_SCORE]))
    assert len(seen[0]) == 2, "both tables were there when it failed"
    assert staged_tables(bigquery_client) == []
    assert (predictions_in(bigquery_client), box_scores_in(bigquery_client)) == ([], [])


def test_a_load_that_fails_in_its_last_statement_leaves_both_tables_as_they_were(
    bigquery_client: bigquery.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_directory(bigquery_client, write_files(tmp_path, [PREDICTION], [BOX_SCORE]))
    # The check of the files would stop this one: a box score without a player, which the table refuses.
    inputs = read_inputs(write_files(tmp_path, [{**PREDICTION, "prediction_id": "p9"}], [BOX_SCORE]))
    nobody = inputs.box_scores.set_column(0, "player_lookup", pa.nulls(1, pa.string()))
    monkeypatch.setattr(load, "read_inputs", lambda *_, **__: InputFiles({**inputs.tables, "player_game_summary": nobody}))
    with pytest.raises(Exception, match=r"(?i)null"):
        load_directory(bigquery_client, tmp_path)
    assert predictions_in(bigquery_client) == [(TENTH, "p1", Decimal("25.1"))]
    assert box_scores_in(bigquery_client) == [(TENTH, "milesnash", 26)]
    assert staged_tables(bigquery_client) == []


def test_the_command_ends_with_1_and_a_sentence_for_a_bad_file_and_0_for_a_good_one(
    bigquery_client: bigquery.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write_files(tmp_path, [{**PREDICTION, "game_date": "2026-13-01"}], [BOX_SCORE])
    assert load.main([str(bad)]) == 1
    assert "the first is '2026-13-01' in line 2." in capsys.readouterr().err
    good = write_files(tmp_path, [PREDICTION], [BOX_SCORE])
    assert load.main([str(good)]) == 0
    assert "loaded 1 prediction and 1 box-score row of 1 date, 2026-01-10 to 2026-01-10" in capsys.readouterr().out
    assert len(predictions_in(bigquery_client)) == 1


def test_tip_offs_and_prices_replace_their_dates_and_are_left_alone_without_a_file(bigquery_client: bigquery.Client, tmp_path: Path) -> None:
    directory = write_files(tmp_path, [PREDICTION], [BOX_SCORE])
    games, offers = directory / "games.csv", directory / "prop_lines.csv"

    def offers_in() -> list[tuple[str, int]]:
        found = bigquery_client.query("SELECT sportsbook, over_price FROM nba_odds.prop_lines").result(timeout=60)
        return sorted(tuple(row.values()) for row in found)

    games.write_text("game_id,game_date,tip_off_at\ng1,2026-01-10,2026-01-11 00:30:00\n")
    head = "game_id,player_lookup,sportsbook,line,over_price,under_price,captured_at\n"
    offers.write_text(head + "g1,milesnash,a,25.5,-110,-110,2026-01-10 12:00:00\ng1,milesnash,b,25.5,-110,,2026-01-11 00:10:00\n")
    loaded = load_directory(bigquery_client, directory)
    assert loaded.line == "loaded 1 prediction, 1 box-score row, 1 game and 2 offers of 1 date, 2026-01-10 to 2026-01-10"
    [game] = bigquery_client.query("SELECT tip_off_at, status FROM nba_reference.games").result(timeout=60)
    assert (game["tip_off_at"].isoformat(), game["status"]) == ("2026-01-11T00:30:00+00:00", None)
    assert offers_in() == [("a", -110), ("b", -110)]
    # The offers of the 11th, in UTC, are replaced; that of the 10th stays.
    offers.write_text(head + "g1,milesnash,b,25.5,-120,100,2026-01-11 00:20:00\n")
    games.unlink()
    load_directory(bigquery_client, directory)
    assert offers_in() == [("a", -110), ("b", -120)]
    offers.unlink()
    load_directory(bigquery_client, directory)
    assert offers_in() == [("a", -110), ("b", -120)]
    assert len(list(bigquery_client.query("SELECT game_id FROM nba_reference.games").result(timeout=60))) == 1
