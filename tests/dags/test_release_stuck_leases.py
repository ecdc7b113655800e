"""The sweep of the leases on the real store: what it reports, what it removes, and what it never touches."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from google.cloud import bigquery

from commands.stack_config import StackConfig
from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import OPERATIONS, LeaseKey, LeaseStore
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from nba_grading.leases.times import LeaseTimes
from tests.dags.runs import posted, remember_jobs, run_in_process, states
from tests.unit.lease_contract import any_key, claim_of

pytestmark = pytest.mark.usefixtures("metadata_database", "bigquery_client")

DAG_ID = "release_stuck_leases"


@pytest.fixture
def store(settings_environment: pytest.MonkeyPatch) -> LeaseStore:
    """The store of the settings, without any lease."""
    from nba_grading.airflow.context import make_leases

    store = make_leases().store
    for record in [record for operation in OPERATIONS for record in store.list(operation)]:
        store.delete(record.key, record.version)
    return store


def sweep(**conf: Any) -> Any:
    run = run_in_process(DAG_ID, **conf)
    return run, next(iter(run.get_task_instances())).xcom_pull(task_ids="sweep")


def no_answer(*_arguments: Any, **_keywords: Any) -> Any:
    raise LeaseStoreUnavailable("no answer")


def set_thresholds(environment: pytest.MonkeyPatch, **seconds: str) -> None:
    from nba_grading.settings import get_settings

    for name, value in seconds.items():
        environment.setenv(name, value)
    get_settings.cache_clear()


def test_live_leases_of_every_operation_are_left_alone_in_silence_with_one_job(
    store: LeaseStore, monkeypatch: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    keys = [*(any_key(operation) for operation in OPERATIONS), *map(LeaseKey, OPERATIONS)]
    for key in keys:
        store.create(key, claim_of("a" * 32))
    submitted = remember_jobs(monkeypatch)
    _, counts = sweep()
    assert counts == {"leases": len(keys), "live": len(keys), "released_holder": None}
    assert all(store.read(key) for key in keys)
    assert len([job for job in submitted.values() if job.startswith("release_stuck_leases")]) == 1
    assert posted(emulators, before) == []


def test_a_dead_lease_is_removed_and_reported_with_its_owner(
    store: LeaseStore, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    set_thresholds(settings_environment, LEASE_GRACE_SECONDS="0")
    key = any_key("consolidation")
    store.create(key, claim_of("d" * 32, lease_s=0.001))
    _, counts = sweep()
    assert counts["removed"] == 1
    assert store.read(key) is None
    [message] = posted(emulators, before)
    assert f"consolidation_{key.game_date}" in message
    assert "was removed" in message
    assert "scheduled__2026-01-10" in message
    sweep()
    assert len(posted(emulators, before)) == 1


def test_a_stuck_lease_is_reported_once_and_resolved_once(
    store: LeaseStore, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    set_thresholds(settings_environment, LEASE_GRACE_SECONDS="0", LEASE_STUCK_SECONDS="0.001")
    settings_environment.setattr("nba_grading.leases.sweep.DEAD_AFTER_LEASES", 1e9)
    key = any_key()
    version = store.create(key, claim_of("b" * 32, lease_s=0.001)).version
    assert sweep()[1]["stuck"] == 1
    sweep()
    [message] = posted(emulators, before)
    assert "has not been renewed for" in message
    assert "b" * 32 in message
    assert store.read(key), "an expired lease stays until it is three times its duration old"
    store.delete(key, version)
    sweep()
    sweep()
    [_, resolution] = posted(emulators, before)
    assert "RESOLVED" in resolution


def test_a_lease_that_is_stuck_and_dead_is_reported_removed_and_resolved_by_one_sweep(
    store: LeaseStore, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    # As with the default settings: silent for 10 minutes is longer than three times a lease of a minute.
    set_thresholds(settings_environment, LEASE_GRACE_SECONDS="0", LEASE_STUCK_SECONDS="0.001")
    key = any_key()
    store.create(key, claim_of("e" * 32, lease_s=0.001))
    assert sweep()[1]["removed"] == 1
    assert store.read(key) is None
    [message, resolution] = posted(emulators, before)
    assert "has not been renewed for" in message
    assert "removed now" in message
    assert "RESOLVED" in resolution
    sweep()
    assert len(posted(emulators, before)) == 2


@pytest.mark.parametrize(("stuck_s", "messages"), [("0.001", 2), ("600", 1)], ids=["stuck", "dead"])
def test_a_turn_to_publish_that_its_holder_left_is_removed_and_reported_without_a_date(
    stuck_s: str, messages: int, store: LeaseStore, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    set_thresholds(settings_environment, LEASE_GRACE_SECONDS="0", LEASE_STUCK_SECONDS=stuck_s)
    turn = LeaseKey("grading")
    store.create(turn, claim_of("c" * 32, lease_s=0.001))
    run, counts = sweep()
    assert (states(run)["sweep"], counts["removed"]) == ("success", 1)
    assert store.read(turn) is None
    sent = posted(emulators, before)
    assert len(sent) == messages
    assert "grading_publish" in sent[0]
    assert "*Date*" not in sent[0]
    assert "make backfill" not in sent[0]


def test_what_was_removed_before_the_store_failed_is_reported(
    store: LeaseStore, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    set_thresholds(settings_environment, LEASE_GRACE_SECONDS="0")
    dead, lost_answer, next_dead = any_key("grading"), any_key("consolidation"), any_key("maintenance")
    for key in (dead, lost_answer, next_dead):
        store.create(key, claim_of("d" * 32, lease_s=0.001))
    delete = type(store).delete

    def delete_some(self: Any, key: Any, version: Any) -> None:
        if key != next_dead:
            delete(self, key, version)
        if key != dead:
            no_answer()

    settings_environment.setattr(type(store), "delete", delete_some)
    run, _ = sweep()
    assert states(run)["sweep"] == "failed"
    assert [store.read(key) is None for key in (dead, lost_answer, next_dead)] == [True, True, False]
    sent = posted(emulators, before)
    assert [f"The lease {key}" in text and "was removed" in text for key, text in zip((dead, lost_answer), sent[:2], strict=True)] == [True, True]
    assert "does not answer" in sent[2]


def test_a_lease_that_is_renewed_but_held_for_long_is_reported_and_kept(
    store: LeaseStore, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    set_thresholds(settings_environment, LEASE_LONG_HELD_SECONDS="0.001")
    key = any_key()
    with LeaseManager(store, LeaseTimes()).try_acquire(key, {"run_id": "backfill__1"}) as lease:
        lease.note_job("nba_grading_publish_001")
        assert sweep()[1]["long_held"] == 1
        lease.renew()
    [message] = posted(emulators, before)
    assert "and is still renewing" in message
    assert "backfill__1" in message
    assert "nba_grading_publish_001" in message


def test_a_person_releases_a_lease_by_its_holders_id(store: LeaseStore, emulators: StackConfig, before: int) -> None:
    key = any_key()
    lease = LeaseManager(store, LeaseTimes()).try_acquire(key, {"run_id": "manual__1"})
    _, counts = sweep(holder_id=lease.holder_id)
    assert counts == {"leases": 0, "released_holder": lease.holder_id}
    assert store.read(key) is None
    lease.release()
    [message] = posted(emulators, before)
    assert "released by hand" in message
    assert "manual__1" in message


def test_after_a_release_by_hand_and_a_lost_worker_the_next_try_says_so(
    store: LeaseStore, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int
) -> None:
    set_thresholds(settings_environment, GRADING_RETRIES="1", GRADING_RETRY_SECONDS="0")
    key = any_key()
    store.create(key, claim_of("a" * 32))
    listed, lists = type(store).list, []

    def list_but_once(self: Any, operation: str) -> Any:
        lists.append(operation)
        if len(lists) == len(OPERATIONS) + 1:
            raise RuntimeError("the worker is lost")
        return listed(self, operation)

    settings_environment.setattr(type(store), "list", list_but_once)
    run, _ = sweep(holder_id="a" * 32)
    assert states(run)["sweep"] == "failed"
    assert store.read(key) is None
    [released, failed] = posted(emulators, before)
    assert "released by hand" in released
    assert "An earlier try of this run may have released it" in failed


def test_an_unknown_holder_is_refused_with_the_holders_there_are(store: LeaseStore, emulators: StackConfig, before: int) -> None:
    key = any_key()
    store.create(key, claim_of("c" * 32))
    run, _ = sweep(holder_id="f" * 32)
    assert states(run)["sweep"] == "failed"
    [message] = posted(emulators, before)
    assert "c" * 32 in message
    assert store.read(key)


def test_a_holder_id_that_is_none_is_refused_before_anything_runs() -> None:
    with pytest.raises(Exception, match="does not match"):
        run_in_process(DAG_ID, holder_id="grading_2026-01-10")


def test_an_outage_of_the_store_is_reported_once_and_resolved_once(
    bigquery_client: bigquery.Client, settings_environment: pytest.MonkeyPatch, emulators: StackConfig, before: int, tmp_path: Any
) -> None:
    blocked = tmp_path / "leases.db"
    blocked.write_bytes(b"not a database at all, and long enough to be read as one" * 100)
    set_thresholds(settings_environment, LEASE_STORE=f"sqlite:///{blocked}")
    for _ in range(2):
        run, _ = sweep()
        assert states(run)["sweep"] == "failed"
    [message] = posted(emulators, before)
    assert "does not answer" in message
    set_thresholds(settings_environment, LEASE_STORE=f"sqlite:///{tmp_path / 'good.db'}")
    for verb in ("create", "delete"):
        with settings_environment.context() as reads_only:
            reads_only.setattr(SqliteLeaseStore, verb, no_answer)
            run, _ = sweep()
        assert states(run)["sweep"] == "failed"
    run, counts = sweep()
    assert (states(run)["sweep"], counts["leases"]) == ("success", 0)
    assert len(posted(emulators, before)) == 1, "a store that only reads is not up again, nor one whose answer is lost"
    good, key = SqliteLeaseStore(tmp_path / "good.db", rpc_seconds=5), LeaseKey("maintenance", date(1970, 1, 1))
    left = good.read(key)
    assert left
    good.delete(key, left.version)
    for _ in range(2):
        sweep()
    [_, resolution] = posted(emulators, before)
    assert "The lease store answers." in resolution
