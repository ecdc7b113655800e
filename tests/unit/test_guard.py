"""Claiming a set of dates: which it gets, which it leaves out, and what it does when the store does not answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import firestore

from nba_grading.guarded_write.claim import Claim, ClaimedDates, UnleasedClaim, claim_dates, writing_under
from nba_grading.leases import store as lease_store_module
from nba_grading.leases.errors import LeaseLost, LeaseStoreUnavailable
from nba_grading.leases.factory import make_lease_store
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey, LeaseRecord, WriteResult
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from nba_grading.leases.times import LeaseTimes
from nba_grading.settings import read_settings
from nba_grading.warehouse.client import Warehouse
from tests.unit.fake_store import DROPPED, FakeStore, ManualClock
from tests.unit.lease_contract import claim_of

DATES = [date(2026, 1, 10), date(2026, 1, 11), date(2026, 1, 12)]
KEYS = [LeaseKey("grading", day) for day in DATES]


class DyingStore(FakeStore):
    """Answers a number of creates, and after that nothing; or nothing about the ``lost`` keys, as one of several servers that is away."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.creates_left = 10_000
        self.lost: set[LeaseKey] = set()

    def create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        with self._changed:
            self.creates_left -= 1
            if self.creates_left < 0:
                self.outage = DROPPED
            self._check(key)
            return super().create(key, fields)

    def read(self, key: LeaseKey) -> LeaseRecord | None:
        self._check(key)
        return super().read(key)

    def _check(self, key: LeaseKey) -> None:
        if key in self.lost:
            raise LeaseStoreUnavailable(f"no answer about {key}")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> DyingStore:
    return DyingStore(clock)


@pytest.fixture
def leases(store: DyingStore, clock: ManualClock) -> LeaseManager:
    return LeaseManager(store, LeaseTimes(lease_s=600), clock)


def no_firestore() -> firestore.Client:
    raise AssertionError("Firestore client was made")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_store_module, "PAUSES_SECONDS", (0.0,))


def claim(leases: LeaseManager, *, dates: list[date] = DATES, on_unavailable: Any = "degrade", **more: Any) -> ClaimedDates:
    claimed, _ = claim_dates(lambda: leases, "grading", dates, {"run_id": "manual__1"}, on_unavailable, **more)
    assert claimed is not None
    return claimed


def holders(store: FakeStore) -> dict[date | None, str]:
    return {record.key.game_date: record.holder_id for record in store.list("grading")}


def degraded(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage().startswith("lease_degraded")]


# Which dates it gets


def test_free_dates_are_each_claimed_with_a_lease_and_released_at_the_end(store: DyingStore, leases: LeaseManager) -> None:
    with claim(leases) as claimed:
        assert claimed.dates == DATES
        assert claimed.unleased is None
        for day, each in claimed.by_date.items():
            record = store.read(LeaseKey("grading", day))
            assert record is not None
            assert isinstance(each, Lease)
            assert (each.leased, each.holder_id, each.fencing_token) == (True, record.holder_id, record.fencing_token)
            assert record.owner == {"run_id": "manual__1"}
        assert len(set(holders(store).values())) == 3, "each claim has an id of its own"
    assert holders(store) == {}


def test_claims_are_in_the_order_of_their_dates_however_they_are_asked_for(leases: LeaseManager) -> None:
    with claim(leases, dates=[DATES[2], DATES[0], DATES[1]]) as claimed:
        assert claimed.dates == DATES
        assert [each.key for each in claimed.claims] == KEYS


@pytest.mark.parametrize("on_unavailable", ["degrade", "fail"])
def test_a_held_date_is_left_out_and_returned_with_its_holder(store: DyingStore, leases: LeaseManager, on_unavailable: Any) -> None:
    with leases.try_acquire(KEYS[1], {"run_id": "another"}) as another:
        claimed, held = claim_dates(lambda: leases, "grading", DATES, {}, on_unavailable)
        assert claimed is not None
        with claimed:
            assert claimed.dates == [DATES[0], DATES[2]]
            assert claimed.unleased is None, "a held date is never claimed without its lease"
        assert list(held) == [DATES[1]]
        assert (held[DATES[1]].record.holder_id, held[DATES[1]].record.owner) == (another.holder_id, {"run_id": "another"})
        assert holders(store) == {DATES[1]: another.holder_id}


