"""Builds the lease store that LEASE_STORE names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nba_grading.leases.errors import LeaseStoreUnavailable

if TYPE_CHECKING:
    from google.cloud import firestore

    from nba_grading.leases.store import LeaseStore


def make_lease_store(url: str, rpc_seconds: float, make_firestore: Callable[[], firestore.Client]) -> LeaseStore:
    """The store of a URL, ``firestore`` or ``sqlite:///path``; ``make_firestore`` is called for Firestore only.

    ``rpc_seconds`` is the timeout of one call. Raises LeaseStoreUnavailable when there are no credentials for Firestore.
    """
    if url == "firestore":
        from google.auth.exceptions import GoogleAuthError

        from nba_grading.leases.store_firestore import FirestoreLeaseStore

        try:
            return FirestoreLeaseStore(make_firestore(), rpc_seconds=rpc_seconds)
        except GoogleAuthError as error:
            raise LeaseStoreUnavailable(f"no credentials for the lease store: {error}") from error
    from nba_grading.leases.store_sqlite import SqliteLeaseStore

    return SqliteLeaseStore(Path(url.removeprefix("sqlite:///")), rpc_seconds=rpc_seconds)
