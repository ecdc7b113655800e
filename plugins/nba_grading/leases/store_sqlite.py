"""Leases in a SQLite file: for one machine, such as a laptop without the Firestore emulator.

The machine's clock is the store's clock. A token is the current time in microseconds, or the key's last token + 1 where the clock
did not move on. The last token of a key is kept when its document is deleted.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.store import AlreadyExists, LeaseKey, LeaseRecord, VersionConflict, WriteResult, fields_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (operation TEXT, id TEXT, token INTEGER, version INTEGER, created_us INTEGER,
                                   updated_us INTEGER, fields TEXT, PRIMARY KEY (operation, id));
CREATE TABLE IF NOT EXISTS last_tokens (operation TEXT, id TEXT, token INTEGER, PRIMARY KEY (operation, id));
"""
WATCH_SECONDS = 0.02


def _now_us() -> int:
    return time.time_ns() // 1000


class SqliteLeaseStore:
    """Leases in one file, shared by the processes of one machine."""

    def __init__(self, path: Path, *, rpc_seconds: float, now_us: Callable[[], int] = _now_us) -> None:
        self._path = path
        self._rpc_seconds = rpc_seconds
        self._now_us = now_us
        self._is_prepared = False

    def create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        """See LeaseStore."""
        with self._transaction() as connection:
            if self._row(connection, key) is not None:
                raise AlreadyExists
            now = self._now_us()
            last = connection.execute("SELECT token FROM last_tokens WHERE operation = ? AND id = ?", _id(key)).fetchone()
            fencing_token = max(now, last[0] + 1) if last else now
            connection.execute("INSERT OR REPLACE INTO last_tokens VALUES (?, ?, ?)", (*_id(key), fencing_token))
            document = json.dumps({**fields, "renewals": 0})
            connection.execute("INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, ?)", (*_id(key), fencing_token, fencing_token, now, now, document))
        return WriteResult(fencing_token=fencing_token, version=fencing_token)

    def read(self, key: LeaseKey) -> LeaseRecord | None:
        """See LeaseStore."""
        with self._transaction("BEGIN") as connection:
            row = self._row(connection, key)
            return self._record(key, row) if row else None

    def replace(self, key: LeaseKey, version: Any, fields: Mapping[str, Any]) -> WriteResult:
        """See LeaseStore."""
        with self._transaction() as connection:
            row = self._row(connection, key)
            if row is None or row["version"] != version:
                raise VersionConflict
            now = self._now_us()
            document = json.loads(row["fields"])
            document.update(fields)
            document["renewals"] += 1
            changed = max(now, version + 1)
            connection.execute(
                "UPDATE leases SET version = ?, updated_us = ?, fields = ? WHERE operation = ? AND id = ?",
                (changed, now, json.dumps(document), *_id(key)),
            )
        return WriteResult(fencing_token=row["token"], version=changed)

    def delete(self, key: LeaseKey, version: Any) -> None:
        """See LeaseStore."""
        with self._transaction() as connection:
            gone = connection.execute("DELETE FROM leases WHERE operation = ? AND id = ? AND version = ?", (*_id(key), version))
            if gone.rowcount == 0:
                raise VersionConflict
            # Renewals may have raised the version above the token; the key's next document starts above both.
            connection.execute("UPDATE last_tokens SET token = MAX(token, ?) WHERE operation = ? AND id = ?", (version, *_id(key)))

    @contextmanager
    def watch(self, key: LeaseKey, on_change: Callable[[LeaseRecord | None], None]) -> Iterator[None]:
        """See LeaseStore; polls every 20 ms."""
        stopped = threading.Event()

        def poll() -> None:
            seen: object = object()
            while not stopped.is_set():
                with suppress(LeaseStoreUnavailable):  # an unreadable file does not mean that the lease is gone
                    record = self.read(key)
                    version = record.version if record else None
                    if version != seen:
                        seen = version
                        on_change(record and replace(record, age_s=0.0))
                stopped.wait(WATCH_SECONDS)

        thread = threading.Thread(target=poll, name=f"watch-{key}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def list(self, operation: str) -> list[LeaseRecord]:
        """See LeaseStore."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT * FROM leases WHERE operation = ? ORDER BY id", (operation,)).fetchall()
        keyed = ((LeaseKey.parse(operation, row["id"]), row) for row in rows)
        return [self._record(key, row) for key, row in keyed if key is not None]

    def _record(self, key: LeaseKey, row: sqlite3.Row) -> LeaseRecord:
        now = self._now_us()
        return LeaseRecord(
            key=key,
            fencing_token=row["token"],
            version=row["version"],
            age_s=(now - row["updated_us"]) / 1e6,
            held_s=(now - row["created_us"]) / 1e6,
            **fields_of(json.loads(row["fields"])),
        )

    def _row(self, connection: sqlite3.Connection, key: LeaseKey) -> sqlite3.Row | None:
        row: sqlite3.Row | None = connection.execute("SELECT * FROM leases WHERE operation = ? AND id = ?", _id(key)).fetchone()
        return row

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        try:
            self._prepare()
            with closing(self._connect()) as connection:
                connection.execute(begin)
                yield connection
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise LeaseStoreUnavailable(f"SQLite file {self._path}: {error}") from error

    def _prepare(self) -> None:
        if self._is_prepared:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self._rpc_seconds
        while not self._is_prepared:
            try:
                with closing(self._connect()) as connection:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(SCHEMA)
                self._is_prepared = True
            except sqlite3.OperationalError:
                # Two processes prepare a new file at once, and SQLite does not wait for the lock while the mode changes.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._rpc_seconds, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def _id(key: LeaseKey) -> tuple[str, str]:
    return key.operation, key.document_id
