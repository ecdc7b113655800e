"""No alias of an aggregate hides a name that HAVING or GROUP BY means: BigQuery takes the alias there, and refuses the statement.

The emulator takes the column or the table instead, so nothing else here sees it. Found by Google's own analyzer in three statements.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from tests.unit.test_partition_filters import ROOT, filled

FILES = sorted(path for folder in ("include/sql", "commands/sql") for path in (ROOT / folder).rglob("*.sql") if path.parent.name != "schema")


def hidden(text: str) -> Iterator[str]:
    """The aliases of aggregates that HAVING aggregates again, or that GROUP BY uses as the name of a table."""
    for statement in filter(None, sqlglot.parse(text, read="bigquery")):
        for select in statement.find_all(exp.Select):
            aliases = {each.alias for each in select.expressions if isinstance(each, exp.Alias) and each.this.find(exp.AggFunc)}
            having, group = select.args.get("having"), select.args.get("group")
            for aggregate in having.find_all(exp.AggFunc) if having else ():
                yield from (column.name for column in aggregate.find_all(exp.Column) if not column.table and column.name in aliases)
            yield from (column.table for column in group.find_all(exp.Column) if column.table in aliases) if group else ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_alias_of_an_aggregate_hides_what_is_meant(path: Path) -> None:
    assert list(hidden(filled(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT a, MAX(v) AS v FROM t GROUP BY a HAVING MAX(v) > 0", ["v"]),
        ("SELECT a, MAX(v) AS v FROM t GROUP BY a HAVING v > 0", []),
        ("SELECT a, MAX(t.v) AS v FROM t GROUP BY a HAVING MAX(t.v) > 0", []),
        ("SELECT k.a, COUNT(*) AS k FROM k GROUP BY k.a", ["k"]),
        ("SELECT k.a, COUNT(*) AS n FROM k GROUP BY k.a", []),
    ],
)
def test_what_hides_a_name(text: str, names: list[str]) -> None:
    assert list(hidden(text)) == names
