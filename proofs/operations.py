"""The cost of each lease operation for its callers, compared with a floor: the fastest possible commit on the same connection."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from typing import Any

from google.cloud import firestore
from google.cloud.firestore_v1.types import CommitRequest, Document, DocumentTransform, Value, Write

from commands.console import CommandError
from nba_grading.leases.errors import LeaseHeld
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.leases.times import LeaseTimes
from proofs.emulator import OWNER
from proofs.figures import FLOOR

WARM_UP_ROUNDS = 10
# No grace, so that an expired lease can be taken over at once.
TIMES = LeaseTimes(lease_s=60, grace_s=0)
KEY = LeaseKey("grading", date(2026, 1, 10))
EXPIRED_KEY = LeaseKey("grading", date(2026, 1, 11))
EXPIRED = {**OWNER, "holder_id": "gone", "lease_ms": 1, "waited_ms": 0, "inflight_job": None}


def measure_operations(client: firestore.Client, rounds: int, advance: Callable[[], None]) -> dict[str, list[float]]:
    """Seconds of each operation, one sample per round, and of the floor before each. ``advance`` is called every round."""
    bench = _Rounds(client)
    for _ in range(WARM_UP_ROUNDS):
        bench.run()
    bench.seconds.clear()
    for _ in range(rounds):
        bench.run()
        advance()
    return dict(bench.seconds)


class _Rounds:
    def __init__(self, client: firestore.Client) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._store = FirestoreLeaseStore(client, rpc_seconds=5)
        self._leases = LeaseManager(self._store, TIMES)
        self._floor = raw_commit(client)

    def run(self) -> None:
        """Run every operation once, as tasks do."""
        lease = self._timed("acquire", lambda: self._leases.try_acquire(KEY, OWNER))
        self._timed("renew", lease.renew)
        self._timed("contended acquire", self._find_held)
        self._timed("release", lease.release)
        self._store.create(EXPIRED_KEY, EXPIRED)
        time.sleep(0.005)
        self._timed("takeover", lambda: self._leases.try_acquire(EXPIRED_KEY, OWNER)).release()

    def _timed(self, name: str, operation: Callable[[], Any]) -> Any:
        for each, call in ((FLOOR, self._floor), (name, operation)):
            started = time.perf_counter()
            result = call()
            self.seconds[each].append(time.perf_counter() - started)
        return result

    def _find_held(self) -> None:
        try:
            self._leases.try_acquire(KEY, OWNER)
        except LeaseHeld:
            return
        raise CommandError(f"{KEY} was acquired while it was held: the guard does not hold.")


def raw_commit(client: firestore.Client) -> Callable[[], object]:
    """The floor: one Commit of a prebuilt message through the generated stub, which changes one small document."""
    path = f"{client._database_string}/documents/bench_lease/floor"
    stamp = DocumentTransform.FieldTransform(field_path="written_at", set_to_server_value=DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME)
    write = Write(update=Document(name=path, fields={"holder_id": Value(string_value="floor")}), update_transforms=[stamp])
    request = CommitRequest(database=client._database_string, writes=[write])
    commit, metadata = client._firestore_api._transport.commit, client._rpc_metadata
    return lambda: commit(request, metadata=metadata, timeout=5)
