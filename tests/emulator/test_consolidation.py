"""Batches of staging tables merged into a date: a hundred at once, again, after a crash anywhere, and those that must be refused or kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from google.cloud import bigquery

from nba_grading.guarded_write.work import WriteRequest
from nba_grading.guarded_write.write import FencedOut
from nba_grading.pipelines.consolidate import BatchRefused, consolidate_date, read_batch, staging_prefix
from nba_grading.quality.after_write import find_duplicates
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.errors import StatementFailed
from nba_grading.warehouse.tables import PLAYER_PROP_PREDICTIONS
from tests.conftest import BYTES
from tests.emulator.small_date import unleased

DAY = date(2026, 1, 10)
NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
TARGET = "nba_predictions.player_prop_predictions"

Row = Mapping[str, Any]


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}+00'"
    return f"DATE '{value}'" if isinstance(value, date) else f"'{value}'" if isinstance(value, str) else f"NUMERIC '{value}'"


def insert(client: bigquery.Client, table: str, rows: Sequence[Row]) -> None:
    columns = list(rows[0])
    values = ", ".join(f"({', '.join(literal(row[column]) for column in columns)})" for row in rows)
    client.query(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}").result(timeout=60)


def prediction(player: str, *, made: datetime = NOON, line: float | None = 20.5, points: float = 21, **more: Any) -> dict[str, Any]:
    return {
        "prediction_id": f"{player}-{made:%H%M}",
        "system_id": "ewma_v1",
        "player_lookup": player,
        "game_id": "game1",
        "game_date": DAY,
        "predicted_points": points,
        "current_points_line": line,
        "created_at": made,
        **more,
    }


def stage(client: bigquery.Client, worker: str, rows: Sequence[Row], *, batch: str = "b1", columns: str = "*") -> str:
    """A staging table with the columns of player_prop_predictions, or some of them."""
    name = f"nba_predictions._staging_batch_{batch}_{worker}"
    client.query(f"CREATE TABLE {name} AS SELECT {columns} FROM {TARGET} WHERE FALSE").result(timeout=60)
    if rows:
        insert(client, name, rows)
    return name.partition(".")[2]


def stored(client: bigquery.Client) -> list[dict[str, Any]]:
    query = f"SELECT * FROM {TARGET} ORDER BY game_date, player_lookup, current_points_line, prediction_id"
    return [dict(row.items()) for row in client.query(query).result(timeout=60)]


def staging_tables(client: bigquery.Client) -> list[str]:
    return sorted(table.table_id for table in client.list_tables("nba_predictions") if table.table_id.startswith("_staging"))


def consolidate(warehouse: Warehouse, batch: str = "b1", day: date = DAY) -> dict[str, Any]:
    report = consolidate_date(warehouse, unleased("consolidation", day), WriteRequest("run", max_shrink=0.2, params={"batch_id": batch}))
    report.raise_refused()
    return report.facts_of(day)


def test_a_hundred_staging_tables_are_merged_in_one_write(warehouse: Warehouse) -> None:
    client = warehouse.client
    insert(client, TARGET, [prediction("old", prediction_id="first", made=NOON.replace(hour=9)), prediction("untouched")])
    for n in range(100):
        # Two keys of its own, one of them without a line, and one key that every worker predicts.
        rows = [prediction(f"player{n:03d}"), prediction(f"player{n:03d}", line=None), prediction("old", made=NOON.replace(minute=n % 50), points=n)]
        stage(client, f"worker_{n}", rows)
    reported = consolidate(warehouse)
    assert (reported["tables"], reported["dropped"], reported["kept"]) == (100, 100, [])
    assert (reported["batch_rows"], reported["batch_keys"], reported["new_keys"], reported["collapsed"]) == (300, 201, 200, 0)
    assert (reported["replaced"], reported["written"]) == (2, 202)
    assert staging_tables(client) == []
    assert find_duplicates(warehouse, PLAYER_PROP_PREDICTIONS, [DAY]) == {DAY: []}
    [old] = [row for row in stored(client) if row["player_lookup"] == "old"]
    assert (old["prediction_id"], old["created_at"], old["updated_at"]) == ("first", NOON.replace(hour=9), NOON.replace(minute=49))
    assert old["predicted_points"] in (49, 99)  # two workers at 12:49, and the same prediction_id


def test_the_second_merge_of_a_batch_changes_nothing(warehouse: Warehouse) -> None:
    client = warehouse.client
    history = [prediction("twice", made=NOON.replace(hour=8)), prediction("twice", made=NOON.replace(hour=9)), prediction("newer", updated_at=NOON)]
    insert(client, TARGET, [{"updated_at": None, **row} for row in history])
    batch = [prediction("twice", points=30), prediction("newer", made=NOON.replace(hour=11)), prediction("new"), prediction("new", line=None)]
    for _ in range(2):
        stage(client, "w1", batch)
        reported = consolidate(warehouse)
        if reported["collapsed"]:
            first = stored(client)
    assert stored(client) == first
    assert (reported["new_keys"], reported["collapsed"], reported["dropped"]) == (0, 0, 1)
    assert [row["prediction_id"] for row in first] == ["new-1200", "new-1200", "newer-1200", "twice-0800"]


def test_other_batches_and_other_dates_are_left_alone(warehouse: Warehouse) -> None:
    client = warehouse.client
    tomorrow = {"game_date": date(2026, 1, 11)}
    insert(client, TARGET, [prediction("p", **tomorrow)])
    stage(client, "w1", [prediction("p")])
    others = [stage(client, "w1", [prediction("q", **tomorrow)], batch=other) for other in ("b10", "b")]
    consolidate(warehouse)
    assert [(row["player_lookup"], row["game_date"]) for row in stored(client)] == [("p", DAY), ("p", date(2026, 1, 11))]
    assert staging_tables(client) == sorted(others)


def test_a_column_that_every_table_of_the_batch_lacks_becomes_null(warehouse: Warehouse) -> None:
    client = warehouse.client
    columns = "prediction_id, system_id, player_lookup, game_id, game_date, predicted_points, current_points_line, created_at"
    stage(client, "w1", [prediction("p")], columns=columns)
    stage(client, "w2", [prediction("q")], columns=columns)
    consolidate(warehouse)
    rows = stored(client)
    assert [row["player_lookup"] for row in rows] == ["p", "q"]
    assert {(row["model_version"], row["is_active"], row["confidence_score"], row["updated_at"]) for row in rows} == {(None,) * 4}


def test_the_columns_of_a_staging_table_may_stand_in_any_order(warehouse: Warehouse) -> None:
    client = warehouse.client
    stage(client, "w1", [prediction("p", sportsbook="book")], columns="created_at, sportsbook, * EXCEPT (created_at, sportsbook)")
    consolidate(warehouse)
    [row] = stored(client)
    assert (row["player_lookup"], row["sportsbook"], row["created_at"]) == ("p", "book", NOON)


def refused(warehouse: Warehouse, *parts: str) -> None:
    """The batch is refused with these words, and nothing has changed."""
    before = stored(warehouse.client), staging_tables(warehouse.client)
    with pytest.raises(BatchRefused) as error:
        consolidate(warehouse)
    assert error.value.permanent
    for part in (*parts, "Nothing was changed"):
        assert part in str(error.value)
    assert (stored(warehouse.client), staging_tables(warehouse.client)) == before


def test_an_unknown_column_is_refused_by_name(warehouse: Warehouse) -> None:
    stage(warehouse.client, "w1", [prediction("p")])
    stage(warehouse.client, "w2", [prediction("p", mood="good")], columns="*, 'x' AS mood")
    refused(warehouse, "_staging_batch_b1_w2 has the column mood", "add it to that table", "or drop it")


def test_a_table_without_a_part_of_the_key_or_without_times_is_refused(warehouse: Warehouse) -> None:
    stage(warehouse.client, "w1", [], columns="* EXCEPT (game_id, created_at)")
    refused(warehouse, "_staging_batch_b1_w1 lacks the column game_id", "lacks the column created_at")


def test_a_column_of_another_type_is_refused_as_a_line_is_never_cast(warehouse: Warehouse) -> None:
    stage(warehouse.client, "w1", [], columns="* EXCEPT (current_points_line), 20.5e0 AS current_points_line")
    refused(warehouse, "_staging_batch_b1_w1 has current_points_line as FLOAT64, player_prop_predictions as NUMERIC")


def test_rows_of_another_date_are_refused_with_the_table_and_the_dates(warehouse: Warehouse) -> None:
    stage(warehouse.client, "w1", [prediction("p")])
    stage(warehouse.client, "w2", [prediction(f"p{n}", game_date=date(2026, 1, 10 + n)) for n in range(8)])
    refused(warehouse, "_staging_batch_b1_w2 has 7 of its 8 rows on other dates than 2026-01-10", "2026-01-11, 2026-01-12", "and 2 more dates")


def test_rows_without_a_part_of_their_key_are_refused(warehouse: Warehouse) -> None:
    stage(warehouse.client, "w1", [prediction("p"), prediction("q", game_id=None)])
    refused(warehouse, "_staging_batch_b1_w1 has 1 rows without one of game_id, player_lookup, system_id")


def test_a_table_whose_name_cannot_be_written_plainly_is_refused(warehouse: Warehouse) -> None:
    warehouse.client.query(f"CREATE TABLE nba_predictions.`_staging_batch_b1_w-1` AS SELECT * FROM {TARGET} WHERE FALSE").result(timeout=60)
    refused(warehouse, "'_staging_batch_b1_w-1'")


def test_a_column_of_the_main_table_that_the_code_does_not_know_is_refused_as_the_write_would_empty_it(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(warehouse.client, "w1", [], columns="* EXCEPT (sportsbook)")
    known = tuple(name for name in PLAYER_PROP_PREDICTIONS.columns if name != "sportsbook")
    monkeypatch.setattr("nba_grading.warehouse.tables._columns_of", lambda _: known)
    refused(warehouse, "player_prop_predictions has the column sportsbook, which this code does not know")


@pytest.mark.parametrize("batch", ["b_1", "", "b1; DROP TABLE x", "b-1", "b1\n"])
def test_a_batch_id_is_letters_and_digits(batch: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        staging_prefix(batch)


def test_a_batch_without_tables_is_empty_and_merging_it_changes_nothing(warehouse: Warehouse) -> None:
    insert(warehouse.client, TARGET, [prediction("p")])
    before = stored(warehouse.client)
    assert read_batch(warehouse, "b1", DAY).tables == ()
    assert consolidate(warehouse)["tables"] == 0
    assert stored(warehouse.client) == before


@dataclass
class Disturbed(Warehouse):
    """A warehouse that calls ``disturb`` with each statement before it runs, and with ``DROP`` and its name before a table goes."""

    disturb: Any = None

    def _run(self, text: str, *arguments: Any, **keywords: Any) -> Any:
        self.disturb(text)
        return super()._run(text, *arguments, **keywords)

    def drop_table(self, name: str) -> None:
        self.disturb(f"DROP {name}")
        super().drop_table(name)


def disturbed(client: bigquery.Client, disturb: Any) -> Disturbed:
    return Disturbed(client, maximum_bytes_billed=BYTES, retry_seconds=30, disturb=disturb)


def test_a_table_that_a_worker_still_writes_to_is_kept_and_named_and_the_next_run_takes_it(warehouse: Warehouse) -> None:
    client = warehouse.client
    stage(client, "w1", [prediction("p")])
    late = stage(client, "w2", [prediction("q")])

    def write_late(text: str) -> None:
        if "COMMIT TRANSACTION" in text:
            insert(client, f"nba_predictions.{late}", [prediction("late"), prediction("q", made=NOON.replace(hour=13), points=30)])

    reported = consolidate(disturbed(client, write_late))
    assert reported["dropped"] == 1
    assert reported["kept"] == [f"{late} is kept: 2 of its rows are not proven to be in player_prop_predictions"]
    assert staging_tables(client) == [late]
    reported = consolidate(warehouse)
    assert (reported["kept"], reported["new_keys"]) == ([], 1)
    assert [(row["player_lookup"], row["predicted_points"]) for row in stored(client)] == [("late", 21), ("p", 21), ("q", 30)]
    assert staging_tables(client) == []


def test_a_table_that_may_not_be_dropped_is_kept_and_named(warehouse: Warehouse) -> None:
    client = warehouse.client
    table = stage(client, "w1", [prediction("p")])

    def deny(text: str) -> None:
        if text.startswith("DROP") and table in text:
            raise StatementFailed("BigQuery refused the statement: Access Denied")

    reported = consolidate(disturbed(client, deny))
    assert reported["kept"] == [f"{table} is kept, although it is merged: BigQuery refused the statement: Access Denied"]
    assert [row["player_lookup"] for row in stored(client)] == ["p"]


def test_a_merge_that_read_the_date_too_early_is_refused_and_keeps_its_tables(warehouse: Warehouse) -> None:
    client = warehouse.client
    stage(client, "w1", [prediction("p")])
    stage(client, "w1", [prediction("q")], batch="b2")
    once = [True]

    def overtake(text: str) -> None:
        if "COMMIT TRANSACTION" in text and once:
            once.clear()
            consolidate(warehouse, "b2")

    with pytest.raises(FencedOut):
        consolidate(disturbed(client, overtake))
    assert [row["player_lookup"] for row in stored(client)] == ["q"]
    assert staging_tables(client) == ["_staging_batch_b1_w1"]
    consolidate(warehouse)
    assert [row["player_lookup"] for row in stored(client)] == ["p", "q"]
