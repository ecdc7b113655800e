"""The trigger of a waiting run on the real store: its event, and its end when it is cancelled."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.times import LeaseTimes
from tests.unit.lease_contract import any_key

pytestmark = pytest.mark.usefixtures("settings_environment")


@pytest.fixture
def leases() -> LeaseManager:
    from nba_grading.airflow.context import make_leases

    return LeaseManager(make_leases().store, LeaseTimes())


def trigger_of(key: LeaseKey, wait_s: float) -> Any:
    from nba_grading.airflow.triggers import LeaseFreeTrigger

    now = time.time()
    return LeaseFreeTrigger("grading", str(key.game_date), deadline=now + wait_s, waiting_since=now - 5, written=["2026-01-01"])


async def first_event(trigger: Any) -> dict[str, Any]:
    event = await anext(trigger.run())
    payload: dict[str, Any] = event.payload
    return payload


def test_a_trigger_fires_when_the_lease_is_released(leases: LeaseManager) -> None:
    key = any_key()
    lease = leases.try_acquire(key, {})
    trigger = trigger_of(key, 60)
    threading.Timer(0.5, lease.release).start()
    started = time.monotonic()
    payload = asyncio.run(first_event(trigger))
    assert payload == {"game_date": str(key.game_date), "waiting_since": trigger.waiting_since, "written": ["2026-01-01"]}
    assert time.monotonic() - started < 8  # a read would come after 10 s, the expiry after 62


def test_a_trigger_fires_at_its_deadline(leases: LeaseManager) -> None:
    key = any_key()
    with leases.try_acquire(key, {}):
        assert asyncio.run(first_event(trigger_of(key, 0.3)))["game_date"] == str(key.game_date)


def test_a_trigger_fires_when_the_store_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_store() -> LeaseManager:
        raise LeaseStoreUnavailable("no answer")

    monkeypatch.setattr("nba_grading.airflow.triggers.make_leases", no_store)
    key = any_key()
    assert asyncio.run(first_event(trigger_of(key, 60)))["game_date"] == str(key.game_date)


def test_a_trigger_refuses_what_is_no_date() -> None:
    from nba_grading.airflow.triggers import LeaseFreeTrigger

    with pytest.raises(ValueError, match="yesterday"):
        LeaseFreeTrigger("grading", "yesterday", deadline=0, waiting_since=0)


def test_a_serialized_trigger_waits_for_the_same_lease() -> None:
    from airflow.sdk.module_loading import import_string

    key = any_key()
    path, arguments = trigger_of(key, 60).serialize()
    again = import_string(path)(**arguments)
    assert again.serialize() == (path, arguments)
    assert asyncio.run(first_event(again))["game_date"] == str(key.game_date)


def test_a_cancelled_trigger_leaves_no_thread_waiting(leases: LeaseManager) -> None:
    key = any_key()

    async def cancel_after(seconds: float) -> None:
        waiting = asyncio.create_task(first_event(trigger_of(key, 60)))
        await asyncio.sleep(seconds)
        assert threads_of(key)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    with leases.try_acquire(key, {}):
        asyncio.run(cancel_after(1))
        deadline = time.monotonic() + 5  # the next read of the store would come after 10 s
        while threads_of(key) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert threads_of(key) == []


def threads_of(key: LeaseKey) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(f"lease-grading-{key.game_date}")]
