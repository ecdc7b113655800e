"""Every statement filters the partitions of what it reads by constants or parameters, as ``require_partition_filter`` demands of it.

BigQuery checks it; the emulator does not. So the SQL files are parsed here, with the identifiers that the linter fills in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from commands.schema import PARTITION
from nba_grading.warehouse.sql import SQL_DIR, load_sql

ROOT = SQL_DIR.parents[1]
PARTITION_COLUMNS = {
    found[1]: found[2] for path in (SQL_DIR / "schema").glob("*.sql") if (found := PARTITION.search(load_sql(f"schema/{path.stem}")))
}
READABLE = {**PARTITION_COLUMNS, "nba_predictions.gradable_predictions": "game_date"}
COMPARISONS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)
# Schema statements read nothing. The others get their filter from a text that is put in, and have a file of their own for it.
NOT_READING = {"consolidation/describe_staging", "consolidation/count_merge", "consolidation/merge_batch", "guarded_write/stage_rows"}
FILES = sorted(
    path
    for folder in ("include/sql", "commands/sql")
    for path in (ROOT / folder).rglob("*.sql")
    if path.parent.name not in ("schema", "schema_change") and f"{path.parent.name}/{path.stem}" not in NOT_READING
)


def filled(text: str) -> str:
    """The file as the linter fills it in."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return text.format(**settings["tool"]["sqlfluff"]["templater"]["python"]["context"])


def unfiltered(text: str) -> Iterator[str]:
    """The partitioned tables that a statement reads or changes without a filter of their partitions."""
    for statement in filter(None, sqlglot.parse(text, read="bigquery")):
        for table in statement.find_all(exp.Table):
            column = READABLE.get(f"{table.db}.{table.name}")
            scope = table.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Merge)
            if column and scope is not None and not isinstance(table.parent, (exp.Insert, exp.Schema)) and not is_filtered(scope, column):
                yield table.name


def is_filtered(scope: exp.Expression, column: str) -> bool:
    conditions = [scope.args.get("where"), scope.args.get("on") if isinstance(scope, exp.Merge) else None]
    conditions += [join.args.get("on") for join in scope.args.get("joins") or ()]
    found = (comparison for condition in conditions if condition is not None for comparison in condition.find_all(*COMPARISONS))
    return any(isinstance(each.this, exp.Column) and each.this.name == column and is_constant(each) for each in found)


def is_constant(comparison: exp.Expression) -> bool:
    """Whether a column is compared with a constant or a parameter, not with another column or a query."""
    others = [value for name, value in comparison.args.items() if name != "this"]
    nodes = [node for value in others for node in (value if isinstance(value, list) else [value]) if isinstance(node, exp.Expression)]
    return bool(nodes) and not any(node.find(exp.Column, exp.Select) for node in nodes if not node.find(exp.Parameter))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_statement_filters_the_partitions_of_every_table_that_it_reads(path: Path) -> None:
    assert list(unfiltered(filled(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("path", [*ROOT.glob("docs/*.md"), ROOT / "README.md"], ids=lambda path: path.stem)
def test_a_query_that_people_are_given_filters_partitions_as_well(path: Path) -> None:
    queries = re.findall(r"`(SELECT\s[^`]+)`", path.read_text(encoding="utf-8"))
    assert [(query, tables) for query in queries if (tables := list(unfiltered(query)))] == []


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("SELECT * FROM nba_predictions.prediction_accuracy", ["prediction_accuracy"]),
        ("SELECT * FROM nba_predictions.prediction_accuracy WHERE game_date = @game_date", []),
        ("SELECT * FROM nba_predictions.prediction_accuracy WHERE game_date IN UNNEST(@game_dates)", []),
        ("SELECT * FROM nba_predictions.prediction_accuracy WHERE game_date IN (SELECT game_date FROM other)", ["prediction_accuracy"]),
        ("SELECT * FROM nba_predictions.grading_runs WHERE game_date = @game_date", ["grading_runs"]),
        ("DELETE FROM nba_predictions.grading_runs WHERE run_id = 'a'", ["grading_runs"]),
    ],
)
def test_what_counts_as_a_filter(text: str, tables: list[str]) -> None:
    assert list(unfiltered(text)) == tables


def test_every_partitioned_table_demands_a_filter() -> None:
    texts = [load_sql(f"schema/{path.stem}") for path in (SQL_DIR / "schema").glob("*.sql")]
    assert sum("\nPARTITION BY" in text for text in texts) == len(PARTITION_COLUMNS) > 5
    assert all("require_partition_filter = TRUE" in text for text in texts if "\nPARTITION BY" in text)
