from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nba_grading.warehouse.sql import render_sql
from proofs import bench
from proofs.bench import figures_table, main, remarks, report_of
from proofs.bench_figures import BenchFigures, Copy, Measurement, RowByRow, Sample, targets
from proofs.bench_plot import draw
from proofs.duckdb_floor import DuckdbWarehouse, translate
from proofs.row_by_row import grade_rows
from proofs.season import Measured, OneDate, SeasonFigures
from tests.reference_grader import grade

ROWS = 263_274


def samples(*clock_s: float) -> list[Sample]:
    return [Sample(seconds, seconds / 2) for seconds in clock_s]


GRADE = Measurement("grade", ROWS, 0, samples(2.0, 1.9, 9.0), samples(1.0, 0.9, 1.1), ROWS, 0)
FIGURES = BenchFigures(
    measurements=[
        dataclasses.replace(GRADE, rows=5_000, ours_samples=samples(0.5), floor_samples=samples(0.02)),
        GRADE,
        dataclasses.replace(GRADE, held=3_000_000, ours_samples=samples(4.0)),
        dataclasses.replace(GRADE, operation="regrade", ours_samples=samples(2.1)),
        dataclasses.replace(GRADE, operation="regrade", held=3_000_000, ours_samples=samples(4.1)),
        dataclasses.replace(GRADE, operation="dedup", rows=497_304, ours_samples=samples(2.5)),
        dataclasses.replace(GRADE, operation="consolidate", ours_samples=samples(3.0)),
        dataclasses.replace(GRADE, operation="season", rows=3_000_000, ours_samples=samples(1.2)),
    ],
    copies=[Copy(0, ROWS, 0.2, 0.1), Copy(3_000_000, 3_000_000 + ROWS, 2.5, 2.0)],
    row_by_row=[RowByRow(50_000, {"fetch": 5.0}, 0.5, 0), RowByRow(ROWS, {"fetch": 30.0, "grade": 6.0, "load": 14.0}, 2.0, 0)],
    few_rows_consolidate_s=2.9,
    statement_s=0.03,
    memory_mib={"ours": 120.0, "the emulator": 900.0},
)


def changed(operation: str, held: int = 0, **fields: Any) -> BenchFigures:
    """The figures with another measurement of the largest date."""
    measurements = [
        dataclasses.replace(each, **fields) if (each.operation, each.held) == (operation, held) and each.rows >= ROWS else each
        for each in FIGURES.measurements
    ]
    return dataclasses.replace(FIGURES, measurements=measurements)


def test_a_ratio_is_the_median_of_ours_by_the_median_of_duckdb() -> None:
    assert (GRADE.ours, GRADE.floor, GRADE.ratio) == (2.0, 1.0, 2.0)
    assert GRADE.cpu_ratio == 2.0


def test_the_last_line_has_the_ratios_of_the_most_rows() -> None:
    assert FIGURES.line() == "bench: grade=2.00x regrade_in_3m=4.10x dedup=2.50x consolidate=3.00x season=1.20x row_by_row=25.00x"


def test_figures_within_their_bounds_meet_every_target() -> None:
    assert [str(target) for target in targets(FIGURES) if not target.met] == []
    assert len(targets(FIGURES)) == 7


SEASON = SeasonFigures(530, [Measured(10, 3.0, 5.0, 2.0, 0.1), Measured(92, 20.0, 8.0, 10.0, 0.5)], OneDate(6.0, 4.0, 1.0, 9, 4.0, 3.0))
SLOW_SEASON = SeasonFigures(530, [Measured(92, 80.0, 11.0, 10.0, 0.5)], OneDate(6.4, 4.0, 1.0, 9, 4.0, 3.0))


