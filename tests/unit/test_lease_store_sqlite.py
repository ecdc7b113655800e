from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue

import pytest

from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.store import AlreadyExists, LeaseKey, LeaseRecord, VersionConflict
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from tests.unit.lease_contract import LeasesContract, LeaseStoreContract, claim_of

KEY = LeaseKey("grading", date(2026, 1, 10))


class TestSqliteStore(LeaseStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SqliteLeaseStore:
        return SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5)


class TestLeasesOnSqlite(LeasesContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SqliteLeaseStore:
        return SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5)


def test_two_stores_of_one_file_share_its_leases(tmp_path: Path) -> None:
    one, other = (SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5) for _ in range(2))
    one.create(KEY, claim_of("a"))
    with pytest.raises(AlreadyExists):
        other.create(KEY, claim_of("b"))


def test_tokens_grow_while_the_clock_goes_back(tmp_path: Path) -> None:
    clock = iter(range(1_000_000, 0, -1000))
    store = SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5, now_us=lambda: next(clock))
    tokens = []
    for _ in range(20):
        written = store.create(KEY, claim_of("a"))
        tokens.append(written.fencing_token)
        store.delete(KEY, store.replace(KEY, written.version, {}).version)
    assert all(earlier < later for earlier, later in pairwise(tokens))


def test_a_version_never_comes_back_while_the_clock_stands_still(tmp_path: Path) -> None:
    store = SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5, now_us=lambda: 1_000_000)
    gone = store.replace(KEY, store.create(KEY, claim_of("a")).version, {}).version
    store.delete(KEY, gone)
    store.create(KEY, claim_of("b"))
    with pytest.raises(VersionConflict):
        store.delete(KEY, gone)


def test_a_file_that_stays_locked_is_an_unavailable_store(tmp_path: Path) -> None:
    store = SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=0.05)
    with closing(sqlite3.connect(tmp_path / "leases.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LeaseStoreUnavailable, match=r"leases\.db.*locked"):
            store.create(KEY, claim_of("a"))


def test_a_file_that_cannot_be_opened_is_an_unavailable_store(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("not a directory")
    with pytest.raises(LeaseStoreUnavailable, match="plain"):
        SqliteLeaseStore(tmp_path / "plain" / "leases.db", rpc_seconds=0.05).read(KEY)


def test_a_row_with_a_malformed_id_is_left_out_of_the_list(tmp_path: Path) -> None:
    store = SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5)
    store.create(KEY, claim_of("a"))
    with closing(sqlite3.connect(tmp_path / "leases.db", isolation_level=None)) as other:
        other.execute("INSERT INTO leases VALUES ('grading', 'grading_by_hand', 1, 1, 1, 1, '{}')")
    assert [record.key for record in store.list("grading")] == [KEY]


def test_stores_that_open_a_new_file_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)

    def create(path: Path) -> bool:
        store = SqliteLeaseStore(path, rpc_seconds=5)
        barrier.wait(timeout=10)
        try:
            store.create(KEY, claim_of("a"))
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        for number in range(20):
            created = list(pool.map(create, [tmp_path / f"{number}.db"] * 4))
            assert created.count(True) == 1


def test_a_watch_reports_nothing_while_its_file_cannot_be_read(tmp_path: Path) -> None:
    broken = threading.Event()
    failures: SimpleQueue[None] = SimpleQueue()

    class Flaky(SqliteLeaseStore):
        def read(self, key: LeaseKey) -> LeaseRecord | None:
            if broken.is_set():
                failures.put(None)
                raise LeaseStoreUnavailable("locked")
            return super().read(key)

    store = Flaky(tmp_path / "leases.db", rpc_seconds=5)
    version = store.create(KEY, claim_of("a")).version
    reports: SimpleQueue[LeaseRecord | None] = SimpleQueue()
    with store.watch(KEY, reports.put):
        assert reports.get(timeout=10) is not None
        broken.set()
        for _ in range(2):  # at the second, what the first made of it has been reported
            failures.get(timeout=10)
        assert reports.empty()
        broken.clear()
        store.delete(KEY, version)
        assert reports.get(timeout=10) is None
