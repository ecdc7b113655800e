from __future__ import annotations

import pytest
from google.cloud import firestore

from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.store import LeaseStore
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from tests.unit.lease_contract import LeasesContract, LeaseStoreContract, any_key, claim_of


@pytest.fixture
def firestore_store(firestore_client: firestore.Client) -> FirestoreLeaseStore:
    return FirestoreLeaseStore(firestore_client, rpc_seconds=5)


class TestFirestoreStore(LeaseStoreContract):
    @pytest.fixture
    def store(self, firestore_store: FirestoreLeaseStore) -> LeaseStore:
        return firestore_store


class TestLeasesOnFirestore(LeasesContract):
    @pytest.fixture
    def store(self, firestore_store: FirestoreLeaseStore) -> LeaseStore:
        return firestore_store


def test_a_document_of_the_old_lock_counts_as_a_lease_of_300_seconds(
    firestore_client: firestore.Client, firestore_store: FirestoreLeaseStore
) -> None:
    key = any_key()
    old = {"holder_id": "grading_2026-01-10", "acquired_at": firestore.SERVER_TIMESTAMP, "operation_id": "grading_2026-01-10"}
    firestore_client.collection(key.collection).document(key.document_id).set(old)
    record = firestore_store.read(key)
    assert record is not None
    assert (record.holder_id, record.lease_s, record.renewals) == ("grading_2026-01-10", 300, 0)


def test_a_list_leaves_out_documents_that_are_no_lease(firestore_client: firestore.Client, firestore_store: FirestoreLeaseStore) -> None:
    key = any_key("maintenance")
    firestore_store.create(key, claim_of("a"))
    for document_id in ("notes", "maintenance_soon", "grading_2026-01-10"):
        firestore_client.collection(key.collection).document(document_id).set({"holder_id": "nobody"})
    listed = firestore_store.list("maintenance")
    assert key in [record.key for record in listed]
    assert "nobody" not in [record.holder_id for record in listed]


def test_people_see_since_when_a_lease_is_held_by_the_servers_clock(firestore_client: firestore.Client, firestore_store: FirestoreLeaseStore) -> None:
    key = any_key()
    version = firestore_store.create(key, claim_of("a")).version
    firestore_store.replace(key, version, {})
    snapshot = firestore_client.collection(key.collection).document(key.document_id).get()
    document = snapshot.to_dict() or {}
    assert abs((document["acquired_at"] - snapshot.create_time).total_seconds()) < 0.1
    assert document["acquired_at"] <= document["renewed_at"]


def test_a_server_that_does_not_answer_is_an_unavailable_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    store = FirestoreLeaseStore(firestore.Client(project="nba-local"), rpc_seconds=0.5)
    key = any_key()
    with pytest.raises(LeaseStoreUnavailable, match="Firestore"):
        store.create(key, claim_of("a"))
    with pytest.raises(LeaseStoreUnavailable, match="Firestore"):
        store.read(key)