@pytest.mark.parametrize(
    ("figures", "promise", "expected"),
    [
        (changed("grade", ours_samples=samples(3.5)), "grade of 263,274 rows", "3.50x, 0.50x too many"),
        (changed("dedup", ours_samples=samples(3.1)), "dedup of 497,304 rows", "3.10x, 0.10x too many"),
        (changed("consolidate", ours_samples=samples(9.0)), "consolidate of 263,274 rows", "9.00x, 6.00x too many"),
        (changed("grade", 3_000_000, ours_samples=samples(4.4)), "grade costs no more", "+2.40 s, the copy +2.30 s, 0.10 s too many"),
        (changed("regrade", 3_000_000, ours_samples=samples(4.5)), "regrade costs no more", "+2.40 s, the copy +2.30 s, 0.10 s too many"),
        (dataclasses.replace(FIGURES, row_by_row=[RowByRow(ROWS, {"fetch": 39.0}, 2.0, 0)]), "≥ 20x faster", "19.5x, 0.5x too few"),
        (changed("season", different_rows=2), "every row equal", "2 differ"),
    ],
)
def test_a_figure_beyond_its_bound_misses_its_target_and_says_by_how_much(figures: BenchFigures, promise: str, expected: str) -> None:
    [missed] = [target for target in targets(figures) if not target.met]
    assert missed.promise.startswith(promise)
    assert missed.figure == expected


@pytest.mark.parametrize(
    ("figures", "season", "options", "code"),
    [
        (FIGURES, SEASON, [], 0),
        (changed("grade", ours_samples=samples(3.5)), SEASON, [], 1),
        (FIGURES, SLOW_SEASON, [], 1),
        (FIGURES, SLOW_SEASON, ["--no-check"], 0),
        (changed("grade", ours_samples=samples(3.5)), SEASON, ["--no-check"], 0),
        (changed("grade", ours_samples=samples(3.5)), SLOW_SEASON, ["--quick"], 0),
        (changed("season", different_rows=2), SEASON, ["--no-check"], 1),
    ],
)
def test_a_missed_target_fails_the_command_unless_it_is_not_checked_and_different_rows_always_do(
    figures: BenchFigures, season: SeasonFigures, options: list[str], code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "measure", lambda *_arguments: figures)
    monkeypatch.setattr(bench, "measure_season", lambda *_arguments: season)
    monkeypatch.setattr(bench, "preload", lambda: None)
    assert main([*options, "--out", str(tmp_path / "bench.json")]) == code


def test_a_season_names_what_is_too_slow_and_where_the_seconds_of_one_date_go() -> None:
    assert [target.met for target in SEASON.targets()] == [True, True, True]
    assert [(target.promise[:10], target.figure) for target in SLOW_SEASON.targets() if not target.met] == [
        ("92 dates g", "91.0 s"),
        ("aggregates", "11.0 s"),
        ("one date i", "1.28x"),
    ]
    assert SEASON.line() == ("season_backfill: dates=92 seconds=20.0 aggregates=8.0 seconds_a_date=0.30 empty_dag=2.00x duckdb=40x one_date=1.20x")
    assert SEASON.one_date is not None
    assert sum(ours for _, ours, _ in SEASON.one_date.parts) == SEASON.one_date.ours_s


def test_small_dates_have_no_promised_ratio() -> None:
    small = [dataclasses.replace(each, rows=600) for each in FIGURES.measurements]
    assert len(targets(dataclasses.replace(FIGURES, measurements=small))) == 4


def test_the_report_holds_every_sample_and_the_table_every_measurement() -> None:
    report = report_of(FIGURES, SEASON, targets(FIGURES), (0.5, 0.4, 0.3))
    assert report["measurements"][1]["ours_samples"][2] == {"clock_s": 9.0, "cpu_s": 4.5}
    assert report["measurements"][1]["ratio"] == 2.0
    assert report["line"] == FIGURES.line()
    assert report["season_backfill"]["backfills"][1]["graded_s"] == 20.0
    assert figures_table(FIGURES).row_count == len(FIGURES.measurements)
    assert remarks(FIGURES)[1] == "row by row: 50.0 s for 263,274 rows (fetch 30.0 s, grade 6.0 s, load 14.0 s); ours 2.00 s, 25.0x faster"