def test_a_held_date_is_not_waited_for(store: DyingStore, leases: LeaseManager) -> None:
    with leases.try_acquire(KEYS[1], {}), claim(leases):
        assert "watch" not in store.calls


def test_when_every_date_is_held_nothing_is_claimed(leases: LeaseManager) -> None:
    with claim(leases):
        claimed, held = claim_dates(lambda: leases, "grading", DATES, {}, "degrade")
    assert claimed is None
    assert sorted(held) == DATES


def test_no_dates_need_no_store() -> None:
    assert claim_dates(no_leases, "grading", [], {}, "fail") == (None, {})


def test_the_document_says_how_long_each_date_was_waited_for(store: DyingStore, leases: LeaseManager) -> None:
    with claim(leases, waited_s={DATES[1]: 7.5}):
        assert {record.key.game_date: record.waited_s for record in store.list("grading")} == {DATES[0]: 0, DATES[1]: 7.5, DATES[2]: 0}


# The store does not answer


def test_a_silent_store_degrades_to_unleased_claims_and_logs_each(store: DyingStore, leases: LeaseManager, caplog: pytest.LogCaptureFixture) -> None:
    store.outage = DROPPED
    claimed = claim(leases)
    assert claimed.dates == DATES
    assert [(each.leased, each.fencing_token) for each in claimed.claims] == [(False, None)] * 3
    assert claimed.unleased is claimed.claims[0]
    assert "no answer to read" in claimed.claims[0].reason
    assert [record.levelno for record in degraded(caplog)] == [logging.CRITICAL] * 3
    assert all(f"holder={each.holder_id}" in record.getMessage() for each, record in zip(claimed.claims, degraded(caplog), strict=True))


def test_a_silent_store_fails_the_claim_where_that_is_the_setting(store: DyingStore, leases: LeaseManager) -> None:
    store.outage = DROPPED
    with pytest.raises(LeaseStoreUnavailable):
        claim_dates(lambda: leases, "grading", DATES, {}, "fail")


def test_a_store_that_dies_between_two_leases_degrades_for_the_rest(
    store: DyingStore, leases: LeaseManager, caplog: pytest.LogCaptureFixture
) -> None:
    store.creates_left = 2
    claimed = claim(leases)
    assert claimed.dates == DATES
    assert sorted(each.leased for each in claimed.claims) == [False, True, True]
    [record], unleased = degraded(caplog), claimed.unleased
    assert unleased is not None
    assert record.levelno == logging.CRITICAL
    assert f"game_date={unleased.key.game_date}" in record.getMessage()


def test_a_lease_whose_create_was_not_answered_is_claimed_without_it(store: DyingStore, leases: LeaseManager) -> None:
    store.lost = {KEYS[1]}
    with claim(leases) as claimed:
        assert [each.leased for each in claimed.claims] == [True, False, True]
        assert [each.key for each in claimed.claims] == KEYS
        assert set(holders(store)) == {DATES[0], DATES[2]}
    assert holders(store) == {}


def test_where_the_setting_is_to_fail_the_leases_that_were_acquired_are_released(store: DyingStore, leases: LeaseManager) -> None:
    store.lost = {KEYS[1]}
    with pytest.raises(LeaseStoreUnavailable, match="no answer about grading_2026-01-11"):
        claim_dates(lambda: leases, "grading", DATES, {}, "fail")
    assert holders(store) == {}
    assert store.calls.count("create") == store.calls.count("delete") == 2


def test_a_store_that_dies_for_good_fails_the_claim_though_nothing_can_be_released(store: DyingStore, leases: LeaseManager) -> None:
    store.creates_left = 1
    with pytest.raises(LeaseStoreUnavailable):
        claim_dates(lambda: leases, "grading", DATES, {}, "fail")
    assert "delete" in store.calls


class TaskTimeout(BaseException):
    """Like Airflow's task timeout, which is not a subclass of Exception."""


