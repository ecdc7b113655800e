"""The lease store that LEASE_STORE names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nba_grading.leases.store import LeaseStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud import firestore

    from nba_grading.settings import Settings


def make_lease_store(settings: Settings, make_firestore: Callable[[], firestore.Client]) -> LeaseStore:
    """The store that LEASE_STORE names; ``make_firestore`` is called for Firestore only."""
    if settings.lease_store == "firestore":
        from nba_grading.leases.store_firestore import FirestoreLeaseStore

        return FirestoreLeaseStore(make_firestore(), rpc_seconds=settings.lease_rpc_seconds)
    from nba_grading.leases.store_sqlite import SqliteLeaseStore

    return SqliteLeaseStore(Path(settings.lease_store.removeprefix("sqlite:///")), rpc_seconds=settings.lease_rpc_seconds)