def test_the_same_figures_give_the_same_plot(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        draw(FIGURES, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "times DuckDB itself" in (tmp_path / "one.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [(["--repeats", "0"], 2, "greater than or equal to 1"), (["--plot", "plot.pdf"], 1, "must end in .svg or .png")],
)
def test_arguments_that_cannot_work_are_refused_with_a_sentence(
    arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert sentence in capsys.readouterr().err


def test_every_statement_of_the_publish_is_translated() -> None:
    claim = render_sql(
        "guarded_write/claim_fragment",
        game_date="DATE '2026-01-10'", fencing_token="5", seen_token="-1", published_rows="3", published_keys="3", source_version="1",
        holder_id="'h'",
    )  # fmt: skip
    text = render_sql(
        "guarded_write/publish_staging",
        claims=claim, game_dates="DATE '2026-01-10'", write_id="'w'", grading_run_id="'r'", fences="f", staging="s", target="t",
        date_column="game_date", columns="a", token_column="",
    )  # fmt: skip
    statements = list(translate(text))
    assert [statement.split()[0] for statement, _ in statements] == ["BEGIN", "UPDATE", "DELETE", "INSERT", "COMMIT", "SELECT"]
    assert not any(names for _, names in statements), "a script takes no parameters"


def test_the_floor_counts_its_seconds_and_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    warehouse = DuckdbWarehouse(tmp_path / "floor.duckdb")
    warehouse.query("CREATE TABLE t AS SELECT 1 AS a")
    assert warehouse.dml("INSERT INTO t SELECT @a AS a", {"a": 2}) == 1
    assert warehouse.seconds > 0
    with pytest.raises(Exception, match="refused"):
        warehouse.query("BEGIN TRANSACTION; DELETE FROM t WHERE TRUE; SELECT ERROR('refused'); COMMIT TRANSACTION;")
    assert warehouse.query("SELECT COUNT(*) AS n, COUNTIF(a > 5) AS none FROM t") == [{"n": 2, "none": 0}]


def test_the_row_by_row_way_grades_as_the_rules_say() -> None:
    day, noon = date(2026, 1, 10), datetime(2026, 1, 10, 12, tzinfo=UTC)
    base: dict[str, Any] = {
        "prediction_id": "p1", "system_id": "s", "player_lookup": "a", "game_id": "g", "game_date": day, "predicted_points": Decimal("20"),
        "confidence_score": Decimal("70"), "recommendation": "OVER", "current_points_line": Decimal("25.5"), "line_source": None,
        "sportsbook": None, "is_active": None, "invalidation_reason": None, "injury_status_at_prediction": "out", "model_version": "v1",
        "created_at": noon, "updated_at": None,
    }  # fmt: skip
    predictions = [
        base,
        {**base, "prediction_id": "p2", "predicted_points": Decimal("21")},
        {**base, "current_points_line": None, "recommendation": "PASS"},
        {**base, "current_points_line": Decimal("26"), "recommendation": "UNDER", "confidence_score": Decimal("0.95")},
        {**base, "player_lookup": "b", "confidence_score": Decimal("101")},
        {**base, "player_lookup": "c", "injury_status_at_prediction": None},
        {**base, "game_id": "not played"},
        {**base, "system_id": "x", "is_active": False},
        {**base, "system_id": "y", "invalidation_reason": "postponed"},
    ]
    box = {"player_lookup": "a", "game_id": "g", "game_date": day, "team_abbr": "T", "opponent_team_abbr": "U", "points": 26, "is_dnp": False}
    box_scores: list[dict[str, Any]] = [
        {**box, "minutes_played": Decimal("30"), "updated_at": None},
        {**box, "player_lookup": "b", "points": 0, "minutes_played": None, "updated_at": None},
    ]
    found = grade_rows(predictions, box_scores, noon)
    expected = grade(predictions, box_scores, day, bound=0).rows
    assert [{name: row[name] for name in expected[0]} for row in found] == expected
