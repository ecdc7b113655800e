"""Loses each call of the lease in turn, on its way to Firestore or back: no lease may be stuck past lease + grace, or held by two.

A ``Loss`` names an operation and the calls of it to lose. ``try_loss`` loses them with a ``FaultProxy`` and checks what the date's next holder
finds. Tests run the losses one by one, the stress run all at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta

from nba_grading.leases.errors import LeaseHeld, LeaseLost
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.leases.times import LeaseTimes
from proofs.emulator import OWNER, client_of
from proofs.proxies import Fault, FaultProxy, When

TIMES = LeaseTimes(lease_s=2.5, grace_s=0.2, rpc_s=0.5, max_wait_s=30)
# Lease, grace, and some time for a busy machine; a stuck lease would last 30 s.
FREE_AGAIN_SECONDS = TIMES.lease_s + TIMES.grace_s + 5
AT_ONCE = 10


@dataclass(frozen=True)
class Loss:
    """Calls to lose in one operation: the nth of a method, on the way there or back; refused at once, or never answered."""

    operation: str
    calls: tuple[tuple[str, int, When], ...]
    silent: bool

    def __str__(self) -> str:
        calls = [f"{method} {nth} {when}" for method, nth, when in self.calls]
        return "-".join([self.operation, *calls, "silent" if self.silent else "refused"])


@dataclass
class LostCallsVerdict:
    """The number of losses tried, of dates left stuck or held by two, and their descriptions."""

    scenarios: int = 0
    overlaps: int = 0
    stuck: int = 0
    problems: tuple[str, ...] = ()


WAYS: tuple[When, ...] = ("before", "after")
SINGLE = [
    ("acquire", "Commit", 1),
    ("renew", "Commit", 1),
    ("release", "Commit", 1),
    ("wait", "Commit", 1),  # the create that finds the lease held
    ("wait", "BatchGetDocuments", 1),
    ("wait", "Listen", 1),
    ("wait", "Commit", 2),  # the create of the waiter that was woken
    ("take over", "Commit", 1),  # the create that finds the expired lease
    ("take over", "BatchGetDocuments", 1),
    ("take over", "Commit", 2),  # the delete
    ("take over", "Commit", 3),  # the create
]
LOSSES = [
    Loss(operation, calls, silent)
    for silent in (False, True)
    for operation, calls in [
        *((operation, ((method, nth, way),)) for operation, method, nth in SINGLE for way in WAYS),
        # The read after a write whose answer was lost is lost as well.
        *((operation, (("Commit", 1, "after"), ("BatchGetDocuments", 1, way))) for operation in ("acquire", "renew", "release") for way in WAYS),
    ]
]


class Scenario:
    """One loss on one key: leases behind the proxy, and rivals that reach the store directly."""

    def __init__(self, loss: Loss, proxy: FaultProxy, port: int, key: LeaseKey) -> None:
        client = client_of(proxy.port)
        FirestoreLeaseStore(client, rpc_seconds=30).read(key)  # the first call of a channel takes longer than the timeout used here
        self.loss, self.key, self._proxy = loss, key, proxy
        self.leases = LeaseManager(FirestoreLeaseStore(client, rpc_seconds=TIMES.rpc_s), TIMES)
        self.rivals = LeaseManager(FirestoreLeaseStore(client_of(port), rpc_seconds=5), TIMES)

    def run(self) -> Lease:
        """The lease acquired despite the loss; raises AssertionError if the calls were not lost."""
        faults: list[Fault] = []

        def lose() -> None:
            faults.extend(self._proxy.lose(method, when, nth=nth, silent=self.loss.silent) for method, nth, when in self.loss.calls)

        operation = {"acquire": self._acquire, "renew": self._renew, "release": self._release, "wait": self._wait, "take over": self._take_over}
        lease = operation[self.loss.operation](lose)
        if [fault.lost for fault in faults] != [1] * len(faults):
            raise AssertionError(f"{self.loss}: the calls to be lost were not made")
        return lease

    def _acquire(self, lose: Callable[[], None]) -> Lease:
        lose()
        return self.leases.try_acquire(self.key, OWNER)

    def _renew(self, lose: Callable[[], None]) -> Lease:
        lease = self.leases.try_acquire(self.key, OWNER)
        lose()
        lease.renew()
        time.sleep(TIMES.lease_s + TIMES.grace_s)  # a lost lease would have expired by now
        return lease

    def _release(self, lose: Callable[[], None]) -> Lease:
        lease = self.leases.try_acquire(self.key, OWNER)
        lose()
        lease.release()
        return lease

    def _wait(self, lose: Callable[[], None]) -> Lease:
        held = self.rivals.try_acquire(self.key, OWNER)
        lose()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.leases.acquire, self.key, OWNER)
            time.sleep(0.3)
            if waiting.done():
                raise AssertionError(f"{self.loss}: the waiter did not wait")
            held.check()
            held.release()
            return waiting.result(timeout=FREE_AGAIN_SECONDS)

    def _take_over(self, lose: Callable[[], None]) -> Lease:
        dead = {**OWNER, "holder_id": "dead", "lease_ms": 100, "inflight_job": None}
        self.rivals.store.create(self.key, dead)
        time.sleep(0.1 + TIMES.grace_s + 0.1)
        lose()
        return self.leases.try_acquire(self.key, OWNER)


def try_loss(loss: Loss, proxy: FaultProxy, port: int, key: LeaseKey) -> str | None:
    """``held by two`` or ``stuck``, or None when the loss did no harm."""
    scenario = Scenario(loss, proxy, port, key)
    lease = scenario.run()
    if loss.operation != "release":
        lease.check()
        try:
            scenario.rivals.try_acquire(key, OWNER).release()
            return "held by two"
        except LeaseHeld as held:
            if held.record.holder_id != lease.holder_id:
                return "held by two"
        lease.release()
    try:
        lease.check()
        return "held by two"
    except LeaseLost:
        pass
    try:
        with scenario.rivals.acquire(key, OWNER, max_wait_s=FREE_AGAIN_SECONDS) as successor:
            return None if successor.fencing_token > lease.fencing_token else "held by two"
    except LeaseHeld:
        return "stuck"


def lose_every_call(port: int, advance: Callable[[int], None]) -> LostCallsVerdict:
    """Try all losses, some at a time, each on its own key and behind its own proxy."""

    def lose(number: int) -> str | None:
        with FaultProxy(port) as proxy:
            outcome = try_loss(LOSSES[number], proxy, port, LeaseKey("grading", date(2028, 1, 1) + timedelta(days=number)))
        advance(1)
        return outcome

    order = random.sample(range(len(LOSSES)), len(LOSSES))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = dict(zip(order, pool.map(lose, order), strict=True))
    return LostCallsVerdict(
        scenarios=len(LOSSES),
        overlaps=sum(one == "held by two" for one in outcomes.values()),
        stuck=sum(one == "stuck" for one in outcomes.values()),
        problems=tuple(f"{LOSSES[number]}: {one}" for number, one in outcomes.items() if one),
    )
