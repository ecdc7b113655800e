"""Cycles of acquire, read, write, release by many processes, some of which are killed, and some stopped for longer than their lease.

Leases are in Firestore's emulator, which half of the processes reach through a proxy that loses calls; dates are in ``dates``. Events go to
``history``, which checks them. The same cycles run with the old recipe, to show that the checker finds errors.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from nba_grading import events
from nba_grading.guarded_write.claim import UnleasedClaim
from nba_grading.leases.errors import LeaseHeld, LeaseLost, LeaseStoreUnavailable
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_firestore import FirestoreLeaseStore
from nba_grading.leases.times import LeaseTimes, boottime
from proofs.contention import CONTEXT
from proofs.dates import Dates, FencedOut, Held
from proofs.emulator import client_of, hide_lease_warnings
from proofs.history import History
from proofs.old_lock import LEASE_SECONDS, OldLock, SqliteOldLocks

# The first call of a process, on a loaded machine, may take most of a second.
TIMES = LeaseTimes(lease_s=3.0, grace_s=0.3, rpc_s=0.9, max_wait_s=20)
# Lease, grace, and some time for a busy machine, as in lost_calls.
FREE_AGAIN_SECONDS = TIMES.lease_s + TIMES.grace_s + 5
OLD_SCALE = TIMES.lease_s / LEASE_SECONDS
HOLD_SECONDS = 0.01
# One holder in this many works for about as long as its lease, and so depends on renewals.
LONG_ONE_IN = 30
# The share of writers that go on with only the fence when the store is down; the others retry.
UNLEASED_SHARE = 0.1
# One writer of the old recipe in this many takes longer than the lease, as in the incident.
OUTLIVES_ONE_IN = 25
ENDS = ("wrote", "fenced_out")


@dataclass(frozen=True)
class Plan:
    """The plan of one process: recipe, addresses, number of keys, threads and cycles."""

    recipe: Literal["ours", "old"]
    port: int
    directory: Path
    name: str
    keys: int
    threads: int
    cycles: int


def date_of(number: int) -> date:
    """The dates of the cycles."""
    return date(2026, 1, 1) + timedelta(days=number)


def key_of(number: int) -> LeaseKey:
    """The keys of the cycles."""
    return LeaseKey("grading", date_of(number))


def dates_in(directory: Path) -> Dates:
    """The dates that the processes of one run write."""
    return Dates(directory / "dates.db")


class Writer:
    """One process: its connections and its history."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.history = History(plan.directory, plan.name)
        self.dates = dates_in(plan.directory)
        self._leases = LeaseManager(FirestoreLeaseStore(client_of(plan.port), rpc_seconds=TIMES.rpc_s), TIMES)
        self._old_locks = SqliteOldLocks(plan.directory / "old_locks.db")
        self._held: dict[str, Lease] = {}
        events.subscribe(self._record_renewal)

    def run(self) -> None:
        """Run all its cycles."""
        cycle = self._cycle if self.plan.recipe == "ours" else self._cycle_as_of_old
        with ThreadPoolExecutor(self.plan.threads) as pool:
            for done in [pool.submit(_until_done, cycle, self.plan.keys) for _ in range(self.plan.cycles)]:
                done.result()

    def _record_renewal(self, event: str, facts: Mapping[str, Any]) -> None:
        lease = self._held.get(facts.get("holder", ""))
        if event == "lease_renewed" and lease:
            how = "adopted" if facts.get("adopted") else "renewed"
            self.history.record(how, holder=lease.holder_id, valid_until=boottime() + lease.remaining_s)

    def _cycle(self, number: int) -> bool:
        """Run one cycle; False when it got no claim."""
        key = key_of(number)
        try:
            claim = self._claim(key)
        except LeaseHeld:
            self.history.record("gave_up", key=str(key))
            return False
        except LeaseStoreUnavailable:
            self.history.record("unavailable", key=str(key))
            time.sleep(random.uniform(0, 1))
            return False
        if isinstance(claim, UnleasedClaim):
            self._write_unleased(key, claim)
            return True
        now = boottime()
        self._held[claim.holder_id] = claim
        self.history.record("claimed", key=str(key), holder=claim.holder_id, token=claim.fencing_token, at=now, valid_until=now + claim.remaining_s)
        how = "released"
        try:
            counter, seen = self.dates.counter(str(key))
            time.sleep(_work_seconds())
            claim.check()
            held = self.dates.write_fenced(str(key), claim.holder_id, claim.fencing_token, counter + 1, seen)
            self._record_write(key, claim.holder_id, claim.fencing_token, counter + 1, held)
        except FencedOut:
            self.history.record("fenced_out", key=str(key), holder=claim.holder_id)
        except LeaseLost:
            how = "lost"
        finally:
            self.history.record("ended", holder=claim.holder_id, at=boottime(), how=how)
            claim.release()
            del self._held[claim.holder_id]
        return True

    def _claim(self, key: LeaseKey) -> Lease | UnleasedClaim:
        try:
            return self._leases.acquire(key, {"run_id": self.plan.name})
        except LeaseStoreUnavailable:
            if random.random() < UNLEASED_SHARE:
                return UnleasedClaim(key, "the store is down")
            raise

    def _write_unleased(self, key: LeaseKey, claim: UnleasedClaim) -> None:
        held = self.dates.write_fenced(str(key), claim.holder_id, None)
        self._record_write(key, claim.holder_id, None, None, held)

    def _record_write(self, key: LeaseKey, holder: str, token: int | None, updated: int | None, held: Held) -> None:
        facts = {"rows": held.rows, "keys": held.keys, "runs": held.runs, "holds_token": held.token, "replaced_token": held.replaced}
        self.history.record("wrote", key=str(key), holder=holder, token=token, at=boottime(), updated=updated, **facts)

    def _cycle_as_of_old(self, number: int) -> bool:
        key = key_of(number)
        lock = OldLock(self._old_locks, date_of(number), OLD_SCALE)
        run = f"{self.plan.name}-{time.monotonic_ns()}"
        if lock.acquire():
            now = boottime()
            self.history.record("claimed", key=str(key), holder=run, token=time.time_ns(), at=now, valid_until=now + 1e6)
        else:
            self.history.record("unlocked", key=str(key))
        counter, _ = self.dates.counter(str(key))
        outlives = random.randrange(OUTLIVES_ONE_IN) == 0
        seconds = lock.lease_s * random.uniform(1, 1.5) if outlives else random.expovariate(1 / HOLD_SECONDS)
        held = self.dates.write_as_of_old(str(key), run, counter + 1, between=lambda: time.sleep(seconds))
        self._record_write(key, run, None, counter + 1, held)
        self.history.record("ended", holder=run, at=boottime(), how="released")
        lock.release()
        return True


