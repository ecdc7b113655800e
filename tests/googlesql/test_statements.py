"""Every statement that a case tries, and every statement without placeholders, before Google's own SQL engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from nba_grading.warehouse.sql import SQL_DIR, load_sql
from tests.googlesql.engine import GoogleSql, RefusedError
from tests.sql.test_sql_cases import CASES, comparable_rows, name_of, params_of, render

# It renames a column of a table that has the new name already here; tests/emulator/test_schema.py runs it on an old one.
RENAMES = "schema_change/rename_figure"
_PARAM = re.compile(r"\b(\w+) ((?:ARRAY<)?(?:DATE|STRING|TIMESTAMP|INT64|NUMERIC|FLOAT64|BOOL)>?)(?!\w)")


def plain_statements() -> list[str]:
    """The files of include/sql that are sent as they are."""
    texts = {str(path.relative_to(SQL_DIR).with_suffix("")): path.read_text(encoding="utf-8") for path in sorted(SQL_DIR.rglob("*.sql"))}
    return [name for name, text in texts.items() if not re.search(r"\{\w+\}", text) and not name.endswith("_fragment") and name != RENAMES]


def param_types(name: str) -> dict[str, str]:
    """The types of a statement's parameters, from the header of its file."""
    lines = (SQL_DIR / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    header = " ".join(line.removeprefix("--").strip() for line in lines if line.startswith("--"))
    return dict(_PARAM.findall(header.partition("Params:")[2]))


@pytest.mark.parametrize("name", plain_statements())
def test_google_accepts_the_statement(name: str, googlesql: GoogleSql) -> None:
    googlesql.analyze(load_sql(name), param_types(name))


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
