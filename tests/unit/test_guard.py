from __future__ import annotations

import logging
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import firestore

from nba_grading.guarded_write.claim import Claim, UnleasedClaim, claim_date
from nba_grading.leases import store as lease_store_module
from nba_grading.leases.errors import LeaseHeld, LeaseStoreUnavailable
from nba_grading.leases.factory import make_lease_store
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from nba_grading.leases.times import LeaseTimes
from nba_grading.settings import read_settings
from tests.unit.fake_store import DROPPED, FakeStore, ManualClock

KEY = LeaseKey("grading", date(2026, 1, 10))


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(ManualClock())


@pytest.fixture
def leases(store: FakeStore) -> LeaseManager:
    return LeaseManager(store, LeaseTimes(lease_s=600), ManualClock())


def no_firestore() -> firestore.Client:
    raise AssertionError("Firestore client was made")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_store_module, "PAUSES_SECONDS", (0.0,))


def test_a_free_date_is_claimed_with_a_lease(store: FakeStore, leases: LeaseManager) -> None:
    with claim_date(lambda: leases, KEY, {"run_id": "manual__1"}, "degrade") as claim:
        record = store.read(KEY)
        assert record is not None
        assert isinstance(claim, Lease)
        assert claim.leased
        assert (claim.holder_id, claim.fencing_token, record.owner) == (record.holder_id, record.fencing_token, {"run_id": "manual__1"})
    assert store.read(KEY) is None


@pytest.mark.parametrize("on_unavailable", ["degrade", "fail"])
def test_a_held_date_is_never_claimed_without_its_lease(leases: LeaseManager, on_unavailable: Any) -> None:
    with leases.try_acquire(KEY, {}), pytest.raises(LeaseHeld):
        claim_date(lambda: leases, KEY, {}, on_unavailable)


def test_a_silent_store_degrades_to_an_unleased_claim_and_logs_it(store: FakeStore, leases: LeaseManager, caplog: pytest.LogCaptureFixture) -> None:
    store.outage = DROPPED
    claim = claim_date(lambda: leases, KEY, {}, "degrade")
    assert isinstance(claim, UnleasedClaim)
    assert claim.key == KEY
    assert "no answer to read" in claim.reason
    [record] = [record for record in caplog.records if record.getMessage().startswith("lease_degraded")]
    assert record.levelno == logging.CRITICAL
    assert f"holder={claim.holder_id}" in record.getMessage()


def test_a_silent_store_fails_the_claim_where_that_is_the_setting(store: FakeStore, leases: LeaseManager) -> None:
    store.outage = DROPPED
    with pytest.raises(LeaseStoreUnavailable):
        claim_date(lambda: leases, KEY, {}, "fail")


def test_a_lease_that_is_switched_off_is_not_acquired_and_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def no_leases() -> LeaseManager:
        raise AssertionError("the store was used")

    claim = claim_date(no_leases, KEY, {}, "fail", switched_off="by the parameter use_lease of the run")
    assert isinstance(claim, UnleasedClaim)
    assert (claim.switched_off, claim.fencing_token) == (True, None)
    [record] = [record for record in caplog.records if record.getMessage().startswith("lease_degraded")]
    assert record.levelno == logging.CRITICAL
    assert "use_lease" in record.getMessage()


def test_an_unleased_claim_has_no_token_and_says_so() -> None:
    claim = UnleasedClaim(KEY, "the store is down")
    assert claim.fencing_token is None
    assert claim.leased is False
    assert claim.taken_over is None


def test_unleased_claims_have_different_holders() -> None:
    first, second = UnleasedClaim(KEY, "down"), UnleasedClaim(KEY, "down")
    assert first.holder_id != second.holder_id
    assert len(first.holder_id) == 32


def test_an_unleased_claim_can_be_used_wherever_a_claim_can() -> None:
    with UnleasedClaim(KEY, "down") as unleased:
        claim: Claim = unleased
        claim.check()
        claim.note_job("publish_001")
        assert (claim.fencing_token, claim.holder_id) == (None, unleased.holder_id)
    assert unleased.release() is True


def test_an_unleased_claim_lets_the_error_of_the_work_through() -> None:
    with pytest.raises(ZeroDivisionError), UnleasedClaim(KEY, "down"):
        raise ZeroDivisionError


def test_a_sqlite_setting_makes_a_file_of_leases(tmp_path: Path) -> None:
    path = tmp_path / "state" / "leases.db"
    store = make_lease_store(f"sqlite:///{path}", 5, no_firestore)
    assert isinstance(store, SqliteLeaseStore)
    store.create(KEY, {"holder_id": "a"})
    assert path.exists()


def test_the_firestore_setting_makes_a_client() -> None:
    made: list[object] = []

    def make_firestore() -> firestore.Client:
        made.append(object())
        return cast("firestore.Client", made[-1])

    assert isinstance(make_lease_store("firestore", 5, make_firestore), FirestoreLeaseStore)
    assert len(made) == 1


class FailingFirestore:
    """A Firestore client each of whose calls fails with ``error``."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def collection(self, _name: str) -> FailingFirestore:
        return self

    document = collection

    def get(self, **_options: object) -> None:
        raise self._error

    def create(self, _document: object, **_options: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        api.NotFound("The database leases does not exist"),
        api.FailedPrecondition("The Cloud Firestore API is not available for Datastore Mode databases"),
        api.PermissionDenied("Missing or insufficient permissions"),
        api.Aborted("Too much contention on these documents"),
        api.DeadlineExceeded("Deadline Exceeded"),
        api.ResourceExhausted("Quota exceeded"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_keeps_firestore_from_answering_degrades(error: Exception) -> None:
    client = cast("firestore.Client", FailingFirestore(error))
    store = make_lease_store("firestore", 5, lambda: client)
    claim = claim_date(lambda: LeaseManager(store, LeaseTimes()), KEY, {}, "degrade")
    assert isinstance(claim, UnleasedClaim)
    assert str(error) in claim.reason


def test_missing_credentials_degrade_like_a_store_that_is_down() -> None:
    def make_leases() -> LeaseManager:
        def no_credentials() -> firestore.Client:
            raise DefaultCredentialsError("no default credentials were found")  # type: ignore[no-untyped-call]

        return LeaseManager(make_lease_store("firestore", 5, no_credentials), LeaseTimes())

    claim = claim_date(make_leases, KEY, {}, "degrade")
    assert isinstance(claim, UnleasedClaim)
    assert "no credentials for the lease store: no default credentials" in claim.reason


def test_the_settings_are_the_durations_of_the_lease() -> None:
    settings = read_settings(
        {
            "LEASE_SECONDS": "90",
            "LEASE_RENEW_SECONDS": "10",
            "LEASE_GRACE_SECONDS": "3",
            "LEASE_RPC_SECONDS": "4",
            "LEASE_MAX_WAIT_SECONDS": "7",
        }
    )
    assert settings.lease_times == LeaseTimes(lease_s=90, renew_every_s=10, grace_s=3, rpc_s=4, max_wait_s=7)


def test_the_default_settings_are_the_default_durations() -> None:
    assert read_settings({}).lease_times == LeaseTimes()