def _work_seconds() -> float:
    if random.randrange(LONG_ONE_IN) == 0:
        return TIMES.lease_s * random.uniform(0.5, 1.5)
    return random.expovariate(1 / HOLD_SECONDS)


def _until_done(cycle: Callable[[int], bool], keys: int) -> None:
    while not cycle(random.randrange(keys)):
        pass


def run_plan(plan: Plan) -> None:
    """The main function of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hide_lease_warnings()
    Writer(plan).run()


class Fleet:
    """Processes that together run a number of cycles; a killed one is replaced by another that runs the rest."""

    def __init__(self, plans: list[Plan]) -> None:
        self._plans = plans
        self._running: dict[int, tuple[Any, Plan]] = {}
        self._history = History(plans[0].directory, "chaos")
        self.kills = self.stops = 0

    def run(self, every_s: Callable[[], float] | None, advance: Callable[[int], None], deadline_s: float) -> None:
        """Run until all cycles are done; ``every_s`` gives the pause before the next kill or stop. Raises TimeoutError."""
        started = time.monotonic()
        for plan in self._plans:
            self._start(plan)
        next_harm = time.monotonic() + every_s() if every_s else float("inf")
        try:
            while self._reap(advance):
                if time.monotonic() - started > deadline_s:
                    raise TimeoutError(f"the cycles were not done in {deadline_s:.0f} s")
                if time.monotonic() > next_harm and every_s:
                    self._harm()
                    next_harm = time.monotonic() + every_s()
                time.sleep(0.05)
        finally:
            for process, _ in self._running.values():
                process.kill()

    def _start(self, plan: Plan) -> None:
        process = CONTEXT.Process(target=run_plan, args=(plan,), daemon=True)
        process.start()
        assert process.pid is not None
        self._running[process.pid] = (process, plan)

    def _reap(self, advance: Callable[[int], None]) -> bool:
        for pid, (process, plan) in list(self._running.items()):
            if process.exitcode is None:
                continue
            if process.exitcode > 0:
                raise RuntimeError(f"a writer of the cycles ended with an error of its own (exit code {process.exitcode})")
            self._history.record("died", victim=pid, at=boottime())
            del self._running[pid]
            done = min(cycles_done(plan), plan.cycles)
            advance(done)
            if done < plan.cycles:
                base, _, life = plan.name.partition(".")
                self._start(Plan(**{**vars(plan), "name": f"{base}.{int(life or 0) + 1}", "cycles": plan.cycles - done}))
        return bool(self._running)

    def _harm(self) -> None:
        pid = random.choice(list(self._running))
        if random.random() < 0.6:
            self.kills += 1
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return
        self.stops += 1
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        threading.Timer(TIMES.lease_s * random.uniform(1.1, 1.8), _go_on, [pid]).start()


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def cycles_done(plan: Plan) -> int:
    """The number of finished cycles, with any result, in the history of the process."""
    path = plan.directory / f"{plan.name}.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return sum(text.count(f'"event": "{end}"') for end in ENDS) + text.count('"how": "lost"')


def stuck_keys(port: int, keys: int) -> int:
    """The number of keys that cannot be acquired within FREE_AGAIN_SECONDS after all holders have ended."""
    leases = LeaseManager(FirestoreLeaseStore(client_of(port), rpc_seconds=5), LeaseTimes(lease_s=60))

    def is_stuck(number: int) -> bool:
        try:
            leases.acquire(key_of(number), {}, max_wait_s=FREE_AGAIN_SECONDS).release()
        except LeaseHeld:
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(is_stuck, range(keys)))


@contextmanager
def outages(stop: Callable[[], None], start: Callable[[], None], every_s: float) -> Iterator[list[float]]:
    """Restart the emulator now and then. It loses its documents, so it stays down until every lease has expired."""
    ended, happened = threading.Event(), []

    def disturb() -> None:
        while not ended.wait(every_s):
            stop()
            time.sleep(TIMES.lease_s + TIMES.grace_s)
            start()
            happened.append(time.monotonic())

    thread = threading.Thread(target=disturb, daemon=True)
    thread.start()
    try:
        yield happened
    finally:
        ended.set()
        thread.join()
