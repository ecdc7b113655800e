"""Every statement that a case tries, and every statement without placeholders, before Google's own SQL engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from nba_grading.warehouse.sql import SQL_DIR, identifiers, load_sql
from nba_grading.warehouse.tables import GUARDED, PREDICTION_ACCURACY, REPAIRABLE, Table
from tests.googlesql.engine import GoogleSql, RefusedError
from tests.sql.test_sql_cases import CASES, comparable_rows, every_query, folder_of, name_of, params_of, query_of, render, statement_of

_PARAM = re.compile(r"\b(\w+) ((?:ARRAY<)?(?:DATE|STRING|TIMESTAMP|INT64|NUMERIC|FLOAT64|BOOL)>?)(?!\w)")
# Rendered below with the parts of each table that they are for, and analyzed.
RENDERED: dict[str, tuple[Table, ...]] = {
    **dict.fromkeys(("proofs/append_table", "proofs/copy_table", "proofs/empty_table", "proofs/drop_table"), tuple(GUARDED.values())),
    **dict.fromkeys(("proofs/select_rows_of_date", "schema_change/select_columns", "schema_change/require_filter"), tuple(GUARDED.values())),
    **dict.fromkeys(("guarded_write/create_fences", "guarded_write/seed_fences", "schema_change/add_column"), tuple(GUARDED.values())),
    "schema_change/make_stale": tuple(GUARDED.values()),
    **dict.fromkeys(("repair/create_backup", "repair/keep_earliest_rows", "repair/resolve_repaired_dates"), tuple(REPAIRABLE.values())),
    **dict.fromkeys(("repair/rows_of_backup", "validation/insert_duplicate_audit"), tuple(REPAIRABLE.values())),
    **dict.fromkeys(("preview/compare_grades", "preview/summarize_systems", "explain/select_expected"), (PREDICTION_ACCURACY,)),
    **dict.fromkeys(("quality/results/count_rows", "proofs/count_lost_keys_of_backup"), (PREDICTION_ACCURACY,)),
    **dict.fromkeys(("proofs/delete_date", "proofs/delete_every_second_prediction", "proofs/insert_duplicate_grades"), (PREDICTION_ACCURACY,)),
    **dict.fromkeys(("proofs/insert_duplicate_predictions", "proofs/insert_synthetic_box_scores"), (PREDICTION_ACCURACY,)),
    **dict.fromkeys(("proofs/insert_synthetic_grades", "proofs/insert_synthetic_predictions"), (PREDICTION_ACCURACY,)),
}
# The parameters of the statements that are put in: the grading's, and a check's.
PARAMS_OF_PARTS = {"game_dates": "ARRAY<DATE>", "complete_minutes": "INT64", "grading_run_id": "STRING", "day": "DATE", "week_start": "DATE"}
EXECUTED = {
    "test_guarded_write.py": ("guarded_write/audit_staging", "guarded_write/publish_staging", "guarded_write/stage_rows"),
    "test_aggregates.py": ("aggregates/settle_bets", "aggregates/aggregate_market"),
}
# The emulator alone runs these.
NOT_JUDGED = {
    "schema_change/rename_figure": "The table has the new name already here: tests/emulator/test_schema.py runs it on an old one.",
    **dict.fromkeys(("schema_change/list_uncopied_fences", "schema_change/copy_fences"), "They read the fences of an older version."),
    **dict.fromkeys(("staging/count_bytes", "staging/count_unmerged_rows", "staging/find_staged_dates"), "Joined from tables of several kinds."),
    **dict.fromkeys(("proofs/create_batch_staging", "proofs/create_orphaned_staging"), "For the proofs alone."),
    **dict.fromkeys(("commands/export_table", "commands/replace_loaded_dates"), "For a laptop alone: production does not load or export."),
}


def parts_of(table: Table) -> dict[str, str]:
    """What the placeholders of the rendered statements are replaced by."""
    return {
        "backup": f"nba_predictions._backup_{table.name}_20260110120000",
        "check": load_sql("quality/05_confidence_range").rstrip().removesuffix(";"),
        "columns": identifiers(table.columns),
        "copy": f"nba_predictions._bench_{table.name}",
        "date_column": table.date_column,
        "definition": "seen INT64 OPTIONS (description = 'a column')",
        "fences": table.fences,
        "game_date": "DATE '2026-01-10'",
        "grades": load_sql("grading/grade_predictions").rstrip().removesuffix(";"),
        "key": identifiers(table.key),
        "line_column": table.line_column or "line_value",
        "staging": f"nba_predictions._staging_{table.name}_20260110_example",
        "stored_token": "MAX(fencing_token)" if table.has_token else "MAX(0)",
        "table": table.full_name,
        "target": table.full_name,
        "tie_column": table.tie_column or table.value_time,
        "time_column": table.time_column or table.value_time,
        "value_time": table.value_time,
        "where": "WHERE TRUE",
    }


def plain_statements() -> list[str]:
    """The files of include/sql that are sent as they are."""
    texts = {str(path.relative_to(SQL_DIR).with_suffix("")): path.read_text(encoding="utf-8") for path in sorted(SQL_DIR.rglob("*.sql"))}
    return [name for name, text in texts.items() if not re.search(r"\{\w+\}", text) and not name.endswith("_fragment") and name not in NOT_JUDGED]


def param_types(name: str) -> dict[str, str]:
    """The types of a statement's parameters, from the header of its file."""
    folder, file = folder_of(name)
    lines = (folder.path / f"{file}.sql").read_text(encoding="utf-8").splitlines()
    header = " ".join(line.removeprefix("--").strip() for line in lines if line.startswith("--"))
    return dict(_PARAM.findall(header.partition("Params:")[2]))


