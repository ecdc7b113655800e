"""A preview of a regrade, held against the reference grader: every key has the change that the two sides have, and nothing is published."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from commands.load import load_directory
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.pipelines import grade as grading
from nba_grading.pipelines.grade import grade_dates
from nba_grading.pipelines.preview import CHANGES, preview_dates
from nba_grading.warehouse.client import Warehouse
from tests.emulator.small_date import unleased
from tests.emulator.test_grading_property import box_scores_of, predictions_of, write_files
from tests.reference_grader import Graded, cannot_be_judged, grade, is_complete
from tests.sizes import examples

Row = dict[str, Any]

DAY = date(2026, 1, 10)
REQUEST = WriteRequest("test", allow_shrink=True)
KEY = ("player_lookup", "game_id", "system_id", "line_value")
ACTUAL = ("actual_points", "minutes_played", "team_abbr", "opponent_team_abbr")
PREDICTION = (
    *("predicted_points", "confidence_score", "recommendation", "line_source", "sportsbook"),
    *("pre_game_injury_status", "model_version"),
)


def load(warehouse: Warehouse, directory: Path, predictions: Sequence[Row], box_scores: Sequence[Row]) -> None:
    write_files(directory, predictions, box_scores)
    load_directory(warehouse.client, directory)


def grade_day(warehouse: Warehouse, *days: date) -> None:
    grade_dates(warehouse, unleased("grading", *days), REQUEST).raise_refused()


def everything(warehouse: Warehouse) -> dict[str, list[Row]]:
    """What a write could have changed, and the staging tables that are left."""
    tables = ("prediction_accuracy", "write_fences_prediction_accuracy", "grading_runs", "accepted_games")
    rows = {name: warehouse.query(f"SELECT * FROM nba_predictions.{name} WHERE TRUE") for name in tables}
    rows["left"] = [{"name": table.table_id} for table in warehouse.client.list_tables("nba_predictions") if table.table_id.startswith("_")]
    return {name: sorted(found, key=repr) for name, found in rows.items()}


def keyed(rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[name] for name in KEY): row for row in rows}


def change_of(before: Row | None, after: Row | None, box_scores: Sequence[Row]) -> str:
    """The change of a key, by the words of docs/runbook.md."""
    if before is None:
        return "new"
    if after is None:
        game = [row for row in box_scores if row["game_id"] == before["game_id"]]
        whole = cannot_be_judged(game) or is_complete(game, 235)
        return "gone_no_box_score" if not game else "gone_not_gradable" if whole else "gone_incomplete"
    if before["is_voided"] != after["is_voided"]:
        return "void_to_graded" if before["is_voided"] else "graded_to_void"
    for names, change in ((ACTUAL, "actual_changed"), (PREDICTION, "prediction_changed"), (tuple(before), "rule_changed")):
        if any(before[name] != after[name] for name in names):
            return change
    return "unchanged"


def mutated(rng: random.Random, predictions: Sequence[Row], box_scores: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The inputs a day later: corrections, rows that came and rows that went."""
    made = [row for row in predictions if rng.random() > 0.05]
    made = [{**row, "predicted_points": Decimal(rng.randint(0, 40))} if rng.random() < 0.1 else row for row in made]
    scores = [row for row in box_scores if rng.random() > 0.05]
    scores = [{**row, "points": rng.choice((None, 0, 20, 33)), "is_dnp": False} if rng.random() < 0.2 else row for row in scores]
    return made, scores


