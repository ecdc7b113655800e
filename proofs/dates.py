"""Dates in a SQLite file: a model of the tables in BigQuery that can be written ten thousand times in a stress run.

A date is a few rows, a fence and a counter. The fenced write is the project's recipe in SQLite: one transaction checks and moves the
fence, replaces the rows, and checks them. The old recipe is DELETE and INSERT as two transactions. The counter is read before the write and
stored with the rows, so two writers that overlap lose an update.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROWS = 5
BUSY_SECONDS = 60
SCHEMA = """
CREATE TABLE IF NOT EXISTS fences (key TEXT PRIMARY KEY, token INTEGER, counter INTEGER);
CREATE TABLE IF NOT EXISTS rows (key TEXT, player INTEGER, run TEXT, token INTEGER);
"""


class FencedOut(Exception):
    """A writer with a newer token has written the date."""


@dataclass(frozen=True)
class Held:
    """A committed date: rows, distinct keys, their runs, and the fence's token.

    ``replaced`` is the fence's token before the write.
    """

    rows: int
    keys: int
    runs: list[str]
    token: int
    replaced: int


class Dates:
    """The dates in one file, shared by processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)

    def seed(self, key: str) -> None:
        """Make the date's fence row."""
        with self._connection() as connection:
            connection.execute("INSERT OR IGNORE INTO fences VALUES (?, 0, 0)", (key,))

    def counter(self, key: str) -> tuple[int, int]:
        """The date's counter and its fence's token."""
        with self._connection() as connection:
            counter, token = connection.execute("SELECT counter, token FROM fences WHERE key = ?", (key,)).fetchone()
            return int(counter), int(token)

    def write_fenced(self, key: str, run: str, token: int | None, counter: int | None = None, seen: int | None = None) -> Held:
        """Replace the date in one transaction; ``token`` None takes the stored one + 1, ``counter`` None leaves it.

        Raises FencedOut, also when the fence has moved since ``seen``: a token orders writers, not their reads.
        """
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            stored = connection.execute("SELECT token FROM fences WHERE key = ?", (key,)).fetchone()[0]
            if (token is not None and token < stored) or (seen is not None and seen != stored):
                connection.execute("ROLLBACK")
                raise FencedOut
            fresh = stored + 1 if token is None else token
            connection.execute("UPDATE fences SET token = ?, counter = COALESCE(?, counter) WHERE key = ?", (fresh, counter, key))
            connection.execute("DELETE FROM rows WHERE key = ?", (key,))
            _insert(connection, key, run, token)
            connection.execute("COMMIT")
        return self.look(key, stored)

    def write_as_of_old(self, key: str, run: str, counter: int, between: Callable[[], None]) -> Held:
        """DELETE, then INSERT, as two transactions, with a pause between them."""
        with self._connection() as connection:
            connection.execute("DELETE FROM rows WHERE key = ?", (key,))
        between()
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE fences SET counter = ? WHERE key = ?", (counter, key))
            _insert(connection, key, run, None)
            connection.execute("COMMIT")
        return self.look(key, 0)

    def look(self, key: str, replaced: int) -> Held:
        """The date as it is now, read in one transaction."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            rows, keys = connection.execute("SELECT COUNT(*), COUNT(DISTINCT player) FROM rows WHERE key = ?", (key,)).fetchone()
            runs = [run for (run,) in connection.execute("SELECT DISTINCT run FROM rows WHERE key = ?", (key,))]
            token = connection.execute("SELECT token FROM fences WHERE key = ?", (key,)).fetchone()[0]
            connection.execute("COMMIT")
        return Held(rows, keys, runs, token, replaced)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            yield connection


def _insert(connection: sqlite3.Connection, key: str, run: str, token: int | None) -> None:
    connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", [(key, player, run, token) for player in range(ROWS)])
