"""The lock that this project replaced, kept for comparison. Each of its four faults alone lets two writers in.

Its lease is fixed and never renewed. Its expiry compares the clocks of two clients. Its owner id is shared by all runs of a date. Its
release deletes the lock of any holder. Also, a failed call counts as "held", and after enough attempts the writer goes on without the lock.
It was in Firestore, where two transactions that read one document wait for each other until one times out (30 s on the emulator). For
thousands of cycles it can use a SQLite file, which is kinder to it.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import firestore

LEASE_SECONDS = 300.0
POLL_SECONDS = 5.0
TRIES = 60


class OldLocks(Protocol):
    """A store of old locks."""

    def lock(self, name: str, expires_at: float) -> bool:
        """Write the lock unless another exists that has not expired by this client's clock."""

    def delete(self, name: str) -> None:
        """Delete the lock of any holder."""


@dataclass
class OldLock:
    """The lock of one date; ``scale`` shortens its times, 0.01 making three seconds of five minutes."""

    locks: OldLocks
    game_date: date
    scale: float = 1.0

    @property
    def lease_s(self) -> float:
        """Its fixed lease in seconds."""
        return LEASE_SECONDS * self.scale

    def acquire(self) -> bool:
        """Whether it was locked; the old writer went on in either case."""
        for _ in range(TRIES):
            if self.locks.lock(self._name, time.time() + self.lease_s):
                return True
            time.sleep(POLL_SECONDS * self.scale)
        return False

    def release(self) -> None:
        """Release the lock of any holder."""
        self.locks.delete(self._name)

    @property
    def _name(self) -> str:
        return f"grading_{self.game_date}"


class FirestoreOldLocks:
    """The original locks, in Firestore."""

    def __init__(self, client: firestore.Client) -> None:
        self._client = client

    def lock(self, name: str, expires_at: float) -> bool:
        """See OldLocks; a transaction of three calls."""
        document = self._client.collection("old_grading_locks").document(name)

        @firestore.transactional
        def attempt(transaction: firestore.Transaction) -> bool:
            snapshot: Any = document.get(transaction=transaction)
            if snapshot.exists and snapshot.to_dict()["expires_at"] > time.time():
                return False
            transaction.set(document, {"holder_id": name, "expires_at": expires_at})
            return True

        try:
            return bool(attempt(self._client.transaction()))
        except (GoogleAPICallError, ValueError):  # the library's ValueError: "Failed to commit transaction in 5 attempts"
            return False

    def delete(self, name: str) -> None:
        """See OldLocks."""
        self._client.collection("old_grading_locks").document(name).delete()


class SqliteOldLocks:
    """The same in a file: fast, and without failed calls."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._connect()) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS old_locks (name TEXT PRIMARY KEY, expires_at REAL)")

    def lock(self, name: str, expires_at: float) -> bool:
        """See OldLocks."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            held = connection.execute("SELECT 1 FROM old_locks WHERE name = ? AND expires_at > ?", (name, time.time())).fetchone()
            if held is None:
                connection.execute("INSERT OR REPLACE INTO old_locks VALUES (?, ?)", (name, expires_at))
            connection.execute("COMMIT")
            return held is None

    def delete(self, name: str) -> None:
        """See OldLocks."""
        with closing(self._connect()) as connection:
            connection.execute("DELETE FROM old_locks WHERE name = ?", (name,))

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60, isolation_level=None)