@pytest.mark.parametrize("error", [RuntimeError("a bug"), TaskTimeout()], ids=lambda error: type(error).__name__)
def test_an_unexpected_error_releases_the_leases_that_were_acquired(store: DyingStore, leases: LeaseManager, error: BaseException) -> None:
    """Otherwise their threads would renew them for as long as the process lives."""
    acquire = leases.try_acquire

    def failing(key: LeaseKey, *arguments: Any) -> Lease:
        if key == KEYS[1]:
            raise error
        return acquire(key, *arguments)

    leases.try_acquire = failing  # type: ignore[method-assign]
    with pytest.raises(type(error)):
        claim_dates(lambda: leases, "grading", DATES, {}, "degrade")
    assert holders(store) == {}


@pytest.mark.parametrize(("on_unavailable", "leased"), [("degrade", [True, False]), ("fail", None)])
def test_a_held_date_and_one_without_an_answer(store: DyingStore, leases: LeaseManager, on_unavailable: Any, leased: list[bool] | None) -> None:
    with leases.try_acquire(KEYS[0], {}) as another:
        store.lost = {KEYS[2]}
        if leased is None:
            with pytest.raises(LeaseStoreUnavailable):
                claim_dates(lambda: leases, "grading", DATES, {}, on_unavailable)
        else:
            claimed, held = claim_dates(lambda: leases, "grading", DATES, {}, on_unavailable)
            assert claimed is not None
            assert ([each.leased for each in claimed.claims], list(held)) == (leased, [DATES[0]])
            with claimed:
                pass
        assert holders(store) == {DATES[0]: another.holder_id}


def no_leases() -> LeaseManager:
    raise AssertionError("the store was used")


def test_leases_that_are_switched_off_are_not_acquired_and_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    claimed, held = claim_dates(no_leases, "grading", DATES, {}, "fail", switched_off="by the parameter use_lease of the run")
    assert claimed is not None
    assert held == {}
    assert claimed.unleased is not None
    assert (claimed.unleased.switched_off, claimed.unleased.fencing_token) == (True, None)
    assert claimed.dates == DATES
    assert [(record.levelno, "use_lease" in record.getMessage()) for record in degraded(caplog)] == [(logging.CRITICAL, True)] * 3


# A claim without a lease


def test_an_unleased_claim_has_no_token_and_says_so() -> None:
    unleased = UnleasedClaim(KEYS[0], "the store is down")
    assert unleased.fencing_token is None
    assert unleased.leased is False
    assert unleased.taken_over is None


def test_unleased_claims_have_different_holders() -> None:
    first, second = UnleasedClaim(KEYS[0], "down"), UnleasedClaim(KEYS[0], "down")
    assert first.holder_id != second.holder_id
    assert len(first.holder_id) == 32


def test_an_unleased_claim_can_be_used_wherever_a_claim_can() -> None:
    unleased = UnleasedClaim(KEYS[0], "down")
    with ClaimedDates((unleased,)) as claimed:
        each: Claim = claimed.claims[0]
        claimed.check()
        claimed.note_job("publish_001")
        assert (each.fencing_token, each.holder_id) == (None, unleased.holder_id)
    assert unleased.release() is True


# Claimed dates are one right


def test_claims_of_two_operations_or_of_none_are_no_write() -> None:
    with pytest.raises(ValueError, match="claims of one operation"):
        ClaimedDates((UnleasedClaim(KEYS[0], "down"), UnleasedClaim(LeaseKey("consolidation", DATES[0]), "down")))
    with pytest.raises(ValueError, match="claims of one operation"):
        ClaimedDates(())


def test_an_error_of_the_work_is_let_through_and_every_lease_released(store: DyingStore, leases: LeaseManager) -> None:
    with pytest.raises(ZeroDivisionError), claim(leases):
        raise ZeroDivisionError
    assert holders(store) == {}