# Each example grades, previews and reads everything twice.
@settings(
    max_examples=examples(5, full=40),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.timeout(600)
def test_every_key_has_the_change_that_the_reference_finds_and_nothing_is_published(seed: int, warehouse: Warehouse, tmp_path: Path) -> None:
    rng = random.Random(seed)
    predictions, box_scores = predictions_of(rng, DAY, 250), box_scores_of(rng, DAY)
    load(warehouse, tmp_path, predictions, box_scores)
    grade_day(warehouse, DAY)
    before = keyed(grade(predictions, box_scores, DAY).rows)
    # A DELETE before each load would keep what the mutation took away.
    predictions, box_scores = mutated(rng, predictions, box_scores)
    warehouse.dml("DELETE FROM nba_box_scores.player_game_summary WHERE TRUE")
    load(warehouse, tmp_path, predictions, box_scores)
    stored = everything(warehouse)

    preview = preview_dates(warehouse, [DAY], REQUEST)

    assert everything(warehouse) == stored
    after_grades: Graded = grade(predictions, box_scores, DAY)
    after = keyed(after_grades.rows)
    expected = Counter(change_of(before.get(key), after.get(key), box_scores) for key in before.keys() | after.keys())
    assert preview.by_date[DAY] == expected
    assert preview.changes == {change: expected[change] for change in CHANGES}
    assert preview.refused == {}
    for system in {row["system_id"] for row in after_grades.rows}:
        rows = [row for row in after_grades.rows if row["system_id"] == system]
        errors = [row["absolute_error"] for row in rows if row["absolute_error"] is not None]
        assert preview.sums[system]["staged"]["errors"] == len(errors)
        assert preview.sums[system]["staged"]["absolute_error"] == sum(errors)
        assert preview.sums[system]["staged"]["correct"] == sum(row["prediction_correct"] is True for row in rows)


def test_another_version_of_a_rule_reports_exactly_the_keys_that_differ(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(3)
    predictions, box_scores = predictions_of(rng, DAY, 400), box_scores_of(rng, DAY)
    load(warehouse, tmp_path, predictions, box_scores)
    grade_day(warehouse, DAY)
    load_sql = grading.load_sql
    monkeypatch.setattr(grading, "load_sql", lambda name: load_sql(name).replace("ABS(signed_error) <= 3", "ABS(signed_error) < 3"))
    preview = preview_dates(warehouse, [DAY], REQUEST)
    rows = grade(predictions, box_scores, DAY).rows
    exact = sum(row["absolute_error"] == 3 for row in rows)
    assert exact > 0
    assert {change: count for change, count in preview.changes.items() if count} == {"rule_changed": exact, "unchanged": len(rows) - exact}


def test_forty_dates_are_previewed_in_one_go_and_a_date_that_would_shrink_is_named(warehouse: Warehouse, tmp_path: Path) -> None:
    empty = [DAY + timedelta(days=number) for number in range(40)]
    days, shrinking = empty[:38], empty[36]
    rng = random.Random(5)
    predictions = [row for day in days for row in predictions_of(rng, day, 20)]
    box_scores = [row for day in days for row in box_scores_of(rng, day)]
    for row in (*predictions, *box_scores):
        row["game_id"] = f"{row['game_date']}_{row['game_id']}"
    load(warehouse, tmp_path, predictions, box_scores)
    for first in (0, 32):
        grade_day(warehouse, *days[first : first + 32])
    warehouse.dml(f"UPDATE nba_predictions.player_prop_predictions SET is_active = FALSE WHERE game_date = DATE '{shrinking}'")
    stored = everything(warehouse)
    preview = preview_dates(warehouse, empty, WriteRequest("test", max_shrink=0.2))
    assert everything(warehouse) == stored
    gone = len(grade(predictions, box_scores, shrinking).rows)
    total = sum(len(grade(predictions, box_scores, day).rows) for day in days)
    assert {change: count for change, count in preview.changes.items() if count} == {"gone_not_gradable": gone, "unchanged": total - gone}
    assert list(preview.refused) == [shrinking]
    assert "would shrink from" in preview.refused[shrinking]
    shown = preview.as_json()
    assert len(shown["dates"]) == 40
    assert all(row["stored"]["grades"] >= row["staged"]["grades"] for row in shown["by_system"])


def test_the_staging_table_is_dropped_when_the_comparison_fails(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    load(warehouse, tmp_path, predictions_of(rng, DAY, 50), box_scores_of(rng, DAY))

    def fail(*_arguments: Any) -> None:
        assert everything(warehouse)["left"], "the grades are staged"
        raise RuntimeError("boom")

    monkeypatch.setattr("nba_grading.pipelines.preview._compare", fail)
    with pytest.raises(RuntimeError, match="boom"):
        preview_dates(warehouse, [DAY], REQUEST)
    assert everything(warehouse)["left"] == []
