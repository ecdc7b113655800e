"""The grading SQL on the emulator against the reference grader: on generated batches, and on the sample that the demo shows.

Every generated batch has a date of its own and the same few games, players, systems and lines as the batches before it, so the
dates of earlier batches are there to be mixed up. A batch goes the whole way: files, load, grade, publish, read back.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from commands.data_files import BOX_SCORES, PREDICTIONS, InputTable, read_inputs
from commands.load import load_directory
from commands.sample import FIRST_DATE, WRONG_CONFIDENCES, write_sample
from nba_grading.guarded_write.claim import UnleasedClaim
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.grade import grade_date
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import PREDICTION_ACCURACY
from tests.reference_grader import NOT_COMPARED, Graded, grade
from tests.sizes import examples

Row = dict[str, Any]

GAMES = ("20251104_DET_LAC", "20251104_BOS_NYK", "20251104_UTA_SAS")
PLAYERS = ("milesnash", "elistone", "lukaquinn", "omarhayes", "benturner", "nicoowens")
SYSTEMS = ("ewma_v1", "xgboost_v1")
LINES = (None, Decimal(-1), Decimal(0), Decimal("19.5"), Decimal(20), Decimal("25.5"), Decimal(26), Decimal("25.500000001"))
PREDICTED = (None, "0", "14.999999999", "15", "17", "20", "23", "23.000000001", "25", "25.1", "26", "-1.5")
CONFIDENCES = (
    *(None, "0", "0.099999999", "0.1", "0.5", "0.899999999", "0.9", "1", "1.000000001", "1.5", "9.9", "10", "85", "89.95", "99.999999999", "100"),
    *("-0.000000001", "-0.1", "100.000000001", "150"),
)
RECOMMENDATIONS = ("OVER", "OVER", "UNDER", "UNDER", "PASS", "HOLD", "NO_LINE", None)
INJURIES = (None, None, "OUT", "out", " Doubtful ", "QUESTIONABLE", "Probable", "AVAILABLE", "")
PREDICTION_IDS = (None, "", "p1", "p10", "p2", "p9", "P9", "é")
MADE_AT = datetime(2025, 11, 4, 12, tzinfo=UTC)
MOMENTS = (None, MADE_AT, MADE_AT + timedelta(microseconds=1), MADE_AT + timedelta(hours=1))
POINTS = (None, None, 0, 0, 0, 1, 15, 20, 20, 25, 26, 41)
MINUTES = (None, "0", "0.05", "12", "31.75")
FIRST_BATCH = date(2025, 11, 1)
DAYS = count()


def number(rng: random.Random, edges: Sequence[str | None]) -> Decimal | None:
    """Mostly a value at which a rule turns, sometimes any number with up to nine decimals."""
    if rng.random() < 0.1:
        return Decimal(rng.randint(-5 * 10**9, 105 * 10**9)).scaleb(-9).quantize(Decimal(1).scaleb(-rng.randint(0, 9)))
    edge = rng.choice(edges)
    return None if edge is None else Decimal(edge)


def predictions_of(rng: random.Random, game_date: date, size: int) -> list[Row]:
    """Up to ``size`` predictions of some 290 keys, so most keys stand more than once; a smaller size is the beginning of a larger one."""
    rows: dict[tuple[object, ...], Row] = {}
    for _ in range(size):
        row: Row = {
            "prediction_id": rng.choice(PREDICTION_IDS),
            "system_id": rng.choice(SYSTEMS),
            "player_lookup": rng.choice(PLAYERS),
            "game_id": rng.choice(GAMES),
            "game_date": game_date,
            "predicted_points": number(rng, PREDICTED),
            "confidence_score": number(rng, CONFIDENCES),
            "recommendation": rng.choice(RECOMMENDATIONS),
            "current_points_line": rng.choice(LINES),
            "line_source": rng.choice((None, "ACTUAL_PROP")),
            "sportsbook": rng.choice((None, "FANDUEL")),
            "is_active": rng.choice((True, True, True, None, False)),
            "invalidation_reason": rng.choice((None, None, None, None, None, "game_postponed", "")),
            "injury_status_at_prediction": rng.choice(INJURIES),
            "model_version": rng.choice((None, "1", "2")),
            "created_at": rng.choice(MOMENTS),
            "updated_at": rng.choice(MOMENTS),
        }
        # Two rows of one key, moment and id have no order by the rules: the first of them stays.
        same = ("game_id", "player_lookup", "system_id", "current_points_line", "created_at", "prediction_id")
        rows.setdefault(tuple(row[name] for name in same), row)
    return list(rows.values())


def box_scores_of(rng: random.Random, game_date: date) -> list[Row]:
    """One game in five is not played, one player in six is missing from a game that is."""
    return [
        {
            "player_lookup": player,
            "game_id": game_id,
            "game_date": game_date,
            "team_abbr": rng.choice(("DET", "LAC", None)),
            "opponent_team_abbr": rng.choice(("BOS", None)),
            "points": rng.choice(POINTS),
            "minutes_played": number(rng, MINUTES),
            "is_dnp": rng.choice((None, False, False, True)),
            "updated_at": rng.choice(MOMENTS),
        }
        for game_id in GAMES
        if rng.random() > 0.2
        for player in PLAYERS
        if rng.random() > 0.17
    ]


def write_files(directory: Path, predictions: Sequence[Row], box_scores: Sequence[Row]) -> None:
    contents: list[tuple[InputTable, Sequence[Row]]] = [(PREDICTIONS, predictions), (BOX_SCORES, box_scores)]
    for spec, rows in contents:
        table = pa.Table.from_pylist(list(rows), schema=pa.schema(list(spec.columns.items())))
        pq.write_table(table, directory / f"{spec.stem}.parquet")


def grade_on_emulator(warehouse: Warehouse, game_date: date) -> dict[str, Any]:
    """Grade through the whole guarded write, and return its report."""
    claim = UnleasedClaim(LeaseKey("grading", game_date), "a test of the grading rules")
    return grade_date(warehouse, claim, WriteRequest(f"run-{game_date}", max_shrink=0.2)).as_facts()


def stored_rows(client: bigquery.Client, game_date: date) -> list[Row]:
    """What the date holds now, in the order of its keys, without the columns of the write itself."""
    query = f"SELECT * EXCEPT ({', '.join(NOT_COMPARED)}) FROM {PREDICTION_ACCURACY.full_name} WHERE game_date = DATE '{game_date}'"
    return in_order([dict(row.items()) for row in client.query(query).result(timeout=60)])


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(
        rows, key=lambda row: (row["player_lookup"], row["game_id"], row["system_id"], row["line_value"] is not None, row["line_value"] or 0)
    )


def assert_same(found: Sequence[Row], expected: Graded) -> None:
    for found_row, expected_row in zip(found, in_order(expected.rows), strict=False):
        assert found_row == expected_row
    assert len(found) == len(expected.rows)


# A batch drawn value by value would be beyond what Hypothesis makes in one go, and mostly noughts: it draws the seed and the size.
@settings(
    max_examples=examples(12, full=100),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 600))
@pytest.mark.timeout(600)
def test_sql_and_reference_grade_every_generated_batch_alike(
    seed: int, size: int, bigquery_client: bigquery.Client, warehouse: Warehouse, tmp_path: Path
) -> None:
    game_date = FIRST_BATCH + timedelta(days=next(DAYS))
    rng = random.Random(seed)
    box_scores = box_scores_of(rng, game_date)
    predictions = predictions_of(rng, game_date, size)
    write_files(tmp_path, predictions, box_scores)
    load_directory(bigquery_client, tmp_path)

    report = grade_on_emulator(warehouse, game_date)

    expected = grade(predictions, box_scores, game_date)
    assert {name: report[name] for name in expected.counts} == expected.counts
    assert_same(stored_rows(bigquery_client, game_date), expected)


@pytest.fixture
def sample(bigquery_client: bigquery.Client, tmp_path: Path) -> tuple[list[Row], list[Row]]:
    """The first two dates of the generated sample, loaded; the second has a postponed game and is followed by one that is all pending."""
    write_sample(tmp_path, dates=3)
    load_directory(bigquery_client, tmp_path)
    inputs = read_inputs(tmp_path)
    return inputs.predictions.to_pylist(), inputs.box_scores.to_pylist()


def test_sql_and_reference_grade_the_sample_alike(
    sample: tuple[list[Row], list[Row]], bigquery_client: bigquery.Client, warehouse: Warehouse
) -> None:
    predictions, box_scores = sample
    outside = {row["confidence_score"] for row in predictions} & set(WRONG_CONFIDENCES)
    assert outside, "the sample has confidences outside 0-100"
    for game_date in (FIRST_DATE, FIRST_DATE + timedelta(days=1)):
        report = grade_on_emulator(warehouse, game_date)
        expected = grade(predictions, box_scores, game_date)
        assert min(expected.gradable, expected.graded, expected.voided) > 100
        assert {name: report[name] for name in expected.counts} == expected.counts
        assert report["invalid_confidence"] > 0
        assert_same(stored_rows(bigquery_client, game_date), expected)


def test_a_date_that_is_not_played_yet_is_pending_as_a_whole(
    sample: tuple[list[Row], list[Row]], bigquery_client: bigquery.Client, warehouse: Warehouse
) -> None:
    predictions, box_scores = sample
    last = FIRST_DATE + timedelta(days=2)
    report = grade_on_emulator(warehouse, last)
    expected = grade(predictions, box_scores, last)
    assert expected.pending == expected.gradable > 500
    assert {name: report[name] for name in expected.counts} == expected.counts
    assert stored_rows(bigquery_client, last) == []


def test_grading_twice_gives_the_same_rows_from_a_newer_write(
    sample: tuple[list[Row], list[Row]], bigquery_client: bigquery.Client, warehouse: Warehouse
) -> None:
    del sample
    first = grade_on_emulator(warehouse, FIRST_DATE)
    rows = stored_rows(bigquery_client, FIRST_DATE)
    second = grade_on_emulator(warehouse, FIRST_DATE)
    assert stored_rows(bigquery_client, FIRST_DATE) == rows
    assert second["replaced"] == len(rows) == first["graded"] + first["voided"]
    assert second["fencing_token"] > first["fencing_token"]
    query = f"SELECT DISTINCT fencing_token FROM {PREDICTION_ACCURACY.full_name}"
    assert [row["fencing_token"] for row in bigquery_client.query(query).result(timeout=60)] == [second["fencing_token"]]
