"""Leases in Firestore: one round trip per verb, preconditions on update_time, ages by the server's clock.

The client library's own retries are off: after a create whose answer was lost, a retry would fail with AlreadyExists.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import firestore

from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.store import (
    AlreadyExists,
    LeaseKey,
    LeaseRecord,
    VersionConflict,
    WriteResult,
    check_document_id,
    fields_of,
)

PRECONDITION = (api.FailedPrecondition, api.NotFound)
SWEPT_AFTER = timedelta(days=7)
REOPEN_PAUSE_SECONDS = (0.1, 0.5)


def microseconds(moment: datetime) -> int:
    """A server timestamp as whole microseconds since 1970, the unit of fencing tokens."""
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 1_000_000 + moment.microsecond


class FirestoreLeaseStore:
    """The store for production, and for the local stack with the emulator."""

    def __init__(self, client: firestore.Client, *, rpc_seconds: float) -> None:
        self._client = client
        self._rpc_seconds = rpc_seconds
        # Building a reference costs half a percent of a call, and a process has few leases.
        self._documents: dict[LeaseKey, firestore.DocumentReference] = {}

    def create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        """See LeaseStore; one Commit with the precondition exists=false."""
        document = {**fields, "renewals": 0, "acquired_at": firestore.SERVER_TIMESTAMP, "renewed_at": firestore.SERVER_TIMESTAMP}
        with _store_errors():
            result: Any = self._document(key).create(document, retry=None, timeout=self._rpc_seconds)
        return WriteResult(fencing_token=microseconds(result.update_time), version=result.update_time)

    def read(self, key: LeaseKey) -> LeaseRecord | None:
        """See LeaseStore; one BatchGetDocuments."""
        with _store_errors():
            snapshot = self._document(key).get(retry=None, timeout=self._rpc_seconds)
        return _record(key, snapshot) if snapshot.exists else None

    def replace(self, key: LeaseKey, version: Any, fields: Mapping[str, Any]) -> WriteResult:
        """See LeaseStore; the increment changes the document, as Firestore moves update_time only for a write that changes something.

        ``sweep_at`` is for a TTL policy: seven days after the previous write, by the server's clock.
        """
        changes = {**fields, "renewals": firestore.Increment(1), "renewed_at": firestore.SERVER_TIMESTAMP, "sweep_at": version + SWEPT_AFTER}
        option = self._client.write_option(last_update_time=version)
        with _store_errors(*PRECONDITION):
            result = self._document(key).update(changes, option=option, retry=None, timeout=self._rpc_seconds)
        return WriteResult(fencing_token=0, version=result.update_time)

    def delete(self, key: LeaseKey, version: Any) -> None:
        """See LeaseStore; one Commit with the precondition on update_time."""
        option = self._client.write_option(last_update_time=version)
        with _store_errors(*PRECONDITION):
            self._document(key).delete(option=option, retry=None, timeout=self._rpc_seconds)

    @contextmanager
    def watch(self, key: LeaseKey, on_change: Callable[[LeaseRecord | None], None]) -> Iterator[None]:
        """See LeaseStore; a Listen stream in a thread of the client library."""

        def changed(snapshots: list[Any], _changes: object, _read_time: object) -> None:
            on_change(next((_record(key, snapshot) for snapshot in snapshots if snapshot.exists), None))

        with _store_errors():
            listener: Any = self._document(key).on_snapshot(changed)
        end = _reopen_with_pauses(listener)
        try:
            yield
        finally:
            end()
            listener.unsubscribe()

    def list(self, operation: str) -> list[LeaseRecord]:
        """See LeaseStore."""
        with _store_errors():
            collection = self._client.collection(f"{operation}_locks")
            snapshots = list(collection.stream(retry=None, timeout=self._rpc_seconds))
        keyed = ((LeaseKey.parse(operation, snapshot.id), snapshot) for snapshot in snapshots)
        return [_record(key, snapshot) for key, snapshot in keyed if key is not None]

    def _document(self, key: LeaseKey) -> firestore.DocumentReference:
        if key not in self._documents:
            self._documents[key] = self._client.collection(key.collection).document(check_document_id(key.document_id))
        return self._documents[key]


def _record(key: LeaseKey, snapshot: Any) -> LeaseRecord:
    # A watch gives no read_time; it reports a write when it happens.
    read_time = snapshot.read_time or snapshot.update_time
    return LeaseRecord(
        key=key,
        fencing_token=microseconds(snapshot.create_time),
        version=snapshot.update_time,
        age_s=(read_time - snapshot.update_time).total_seconds(),
        held_s=(read_time - snapshot.create_time).total_seconds(),
        **fields_of(snapshot.to_dict() or {}),
    )


def _reopen_with_pauses(listener: Any) -> Callable[[], None]:
    """Make a listener pause before it reopens a broken stream; returns a function that ends the reopening, to call before ``unsubscribe``.

    google-api-core's ResumableBidiRpc does neither: it opens a thousand streams a second while the server is down, and a stream that broke
    before ``unsubscribe`` is reopened for ever, in a thread of its own.
    """
    ended, rpc = threading.Event(), listener._rpc
    terminates, recovers = rpc._should_terminate, rpc._should_recover

    def pause_or_terminate(error: Exception) -> bool:
        return terminates(error) or (recovers(error) and ended.wait(random.uniform(*REOPEN_PAUSE_SECONDS)))

    def end() -> None:
        # Without this the listener would raise the stream's end as an error, in a thread where nothing catches it.
        rpc._callbacks = []
        ended.set()

    rpc._should_terminate = pause_or_terminate
    return end


@contextmanager
def _store_errors(*changed: type[Exception]) -> Iterator[None]:
    """Translate the library's errors. ``changed`` are those that mean VersionConflict: only a write with a precondition has any.

    Elsewhere NotFound means that the database is missing.
    """
    try:
        yield
    except changed as error:
        raise VersionConflict from error
    except api.AlreadyExists as error:
        raise AlreadyExists from error
    except (api.GoogleAPICallError, api.RetryError, auth.GoogleAuthError) as error:
        raise LeaseStoreUnavailable(f"Firestore: {error}") from error
