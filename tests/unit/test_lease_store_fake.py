from __future__ import annotations

import time

import pytest

from tests.unit.fake_store import FakeStore
from tests.unit.lease_contract import LeasesContract, LeaseStoreContract


class TestFakeStore(LeaseStoreContract):
    @pytest.fixture
    def store(self) -> FakeStore:
        return FakeStore(time.monotonic)


class TestLeasesOnFake(LeasesContract):
    @pytest.fixture
    def store(self) -> FakeStore:
        return FakeStore(time.monotonic)
