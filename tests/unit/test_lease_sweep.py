"""The ids of leases, and how the sweep classifies them."""

from __future__ import annotations

from datetime import date

import pytest

from nba_grading.leases.store import OPERATIONS, LeaseKey, LeaseRecord, check_document_id, fields_of
from nba_grading.leases.sweep import classify_lease, list_leases, release_holder, sweep_leases
from tests.unit.fake_store import FakeStore, ManualClock
from tests.unit.lease_contract import claim_of

DAY = LeaseKey("grading", date(2026, 1, 10))
TURN = LeaseKey("grading")


@pytest.mark.parametrize(
    ("lease_s", "age_s", "held_s", "state"),
    [
        (60, 30, 30, "live"),
        (3600, 1800, 1800, "live"),  # not renewed for longer than the limit for stuck leases, but not expired either
        (3600, 1800, 7200, "long_held"),
        (60, 100, 100, "silent"),
        (60, 700, 700, "stuck"),
        (3600, 3700, 3700, "stuck"),
    ],
)
@pytest.mark.parametrize("key", [DAY, TURN], ids=str)
def test_only_an_expired_lease_can_be_stuck(key: LeaseKey, lease_s: float, age_s: float, held_s: float, state: str) -> None:
    fields = fields_of({"holder_id": "a", "lease_ms": lease_s * 1000})
    record = LeaseRecord(key, fencing_token=1, version=1, age_s=age_s, held_s=held_s, **fields)
    assert classify_lease(record, grace_s=2, stuck_s=600, long_held_s=3600) == state


# Ids


def test_a_key_without_a_date_is_the_turn_to_publish() -> None:
    assert (TURN.collection, TURN.document_id, str(TURN)) == ("grading_locks", "grading_publish", "grading_publish")
    assert (DAY.collection, DAY.document_id) == ("grading_locks", "grading_2026-01-10")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_id_of_every_key_is_allowed_and_gives_the_key_again(operation: str) -> None:
    for key in (LeaseKey(operation), LeaseKey(operation, date(2026, 1, 10)), LeaseKey(operation, date(1, 1, 1))):
        assert LeaseKey.parse(operation, check_document_id(key.document_id)) == key


@pytest.mark.parametrize(
    "document_id",
    [
        "",
        "publish",
        "grading",
        "grading_",
        "grading_publish_2",
        "grading_Publish",
        "consolidation_publish",
        "grading_2026-1-10",
        "grading_2026-02-30",
    ],
)
def test_an_id_that_no_key_has_gives_none(document_id: str) -> None:
    assert LeaseKey.parse("grading", document_id) is None


def test_an_operation_that_is_not_guarded_has_no_turn() -> None:
    with pytest.raises(ValueError, match="not a guarded operation"):
        LeaseKey("publish")


# The turn is swept as a date is


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> FakeStore:
    store = FakeStore(clock)
    for key, holder_id in ((DAY, "writer"), (TURN, "publisher")):
        store.create(key, claim_of(holder_id))
    return store


def test_a_turn_is_listed_with_the_dates_of_its_operation(store: FakeStore) -> None:
    assert {record.key: record.holder_id for record in list_leases(store)} == {DAY: "writer", TURN: "publisher"}


@pytest.mark.parametrize(("age_s", "labels"), [(30, {"live"}), (100, {"silent"}), (200, {"removed"})])
def test_a_turn_that_its_holder_left_is_swept_as_a_date_is(store: FakeStore, clock: ManualClock, age_s: float, labels: set[str]) -> None:
    clock.advance(age_s)
    judged, problem = sweep_leases(store, grace_s=2, stuck_s=600, long_held_s=3600)
    assert problem is None
    assert {one.record.key for one in judged} == {DAY, TURN}
    assert {one.label for one in judged} == labels
    assert (store.list("grading") == []) is (labels == {"removed"})


def test_a_turn_can_be_released_by_hand(store: FakeStore) -> None:
    assert release_holder(store, "publisher").key == TURN
    assert [record.key for record in store.list("grading")] == [DAY]
