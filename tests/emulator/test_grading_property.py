"""The grading SQL on the emulator against the reference grader: on generated batches, and on the sample that the demo shows.

Every generated batch has dates of its own and the same few games, players, systems and lines on each of them and as the batches before it,
so there are dates to be mixed up. A batch goes the whole way: files, load, grade in one write, publish, read back.
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

from commands.data_files import read_inputs
from commands.input_tables import BOX_SCORES, INPUT_TABLES, PREDICTIONS
from commands.load import load_directory
from commands.sample import FIRST_DATE, WRONG_CONFIDENCES, write_sample
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.pipelines.grade import complete_minutes, grade_dates
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import PREDICTION_ACCURACY
from tests.emulator.small_date import unleased
from tests.reference_grader import COMPLETE_MINUTES, NOT_COMPARED, Graded, grade, is_complete
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
MINUTES = (None, "0", "0.05", "12", "31.75", "48")
TEAMS = (*4 * (("DET", "LAC"),), ("DET",), (None,), ("DET", "LAC", "BOS"), ("DET", "LAC", None))
TARGETS = ("235", "235", "240", "265", "234.999999999", "120", None)
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
    """The first game is complete; of the others one in five is not played, and half are not complete. One player in six has no row."""
    complete, *others = GAMES
    rows = box_score_of(rng, game_date, complete, ("DET", "LAC"), "240")
    for game_id in others:
        if rng.random() > 0.2:
            made = box_score_of(rng, game_date, game_id, rng.choice(TEAMS), rng.choice(TARGETS))
            rows += [{**row, "minutes_played": None} for row in made] if rng.random() < 0.1 else made
    return rows


def box_score_of(rng: random.Random, game_date: date, game_id: str, teams: Sequence[str | None], target: str | None) -> list[Row]:
    """The rows of one game, in which the minutes of each team add up to the target; without one, to what the players have."""
    rows: list[Row] = [
        {
            "player_lookup": player,
            "game_id": game_id,
            "game_date": game_date,
            "team_abbr": rng.choice(teams),
            "opponent_team_abbr": rng.choice(("BOS", None)),
            "points": rng.choice(POINTS),
            "minutes_played": number(rng, MINUTES),
            "is_dnp": rng.choice((None, False, False, True)),
            "updated_at": rng.choice(MOMENTS),
        }
        for player in PLAYERS
        if rng.random() > 0.17
    ]
    # The players of the bench, of whom nothing was predicted, make up the minutes of each team.
    for team in teams if target else ():
        played = sum((row["minutes_played"] or Decimal(0) for row in rows if row["team_abbr"] == team), Decimal(0))
        rows.append({**rows[0], "player_lookup": f"bench {team}", "team_abbr": team, "minutes_played": Decimal(target) - played} if rows else {})
    return [row for row in rows if row]


def write_files(directory: Path, predictions: Sequence[Row], box_scores: Sequence[Row], **optional: Sequence[Row]) -> None:
    """Write the input files of a directory; the optional ones by their stem."""
    contents = {PREDICTIONS.stem: predictions, BOX_SCORES.stem: box_scores, **optional}
    for spec in INPUT_TABLES:
        if spec.stem in contents:
            table = pa.Table.from_pylist(list(contents[spec.stem]), schema=pa.schema(list(spec.columns.items())))
            pq.write_table(table, directory / f"{spec.stem}.parquet")


def grade_on_emulator(warehouse: Warehouse, *dates: date) -> dict[date, dict[str, Any]]:
    """Grade all dates in one guarded write, and return what it reports of each."""
    report = grade_dates(warehouse, unleased("grading", *dates), WriteRequest("run", max_shrink=0.2))
    report.raise_refused()
    return {day: report.facts_of(day) for day in dates}


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


# A batch drawn value by value would be beyond what Hypothesis makes in one go, and mostly noughts: it draws the seed and the sizes.
@settings(
    max_examples=examples(4, full=50),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(1, 600), min_size=1, max_size=3))
@pytest.mark.timeout(600)
def test_dates_are_graded_alike_in_one_write_each_by_itself_and_by_the_reference(
    seed: int, sizes: list[int], bigquery_client: bigquery.Client, warehouse: Warehouse, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    dates = [FIRST_BATCH + timedelta(days=next(DAYS)) for _ in sizes]
    box_scores, predictions = [], []
    for day, size in zip(dates, sizes, strict=True):
        scores, made = box_scores_of(rng, day), predictions_of(rng, day, size)
        write_files(tmp_path, made, scores)
        load_directory(bigquery_client, tmp_path)
        box_scores, predictions = box_scores + scores, predictions + made

    reports = grade_on_emulator(warehouse, *dates)

    together = {day: stored_rows(bigquery_client, day) for day in dates}
    for day in dates:
        expected = grade(predictions, box_scores, day)
        assert {name: reports[day][name] for name in expected.counts} == expected.counts
        assert_same(together[day], expected)
    for day in dates if len(dates) > 1 else ():
        [alone] = grade_on_emulator(warehouse, day).values()
        assert {name: alone[name] for name in ("gradable", "pending", "written")} == {
            name: reports[day][name] for name in ("gradable", "pending", "written")
        }
    if len(dates) > 1:
        assert {day: stored_rows(bigquery_client, day) for day in dates} == together


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
    for game_date, report in grade_on_emulator(warehouse, FIRST_DATE, FIRST_DATE + timedelta(days=1)).items():
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
    report = grade_on_emulator(warehouse, last)[last]
    expected = grade(predictions, box_scores, last)
    assert expected.pending == expected.gradable > 500
    assert {name: report[name] for name in expected.counts} == expected.counts
    assert stored_rows(bigquery_client, last) == []


def test_grading_twice_gives_the_same_rows_from_a_newer_write(
    sample: tuple[list[Row], list[Row]], bigquery_client: bigquery.Client, warehouse: Warehouse
) -> None:
    del sample
    [first] = grade_on_emulator(warehouse, FIRST_DATE).values()
    rows = stored_rows(bigquery_client, FIRST_DATE)
    [second] = grade_on_emulator(warehouse, FIRST_DATE).values()
    assert stored_rows(bigquery_client, FIRST_DATE) == rows
    assert second["replaced"] == len(rows) == first["graded"] + first["voided"]
    assert second["fencing_token"] > first["fencing_token"]
    query = f"SELECT DISTINCT fencing_token FROM {PREDICTION_ACCURACY.full_name}"
    assert [row["fencing_token"] for row in bigquery_client.query(query).result(timeout=60)] == [second["fencing_token"]]


def whole_games(rng: random.Random, game_date: date) -> list[Row]:
    """Complete box scores of every game; who has points has minutes."""
    rows = [row for game_id in GAMES for row in box_score_of(rng, game_date, game_id, ("DET", "LAC"), "240")]
    return [{**row, "minutes_played": Decimal(0)} if row["points"] and row["minutes_played"] is None else row for row in rows]


def damaged(rng: random.Random, box_scores: Sequence[Row], damage: str, share: float) -> list[Row]:
    """The box scores, some games with a share of its rows gone, or with all its minutes cut to a share."""
    hit = set(rng.sample(GAMES, k=rng.randint(1, len(GAMES))))
    if damage == "rows":
        return [row for row in box_scores if row["game_id"] not in hit or rng.random() > share]
    cut = Decimal(str(round(share, 3)))
    return [
        {**row, "minutes_played": (row["minutes_played"] * cut).quantize(Decimal("1e-9"))} if row["game_id"] in hit and row["minutes_played"] else row
        for row in box_scores
    ]


@settings(
    max_examples=examples(4, full=60),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1), damage=st.sampled_from(("rows", "minutes")), share=st.floats(0, 1))
@pytest.mark.timeout(600)
def test_a_damaged_box_score_voids_and_grades_nothing_and_heals_to_the_grades_of_the_whole_one(
    seed: int, damage: str, share: float, bigquery_client: bigquery.Client, warehouse: Warehouse, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    day = FIRST_BATCH + timedelta(days=next(DAYS))
    predictions, box_scores = predictions_of(rng, day, 300), whole_games(rng, day)
    whole = grade(predictions, box_scores, day)
    scores = damaged(rng, box_scores, damage, share)
    complete = {game_id for game_id in GAMES if is_complete([row for row in scores if row["game_id"] == game_id], COMPLETE_MINUTES)}

    write_files(tmp_path, predictions, scores)
    load_directory(bigquery_client, tmp_path)
    [report] = grade_on_emulator(warehouse, day).values()
    stored = stored_rows(bigquery_client, day)
    assert_same(stored, grade(predictions, scores, day))
    assert {row["game_id"] for row in stored} <= complete, "no grade, and so no void, of a game that is not complete"
    assert report["pending"] == whole.gradable - len(stored)

    write_files(tmp_path, predictions, box_scores)
    load_directory(bigquery_client, tmp_path)
    to_heal = {"first": day, "last": day, **complete_minutes()}
    rows = warehouse.query_file("healing/list_dates_to_heal", to_heal)
    assert sum(int(row["ungraded_predictions"]) for row in rows) == whole.gradable - len(stored)
    grade_on_emulator(warehouse, day)
    assert_same(stored_rows(bigquery_client, day), whole)
    assert [row for row in warehouse.query_file("healing/list_dates_to_heal", to_heal) if row["ungraded_predictions"]] == []
