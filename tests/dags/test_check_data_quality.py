"""check_data_quality through its DAG: one kind of fault at a time, in the summary in Slack and in the stored results."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commands.stack_config import StackConfig
from nba_grading.quality.daily_checks import QualityCheckError, check_day, load_checks, record_results
from nba_grading.settings import read_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import SQL_DIR
from tests.dags.runs import messages, posted, run_in_process, states

HEADER = "-- title: A check.\n-- unit: rows\n-- fail_above: 0\n-- next_step: Fix it.\n"
DAY = date(2026, 1, 10)
NOON = datetime(2026, 1, 11, 17, tzinfo=UTC)
THRESHOLDS = {"predictions_per_game": {"warn_below": Decimal(5)}}


def fill(warehouse: Warehouse, *, systems: int = 6, games: int = 2, day: date = DAY) -> None:
    """A day without faults: a prediction of every system for one player of each game, graded, made in the morning."""
    predictions, grades, boxes = [], [], []
    for game in range(games):
        boxes += [
            f"('{player}{game}', 'g{game}', DATE '{day}', '{team}', 20, 240, TIMESTAMP '{day} 12:00:00+00')"
            for player, team in (("p", "DET"), ("q", "LAC"))
        ]
        for system in range(systems):
            predictions.append(f"('s{system}', 'p{game}', 'g{game}', DATE '{day}', 25.5, TIMESTAMP '{day + timedelta(days=1)} 06:00:00+00')")
            grades.append(f"('s{system}', 'p{game}', 'g{game}', DATE '{day}', 25.5, 0.7, TIMESTAMP '{day + timedelta(days=1)} 11:00:00+00')")
    warehouse.dml(
        "INSERT INTO nba_predictions.player_prop_predictions (system_id, player_lookup, game_id, game_date, current_points_line, created_at) "
        f"VALUES {', '.join(predictions)}"
    )
    warehouse.dml(
        "INSERT INTO nba_predictions.prediction_accuracy "
        f"(system_id, player_lookup, game_id, game_date, line_value, confidence_score, graded_at) VALUES {', '.join(grades)}"
    )
    warehouse.dml(
        "INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, team_abbr, points, minutes_played, updated_at) "
        f"VALUES {', '.join(boxes)}"
    )


def checked(warehouse: Warehouse, day: date = DAY, as_of: datetime = NOON) -> dict[str, tuple[str, Any]]:
    """Status and value of each check."""
    results = check_day(warehouse, load_checks(THRESHOLDS), day, as_of)
    return {one.check.name: (one.status, None if one.value is None else float(one.value)) for one in results}


RIGHT = {
    "duplicate_grades": ("passed", 0),
    "duplicate_predictions": ("passed", 0),
    "predictions_per_game": ("passed", 6),
    "ungraded_predictions": ("passed", 0),
    "confidence_range": ("passed", 0),
    "hours_since_prediction": ("passed", 11),
    "systems_predicting": ("passed", 6),
    "duplicate_rate_change": ("passed", 0),
    "outdated_grades": ("passed", 0),
    "orphaned_staging_tables": ("passed", 0),
    "void_share_change": ("passed", None),
    "incomplete_games": ("passed", 0),
}


def test_a_day_without_faults_passes_every_check(warehouse: Warehouse) -> None:
    fill(warehouse)
    assert checked(warehouse) == RIGHT


FAULTS = {
    "duplicate_grades": (
        "INSERT INTO nba_predictions.prediction_accuracy SELECT * FROM nba_predictions.prediction_accuracy WHERE system_id = 's0'",
        {"duplicate_grades": ("failed", 2), "duplicate_rate_change": ("warned", 100)},
    ),
    "duplicate_predictions": (
        "INSERT INTO nba_predictions.player_prop_predictions SELECT * FROM nba_predictions.player_prop_predictions WHERE system_id = 's0'",
        {"duplicate_predictions": ("failed", 2), "predictions_per_game": ("passed", 7)},
    ),
    "volume": (
        "UPDATE nba_predictions.player_prop_predictions SET is_active = FALSE WHERE system_id != 's0'",
        {"predictions_per_game": ("warned", 1), "systems_predicting": ("warned", 1)},
    ),
    "confidence": (
        "UPDATE nba_predictions.prediction_accuracy SET confidence_score = 70 WHERE system_id = 's1'",
        {"confidence_range": ("failed", 2)},
    ),
    "stale": (
        "UPDATE nba_predictions.player_prop_predictions SET created_at = TIMESTAMP '2026-01-10 06:00:00+00' WHERE TRUE",
        {"hours_since_prediction": ("warned", 35)},
    ),
    "dead": (
        "UPDATE nba_predictions.player_prop_predictions SET created_at = TIMESTAMP '2026-01-09 06:00:00+00' WHERE TRUE",
        {"hours_since_prediction": ("failed", 59)},
    ),
    "corrected": (
        "UPDATE nba_box_scores.player_game_summary SET updated_at = TIMESTAMP '2026-01-11 12:00:00+00' WHERE game_id = 'g1'",
        {"outdated_grades": ("warned", 6)},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_check_and_by_no_other(warehouse: Warehouse, fault: str) -> None:
    fill(warehouse)
    statement, differing = FAULTS[fault]
    warehouse.dml(statement)
    assert checked(warehouse) == {**RIGHT, **differing}


def test_a_missing_box_score_leaves_its_predictions_ungraded_and_the_game_is_named(warehouse: Warehouse) -> None:
    fill(warehouse, systems=30)
    for table in ("nba_box_scores.player_game_summary", "nba_predictions.prediction_accuracy"):
        warehouse.dml(f"DELETE FROM {table} WHERE game_id = 'g1'")
    assert checked(warehouse)["ungraded_predictions"] == ("passed", 30)
    strict = load_checks({"ungraded_predictions": {"warn_above": Decimal(20)}})
    [result] = [one for one in check_day(warehouse, strict, DAY, NOON) if one.check.name == "ungraded_predictions"]
    assert result.status == "warned"
    assert result.summary == "30 predictions (warn above 20): game g1 has no box score: 30"
    assert result.command == "make backfill FROM=2026-01-10 TO=2026-01-10 REGRADE=1"


def test_duplicates_of_last_week_do_not_warn_this_week(warehouse: Warehouse) -> None:
    fill(warehouse)
    fill(warehouse, day=DAY - timedelta(days=8))
    duplicate = (
        "INSERT INTO nba_predictions.prediction_accuracy SELECT * FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '2026-01-02'"
    )
    warehouse.dml(duplicate)
    assert checked(warehouse)["duplicate_rate_change"] == ("passed", 0)
    assert checked(warehouse)["duplicate_grades"] == ("passed", 0)


def test_a_staging_table_of_a_week_ago_is_orphaned_and_a_new_one_is_not(warehouse: Warehouse) -> None:
    fill(warehouse)
    warehouse.query("CREATE TABLE nba_predictions._staging_batch_b1_w1 (system_id STRING)")
    assert checked(warehouse, as_of=datetime.now(tz=UTC))["orphaned_staging_tables"] == ("passed", 0)
    in_eight_days = datetime.now(tz=UTC) + timedelta(days=8)
    assert checked(warehouse, as_of=in_eight_days)["orphaned_staging_tables"] == ("warned", 1)


def test_a_day_without_games_is_its_own_result_and_no_warning(warehouse: Warehouse) -> None:
    found = checked(warehouse)
    needing = {
        "predictions_per_game",
        "ungraded_predictions",
        "hours_since_prediction",
        "systems_predicting",
        "void_share_change",
        "incomplete_games",
    }
    assert {name for name, (status, _) in found.items() if status == "no_games"} == needing
    assert {status for name, (status, _) in found.items() if name not in needing} == {"passed"}


def test_a_check_that_raises_is_broken_and_the_others_run(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "11_wrong.sql").write_text(HEADER + "SELECT no_such_column AS value FROM nba_predictions.incidents;\n")
    (tmp_path / "12_many.sql").write_text(HEADER + "SELECT 1 AS value UNION ALL SELECT 2;\n")
    (tmp_path / "13_right.sql").write_text(HEADER + "SELECT 0 AS value;\n")
    broken, many, right = check_day(warehouse, load_checks({}, tmp_path), DAY, NOON)
    assert (broken.status, many.status, right.status) == ("broken", "broken", "passed")
    assert "no_such_column" in str(broken.detail)
    assert "measures: rows" in str(many.detail)


def test_a_check_that_a_user_adds_may_select_the_offending_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    fill(warehouse)
    (tmp_path / "11_no_team.sql").write_text(
        "-- title: Box scores without an opponent.\n-- unit: box scores\n-- measures: rows\n-- warn_above: 1\n-- next_step: Ask the feed's owner.\n"
        "-- Params: day DATE\nSELECT player_lookup, game_id\nFROM nba_box_scores.player_game_summary\n"
        "WHERE game_date = @day AND opponent_team_abbr IS NULL;\n"
    )
    [result] = check_day(warehouse, load_checks({}, tmp_path), DAY, NOON)
    assert (result.status, result.value) == ("warned", 4)
    assert '"player_lookup":"p0"' in str(result.detail)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("my_check.sql", "-- title: T.\n-- unit: x\n-- next_step: y\n-- warn_above: 1\nSELECT 1 AS value", "two digits"),
        ("11_a.sql", "-- title: T.\n-- unit: x\n-- next_step: y\nSELECT 1 AS value", "there is no threshold; give one of warn_below"),
        (
            "11_a.sql",
            "-- title: T.\n-- unit: x\n-- next_step: y\n-- warn_over: 1\nSELECT 1 AS value",
            "warn_over: Extra inputs are not permitted. The keys of a header are title, unit, warn_below",
        ),
        ("11_a.sql", "-- title: T.\n-- next_step: y\n-- warn_above: 1\nSELECT 1 AS value", "unit: Field required"),
        (
            "11_a.sql",
            "-- title: T.\n-- unit: x\n-- next_step: y\n-- warn_above: many\nSELECT 1 AS value",
            "warn_above: Input should be a valid decimal",
        ),
        (
            "11_a.sql",
            "-- title: T.\n-- unit: x\n-- next_step: y\n-- warn_above: 1\n-- needs_games: maybe\nSELECT 1 AS value",
            "needs_games: Input should be a valid boolean",
        ),
        (
            "11_a.sql",
            "-- title: T.\n-- unit: x\n-- next_step: y\n-- warn_above: 1\n-- measures: columns\nSELECT 1 AS value",
            "measures: Input should be .value. or .rows.",
        ),
        (
            "11_a.sql",
            "-- title: T.\n-- unit: x\n-- next_step: y\n-- warn_above: 1\n-- name: b\nSELECT 1 AS value",
            "name: Extra inputs are not permitted",
        ),
        ("11_a.sql", "-- unit: x\n-- next_step: y\n-- warn_above: 1\nSELECT 1 AS value", "title: Field required"),
        ("11_a.sql", "-- title: this: that\nSELECT 1 AS value", "not YAML, where a text with a colon needs quotes"),
        ("11_a.sql", "SELECT 1 AS value", "header: Input should be a valid dictionary"),
    ],
)
def test_an_invalid_header_is_refused_by_file_and_key(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(QualityCheckError, match=sentence) as raised:
        load_checks({}, tmp_path)
    assert name in str(raised.value)


def test_two_files_of_one_name_and_thresholds_of_no_check_are_refused(tmp_path: Path) -> None:
    text = HEADER + "SELECT 1 AS value"
    for number in (11, 12):
        (tmp_path / f"{number}_a.sql").write_text(text)
    with pytest.raises(QualityCheckError, match="a is the name of more than one file"):
        load_checks({}, tmp_path)
    with pytest.raises(QualityCheckError, match="names no check nothing"):
        load_checks({"nothing": {"warn_above": Decimal(1)}})


def test_thresholds_are_a_setting() -> None:
    thresholds = read_settings({"GRADING_QUALITY_THRESHOLDS": '{"predictions_per_game": {"warn_above": 1000}}'}).grading_quality_thresholds
    [check] = [one for one in load_checks(thresholds) if one.name == "predictions_per_game"]
    assert (check.judge(Decimal(1000)), check.judge(Decimal(1001)), check.judge(None)) == ("passed", "warned", "passed")
    assert check.limits["warn_below"] == 40, "the setting overrides only the thresholds that it names"


def test_every_check_names_a_heading_of_the_runbook_and_every_file_is_one(repository: Path) -> None:
    headings = {line.removeprefix("## ") for line in (repository / "docs" / "runbook.md").read_text().splitlines() if line.startswith("## ")}
    checks = load_checks({})
    assert {check.runbook for check in checks} <= headings
    assert len(checks) == len(list((SQL_DIR / "quality").glob("*.sql"))) >= 10


def test_results_recorded_twice_are_stored_once(warehouse: Warehouse) -> None:
    fill(warehouse)
    results = list(check_day(warehouse, load_checks(THRESHOLDS), DAY, NOON))
    for _ in range(2):
        record_results(warehouse, "run1", DAY, NOON, results)
    rows = warehouse.query("SELECT check_name, status, value, warn_below, detail FROM nba_predictions.data_quality_results ORDER BY check_name")
    assert {row["check_name"]: (row["status"], None if row["value"] is None else float(row["value"])) for row in rows} == RIGHT
    assert len(rows) == len(RIGHT)
    [volume] = [row for row in rows if row["check_name"] == "predictions_per_game"]
    assert (volume["warn_below"], volume["detail"]) == (5, "12 predictions of 6 systems for 2 games; 0 games have none")


@pytest.mark.usefixtures("metadata_database")
def test_one_summary_names_each_finding_with_its_next_step_and_its_resolution_closes_the_thread(
    warehouse: Warehouse, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    settings_environment.setenv("GRADING_QUALITY_THRESHOLDS", json.dumps({"predictions_per_game": {"warn_below": 5}}))
    fill(warehouse)
    warehouse.dml(FAULTS["duplicate_grades"][0])
    run = run_in_process("check_data_quality", day=str(DAY))
    assert states(run) == {"check": "success", "repair_small_finds": "skipped"}
    [summary] = posted(emulators, before)
    assert "Data quality of 2026-01-10: 1 failed, 1 warned" in summary
    assert "duplicate_grades failed: 2 surplus rows (fail above 0): 2026-01-10: 2" in summary
    assert '"from_date": "2026-01-10", "to_date": "2026-01-10"' in summary
    audit = warehouse.query("SELECT processor, duplicate_count FROM nba_predictions.grading_duplicate_audit")
    assert audit == [{"processor": "data_quality", "duplicate_count": 2}] * 2

    run_in_process("check_data_quality", day=str(DAY))
    assert len(posted(emulators, before)) == 1, "repeats of an hour are one message"

    warehouse.dml("DELETE FROM nba_predictions.prediction_accuracy WHERE TRUE")
    warehouse.dml("DELETE FROM nba_predictions.player_prop_predictions WHERE TRUE")
    warehouse.dml("DELETE FROM nba_box_scores.player_game_summary WHERE TRUE")
    fill(warehouse)
    run_in_process("check_data_quality", day=str(DAY))
    first, reply = messages(emulators, before)
    assert reply["thread_ts"] == first["ts"]
    assert "RESOLVED" in reply["blocks"][0]["text"]["text"]
    assert "Every check of 2026-01-10 has passed" in str(reply["blocks"])


@pytest.mark.usefixtures("metadata_database")
def test_a_bad_day_and_bad_thresholds_fail_with_a_sentence(
    warehouse: Warehouse, settings_environment: pytest.MonkeyPatch, emulators: StackConfig
) -> None:
    before = len(posted(emulators))
    assert states(run_in_process("check_data_quality", day="2126-01-10"))["check"] == "failed"
    settings_environment.setenv("GRADING_QUALITY_THRESHOLDS", json.dumps({"nothing": {"warn_below": 5}}))
    from nba_grading.settings import get_settings

    get_settings.cache_clear()
    assert states(run_in_process("check_data_quality", day=str(DAY)))["check"] == "failed"
    [message] = posted(emulators, before)
    assert "names no check nothing" in message