def test_one_lost_lease_ends_the_right_to_the_whole_set(store: DyingStore, leases: LeaseManager) -> None:
    with claim(leases) as claimed:
        claimed.check()
        record = store.read(KEYS[1])
        assert record is not None
        store.delete(KEYS[1], record.version)
        with pytest.raises(LeaseLost, match="grading_2026-01-11"):
            claimed.note_job("publish_001")
        with pytest.raises(LeaseLost, match="deleted"):
            claimed.check()
    assert holders(store) == {}, "the others are released"


def test_the_job_about_to_run_is_in_the_document_of_every_date(store: DyingStore, leases: LeaseManager) -> None:
    with claim(leases) as claimed:
        claimed.note_job("publish_001")
        assert [record.inflight_job for record in store.list("grading")] == ["publish_001"] * 3


class CancellingWarehouse:
    """What ``writing_under`` uses of a warehouse."""

    def __init__(self) -> None:
        self.before_attempt = lambda: None
        self.cancelled: list[str] = []

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def cancel_running(self) -> None:
        self.cancelled.append("what runs")


def test_the_job_of_a_dead_holder_is_cancelled_once_whatever_number_of_its_dates_is_taken_over(
    store: DyingStore, leases: LeaseManager, clock: ManualClock
) -> None:
    for key, job in zip(KEYS, ("publish_of_two", "publish_of_two", None), strict=True):
        store.create(key, claim_of("dead", lease_s=1, inflight_job=job))
    clock.advance(60)
    warehouse = CancellingWarehouse()
    with claim(leases) as claimed, writing_under(cast(Warehouse, warehouse), claimed):
        assert warehouse.cancelled == ["publish_of_two"]


def test_losing_one_lease_of_a_set_cancels_what_runs_and_stops_the_next_attempt(store: DyingStore, leases: LeaseManager) -> None:
    warehouse = CancellingWarehouse()
    with claim(leases) as claimed, writing_under(cast(Warehouse, warehouse), claimed):
        warehouse.before_attempt()
        record = store.read(KEYS[2])
        assert record is not None
        store.delete(KEYS[2], record.version)
        with pytest.raises(LeaseLost):
            cast(Lease, claimed.claims[2]).renew()
        assert warehouse.cancelled == ["what runs"]
        with pytest.raises(LeaseLost):
            warehouse.before_attempt()
    warehouse.before_attempt()


def test_a_set_is_tied_to_the_warehouse_also_where_a_date_has_no_lease(store: DyingStore, leases: LeaseManager) -> None:
    store.lost = {KEYS[0]}
    warehouse = CancellingWarehouse()
    with claim(leases) as claimed, writing_under(cast(Warehouse, warehouse), claimed):
        assert isinstance(claimed.claims[0], UnleasedClaim)
        warehouse.before_attempt()


# Which store, and its durations


def test_a_sqlite_setting_makes_a_file_of_leases(tmp_path: Path) -> None:
    path = tmp_path / "state" / "leases.db"
    store = make_lease_store(f"sqlite:///{path}", 5, no_firestore)
    assert isinstance(store, SqliteLeaseStore)
    store.create(LeaseKey("grading", DATES[0]), {"holder_id": "a"})
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
    claimed, held = claim_dates(lambda: LeaseManager(store, LeaseTimes()), "grading", DATES[:1], {}, "degrade")
    assert claimed is not None
    assert claimed.unleased is not None
    assert str(error) in claimed.unleased.reason
    assert held == {}


def test_missing_credentials_degrade_like_a_store_that_is_down() -> None:
    def make_leases() -> LeaseManager:
        def no_credentials() -> firestore.Client:
            raise DefaultCredentialsError("no default credentials were found")  # type: ignore[no-untyped-call]

        return LeaseManager(make_lease_store("firestore", 5, no_credentials), LeaseTimes())

    claimed, _ = claim_dates(make_leases, "grading", DATES, {}, "degrade")
    assert claimed is not None
    assert [isinstance(claim, UnleasedClaim) for claim in claimed.claims] == [True] * 3
    assert all("no credentials for the lease store: no default credentials" in getattr(claim, "reason", "") for claim in claimed.claims)
    with pytest.raises(LeaseStoreUnavailable):
        claim_dates(make_leases, "grading", DATES, {}, "fail")


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