@pytest.mark.parametrize("name", plain_statements())
def test_google_accepts_the_statement(name: str, googlesql: GoogleSql) -> None:
    googlesql.analyze(load_sql(name), param_types(name))


@pytest.mark.parametrize(
    ("name", "table"), [(name, table) for name, tables in RENDERED.items() for table in tables], ids=lambda each: getattr(each, "name", each)
)
def test_google_accepts_the_rendered_statement(name: str, table: Table, googlesql: GoogleSql) -> None:
    googlesql.analyze(statement_of(name).format(**parts_of(table)), PARAMS_OF_PARTS | param_types(name))


def test_every_statement_is_judged_or_has_a_reason_not_to_be() -> None:
    executed = {name for names in EXECUTED.values() for name in names}
    judged = [set(map(query_of, CASES)), set(plain_statements()), set(RENDERED), executed, set(NOT_JUDGED)]
    named = set().union(*judged)
    assert {name for name in every_query() - named if not name.endswith("_fragment")} == set()
    assert named - every_query() == set()


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_googles_engine_returns_what_the_case_expects(path: Path, googlesql: GoogleSql) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    found = googlesql.rows(render(path, case), params_of(case), case["tables"])
    columns = list(case["expect"][0]) if case["expect"] else []
    assert comparable_rows(found, columns) == comparable_rows(case["expect"], columns)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT points_line FROM nba_predictions.prediction_accuracy", "Unrecognized name"),
        ("SELECT MAX(game_date) AS game_date FROM nba_predictions.prediction_accuracy HAVING MAX(game_date) > @day", "(?i)aggregat"),
        ("SELECT system_id, COUNT(*) FROM nba_predictions.prediction_accuracy", "neither grouped nor aggregated"),
        ("SELECT line_value + game_id FROM nba_predictions.prediction_accuracy", "No matching signature"),
        ("INSERT INTO nba_predictions.prediction_accuracy (line_value) SELECT CAST(1 AS FLOAT64)", "(?i)cannot be inserted"),
        ("CREATE TABLE nba_predictions.t (a INT64) OPTIONS (descripton = 'a slip')", "(?i)unknown option"),
    ],
)
def test_google_refuses_a_slip(statement: str, words: str, googlesql: GoogleSql) -> None:
    with pytest.raises(RefusedError, match=words):
        googlesql.analyze(statement, {"day": "DATE"})
