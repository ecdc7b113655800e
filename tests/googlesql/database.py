"""A warehouse on Google's engine: enough of one to run the guarded write whole, its transaction included.

The reference implementation executes each SELECT and says which rows an INSERT, UPDATE or DELETE changes; the tables are kept here. A
script is run statement by statement, and an error in it puts every table back, as BigQuery rolls a transaction back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import count
from typing import Any

from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service

from tests.googlesql.engine import GoogleSql, Row

# The key that the engine names a changed row by. A column of a table must be named by the statement, a pseudo column need not.
ROW_NUMBER = "_row_number"
_COMMENT = re.compile(r"--[^\n]*")
# No string of the statements ends a line with a semicolon.
_END = re.compile(r";\s*(?:\n|$)")
_CREATE = re.compile(r"CREATE TABLE ([\w.]+)\s+(?:OPTIONS \(.*?\n\)\s*)?AS\s+(.*)", re.DOTALL)


class GoogleWarehouse:
    """Has the calls of ``Warehouse`` that a guarded write makes. ``interrupt`` is called before each statement, with its text."""

    def __init__(self, engine: GoogleSql) -> None:
        self._engine = engine
        self._known = dict(engine.tables)
        self._numbers = count(1)
        self._changed = 0
        self._rows: dict[str, dict[int, Row]] = {name: {} for name in engine.tables}
        self.before_attempt: Callable[[], None] = lambda: None
        self.interrupt: Callable[[str], None] = lambda text: None

    def close(self) -> None:
        """Forget the tables that were made."""
        self._engine.tables.clear()
        self._engine.tables.update(self._known)

    def fill(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows to a table."""
        self._rows[table].update({next(self._numbers): row for row in rows})

    def rows(self, table: str) -> list[Row]:
        """All rows of a table."""
        return list(self._rows[table].values())

    def tables(self) -> set[str]:
        """The names of all tables."""
        return set(self._rows)

    def query(self, text: str, params: Mapping[str, Any] | None = None, **_: Any) -> list[dict[str, Any]]:
        """Run a statement or a script; the rows of its last SELECT."""
        self.before_attempt()
        before = {name: dict(rows) for name, rows in self._rows.items()}
        found: list[dict[str, Any]] = []
        try:
            for statement in (each.strip() for each in _END.split(_COMMENT.sub("", text))):
                if statement and not re.fullmatch(r"(BEGIN|COMMIT) TRANSACTION", statement):
                    self.interrupt(statement)
                    found = self._run(statement, self._used(statement, params or {}))
        except BaseException:
            self._rows = before
            raise
        return found

    def dml(self, text: str, params: Mapping[str, Any] | None = None, **_: Any) -> int:
        """Run a statement that changes rows; how many it has changed."""
        self.query(text, params)
        return self._changed

    def drop_table(self, name: str) -> None:
        """Drop a table if it is there."""
        self._rows.pop(name, None)
        self._engine.tables.pop(name, None)

    def cancel(self, job_id: str) -> None:
        """No job runs when another is asked for."""

    def cancel_running(self) -> None:
        """No job runs when another is asked for."""

    def _used(self, statement: str, params: Mapping[str, Any]) -> dict[str, Any]:
        names = set(re.findall(r"@(\w+)", statement))
        return {name: value for name, value in params.items() if name in names}

    def _run(self, statement: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        contents = {name: list(rows.values()) for name, rows in self._rows.items()}
        if made := _CREATE.fullmatch(statement):
            rows = self._engine.rows(made[2], params, contents)
            self._engine.tables[made[1]] = self._engine.columns_of_last
            self._rows[made[1]] = {next(self._numbers): row for row in rows}
            return []
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            self._modify(statement, params)
            return []
        return self._engine.rows(statement, params, contents)

    def _modify(self, statement: str, params: Mapping[str, Any]) -> None:
        numbered = {name: [{**row, ROW_NUMBER: number} for number, row in rows.items()] for name, rows in self._rows.items()}
        # An INSERT that does not name a key of its table stops the engine, so there its table has none.
        key = None if statement.startswith("INSERT") else ROW_NUMBER
        table, changes = self._engine.changes(statement, params, numbered, key)
        rows, self._changed = self._rows[table], len(changes)
        for operation, number, row in changes:
            if operation == service.EvaluateModifyResponse.Row.DELETE:
                del rows[number]
            else:
                rows[number or next(self._numbers)] = {name: value for name, value in row.items() if name != ROW_NUMBER}


def dates_of(rows: Sequence[Row]) -> dict[date, set[str]]:
    """Date → the runs that its rows come from."""
    found: dict[date, set[str]] = {}
    for row in rows:
        found.setdefault(row["game_date"], set()).add(row["grading_run_id"])
    return found
