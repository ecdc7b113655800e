"""DuckDB itself as a warehouse: the project's statements run on a DuckDB file, without emulator and REST.

The floor of `make bench`. The project's functions run on it unchanged, so it does the same statements in the same order: staging,
audit, and one transaction that replaces the date, here a transaction of DuckDB. sqlglot translates the text, as it does inside the
emulator. Only the time inside DuckDB is counted; translation and the project's Python are not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from nba_grading.warehouse.client import BeforeSubmit, Row, Warehouse
from nba_grading.warehouse.params import Params, TypedParam
from nba_grading.warehouse.sql import SQL_DIR, load_sql, render_sql
from nba_grading.warehouse.tables import GUARDED
from proofs import PROOFS_SQL

# sqlglot warns of syntax that DuckDB lacks: partitions, clusters and descriptions.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

COLUMNS_VIEW = "INFORMATION_SCHEMA.COLUMNS"


@dataclass(frozen=True)
class Done:
    """The attributes of a finished BigQuery job that the project reads."""

    num_dml_affected_rows: int
    rows: list[Row]


class DuckdbWarehouse(Warehouse):
    """A warehouse on a DuckDB file. ``seconds`` and ``cpu_seconds`` count the time inside DuckDB."""

    def __init__(self, path: Path) -> None:
        super().__init__(client=None, maximum_bytes_billed=0)  # type: ignore[arg-type]
        self.connection = duckdb.connect(str(path))
        self.connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    def create_schema(self) -> None:
        """The project's datasets and tables."""
        for path in sorted((SQL_DIR / "schema").glob("*.sql")):
            self.query(load_sql(f"schema/{path.stem}"))
        for table in GUARDED.values():
            self.query(render_sql("guarded_write/create_fences", fences=table.fences))

    def checkpoint(self) -> None:
        """Write the log to the file."""
        self._execute("CHECKPOINT", {})

    def query(self, text: str, params: Params | None = None, job_name: str | None = None, before_submit: BeforeSubmit = lambda _: None) -> list[Row]:
        """See Warehouse. Raises duckdb.Error."""
        del job_name
        before_submit("")
        return self._run_all(text, params or {}).rows

    def dml(self, text: str, params: Params | None = None, job_name: str | None = None, before_submit: BeforeSubmit = lambda _: None) -> int:
        """See Warehouse. Raises duckdb.Error."""
        del job_name
        before_submit("")
        return self._run_all(text, params or {}).num_dml_affected_rows

    def list_tables(self, dataset: str, prefix: str) -> list[str]:
        """See Warehouse. Raises duckdb.Error."""
        text = "SELECT table_name FROM information_schema.tables WHERE table_schema = $dataset AND starts_with(table_name, $prefix) ORDER BY 1"
        return [row["table_name"] for row in self._execute(text, {"dataset": dataset, "prefix": prefix}).rows]

    def read_columns(self, names: Sequence[str]) -> list[dict[str, str]]:
        """See Warehouse. Raises duckdb.Error."""
        text = "SELECT table_schema || '.' || table_name AS name, column_name, data_type FROM information_schema.columns ORDER BY ordinal_position"
        found: dict[str, dict[str, str]] = {name: {} for name in names}
        for row in self._execute(text, {}).rows:
            if row["name"] in found:
                found[row["name"]][row["column_name"]] = row["data_type"]
        return list(found.values())

    def drop_table(self, name: str) -> None:
        """See Warehouse. Raises duckdb.Error."""
        self.query(PROOFS_SQL.render("drop_table", table=name))

    def _run_all(self, text: str, params: Params) -> Done:
        values = {name: given.value if isinstance(given, TypedParam) else given for name, given in params.items()}
        done = Done(0, [])
        try:
            for statement, names in translate(text):
                done = self._execute(statement, {name: values[name] for name in names})
        except duckdb.Error:
            if "BEGIN TRANSACTION" in text:
                self.connection.execute("ROLLBACK")
            raise
        return done

    def _execute(self, statement: str, values: dict[str, Any]) -> Done:
        started, cpu_before = time.perf_counter(), time.process_time()
        cursor = self.connection.execute(statement, values or None)
        names = [column[0] for column in cursor.description or []]
        found = cursor.fetchall()
        self.seconds += time.perf_counter() - started
        self.cpu_seconds += time.process_time() - cpu_before
        rows = [dict(zip(names, row, strict=True)) for row in found]
        return Done(int(rows[0]["Count"]) if names == ["Count"] and rows else 0, rows)


def translate(text: str) -> Iterator[tuple[str, set[str]]]:
    """Each statement of a GoogleSQL text, translated for DuckDB, with the names of its parameters."""

    def filled(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Table) and node.name == COLUMNS_VIEW:
            return exp.to_table("information_schema.columns")
        if isinstance(node, exp.CountIf):  # NULL in DuckDB where every condition is NULL, 0 in BigQuery
            return exp.Count(this=exp.Case().when(node.this, exp.true()))
        return node

    for parsed in sqlglot.parse(text, read="bigquery"):
        if parsed is not None:
            names = {node.name for node in parsed.find_all(exp.Parameter)}
            yield parsed.transform(filled).sql("duckdb", comments=False), names
