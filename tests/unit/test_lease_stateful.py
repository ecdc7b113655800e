"""Hypothesis drives the real lease: three clients, a clock it moves, lost and late calls, outages, and an operator who deletes.

``LeaseMachine`` states the promises; ``Broken`` names the one that was. The mutants at the end show that it finds what is wrong.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from nba_grading.leases import lease as lease_module
from nba_grading.leases import store as lease_store_module
from nba_grading.leases.errors import LeaseHeld, LeaseLost, LeaseStoreUnavailable
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import AlreadyExists, LeaseKey, LeaseRecord, LeaseStore, VersionConflict, WriteResult
from nba_grading.leases.times import LeaseTimes
from tests.unit.fake_store import ANSWER_LOST, DROPPED, LANDS_LATE, Document, FakeStore, Fault, ManualClock, slow

# What it runs of the package is measured by test_lease.py; measuring it here would take as long again.
pytestmark = pytest.mark.no_cover
KEY = LeaseKey("grading", date(2026, 1, 10))
# The renewal thread sleeps in real seconds: at 200 it never wakes during a test, and the machine renews.
TIMES = LeaseTimes(lease_s=600, grace_s=2, rpc_s=5)
VALID_S = 570  # less 5 % for drift
CLIENTS = ("a", "b", "c")
MILLISECOND = 0.001
ROUNDING_S = 1e-6
# A silent call takes time; otherwise a renewal would retry for ever on a clock that does not move.
OUTAGE_CALL_S = 60.0

SECONDS = st.sampled_from([0.0, 5.0, 100.0, 300.0, 500.0, 569.5, 570.0, 602.0, 602.5]) | st.floats(0, 1_300)
FAULTS = st.sampled_from([ANSWER_LOST, DROPPED, LANDS_LATE, slow(lambda: None)])
ANY = st.integers(0, 11)

ONE_BELIEVES = "two clients believe that they hold the lease"
TRUST_ENDS_FIRST = "a holder trusts its lease for longer than its document exists"
CUT_OFF = "a holder whose document an operator deleted renewed all the same"
TOKENS_GROW = "a token is not newer than those granted before"
FENCE_GOES_ON = "the fence went back"
HOLDER_PUBLISHES = "a holder whose check had passed was fenced out"
REMOVED_BY_RIGHT = "a document was removed by a client without the right to"
FREE_AFTER_EXPIRY = "what was left blocks the lease for longer than lease and grace"
PROMISES = frozenset({ONE_BELIEVES, TRUST_ENDS_FIRST, CUT_OFF, TOKENS_GROW, FENCE_GOES_ON, HOLDER_PUBLISHES, REMOVED_BY_RIGHT, FREE_AFTER_EXPIRY})


class Broken(AssertionError):
    """A promise that was not kept."""


@dataclass
class Actor:
    """Who calls the store: what it created is its own; an acquire may evict what is stale; an operator may delete anything."""

    may_evict: bool = False
    is_operator: bool = False
    holder_ids: set[str] = field(default_factory=set)


class Removal(NamedTuple):
    """A document that went, how old it was, and who deleted it."""

    document: Document
    age_s: float
    actor: Actor

    @property
    def is_by_right(self) -> bool:
        """Whether the actor may remove it, by the store's own clock."""
        is_stale = self.age_s > self.document.fields["lease_ms"] / 1000 + TIMES.grace_s
        is_own = self.document.fields["holder_id"] in self.actor.holder_ids
        return self.actor.is_operator or is_own or (self.actor.may_evict and is_stale)


class RecordingStore(FakeStore):
    """Notes who removed what, also when a delete lands late."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.actor = Actor()
        self.removals: list[Removal] = []

    @contextmanager
    def called_by(self, actor: Actor) -> Iterator[None]:
        """Calls from here on are this actor's."""
        self.actor, before = actor, self.actor
        try:
            yield
        finally:
            self.actor = before

    def create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        self.actor.holder_ids.add(fields["holder_id"])
        return super().create(key, fields)

    def delete(self, key: LeaseKey, version: Any) -> None:
        actor = self.actor
        self._call("delete", lambda: self._delete_for(actor, key, version))

    def document(self, key: LeaseKey) -> Document | None:
        """What is stored, whatever the faults."""
        return self._documents.get(key)

    def calm_down(self) -> None:
        """No fault is left, and what was on its way has landed."""
        self.outage = None
        self._faults.clear()
        for effect in self._in_flight.values():
            with suppress(AlreadyExists, VersionConflict):
                effect()
        self._in_flight.clear()

    def _delete_for(self, actor: Actor, key: LeaseKey, version: Any) -> None:
        document = self._documents.get(key)
        self._delete(key, version)
        assert document is not None
        self.removals.append(Removal(document, self._clock() - document.updated, actor))


class Publish(NamedTuple):
    """A write whose check has passed; ``grant`` counts the grants, ``token`` is what the fence sees."""

    grant: int
    fencing_token: int


class LeaseMachine(RuleBasedStateMachine):
    """Three clients on one key, and a fence behind them."""

    store_class: ClassVar[type[RecordingStore]] = RecordingStore
    leases_class: ClassVar[type[LeaseManager]] = LeaseManager
    is_fenced: ClassVar[bool] = True
    promises: ClassVar[frozenset[str]] = PROMISES
    happened: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = self.store_class(self.clock)
        self.leases = self.leases_class(self.store, TIMES, self.clock)
        self.holding: dict[str, Lease] = {}
        self.abandoned: list[Lease] = []  # of processes that stall, and of those that died
        self.busy: set[str] = set()
        self.grants: list[Lease] = []
        self.cut_off: dict[int, float] = {}  # grant of a lease whose document an operator deleted: when its trust was to end then
        self.submitted: list[Publish] = []
        self.fence = Publish(-1, 0)
        self.is_broken = False

    @property
    def handles(self) -> list[Lease]:
        """Every lease that was granted and not released."""
        return [*self.holding.values(), *self.abandoned]

    def has_free_client(self) -> bool:
        return any(client not in self.holding for client in CLIENTS)

    # Rules

    @precondition(has_free_client)
    @rule(number=ANY, submits=st.booleans())
    def try_acquire(self, number: int, submits: bool) -> None:
        free = [client for client in CLIENTS if client not in self.holding]
        lease = self._try_acquire(free[number % len(free)])
        if lease is not None and submits:
            self._check_and_submit(lease)

    @precondition(lambda self: self.handles)
    @rule(number=ANY, notes_a_job=st.booleans())
    def renew(self, number: int, notes_a_job: bool) -> None:
        lease = self._pick(number)
        try:
            with self.store.called_by(Actor(holder_ids={lease.holder_id})):
                lease.note_job("publish_001") if notes_a_job else lease.renew()
        except LeaseLost as lost:
            self.happened[f"lost: {lost.reason}"] += 1
            return
        self.happened["renewed"] += 1
        # A job is noted as far as the store answers, and gives no more trust where it does not.
        self._require(notes_a_job or self.grants.index(lease) not in self.cut_off, CUT_OFF)

    @precondition(lambda self: self.handles)
    @rule(number=ANY)
    def release(self, number: int) -> None:
        self._release(self._pick(number))

    @precondition(lambda self: self.holding)
    @rule(number=ANY)
    def stall_or_die(self, number: int) -> None:
        """Another process takes the client's place; this one may come back."""
        client = list(self.holding)[number % len(self.holding)]
        self.abandoned.append(self.holding.pop(client))

    @precondition(lambda self: self.handles)
    @rule(number=ANY, lands_at_once=st.booleans())
    def check_and_submit(self, number: int, lands_at_once: bool) -> None:
        lease = self._pick(number)
        if self._check_and_submit(lease) and lands_at_once:
            is_published = self._land(self.submitted.pop())
            self._require(is_published or self.grants.index(lease) in self.cut_off, HOLDER_PUBLISHES)

    @precondition(lambda self: self.submitted)
    @rule(number=ANY)
    def land_a_publish(self, number: int) -> None:
        self._land(self.submitted.pop(number % len(self.submitted)))

    @rule(seconds=SECONDS)
    def advance_the_clock(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(verb=st.sampled_from(["create", "read", "replace", "delete"]), fault=FAULTS, seconds=SECONDS, rival_acts=st.booleans())
    def inject_a_fault(self, verb: str, fault: Fault, seconds: float, rival_acts: bool) -> None:
        self.store.inject(verb, replace(fault, meanwhile=lambda: self._meanwhile(seconds, rival_acts)))

    @precondition(lambda self: not self.store.outage)
    @rule(fault=st.sampled_from([ANSWER_LOST, DROPPED]), calls=st.integers(1, 12))
    def begin_an_outage(self, fault: Fault, calls: int) -> None:
        unanswered_until = len(self.store.calls) + calls

        def time_passes() -> None:
            self.clock.advance(OUTAGE_CALL_S)
            if len(self.store.calls) >= unanswered_until:
                self.store.outage = None

        self.store.outage = replace(fault, meanwhile=time_passes)

    @precondition(lambda self: self.store.document(KEY))
    @rule()
    def operator_deletes_the_document(self) -> None:
        """Its holder cannot know: it may believe until its trust ends or a renewal is answered, and another may hold the lease."""
        document = self.store.document(KEY)
        assert document is not None
        for lease in self.handles:
            if (lease.holder_id, lease.fencing_token) == (document.fields["holder_id"], document.fencing_token):
                self.cut_off.setdefault(self.grants.index(lease), self.clock.now + lease.remaining_s)
        self.store._delete_for(Actor(is_operator=True), KEY, document.version)

    # Promises

    @invariant()
    def one_believes(self) -> None:
        believers = [lease for lease in self.handles if lease.remaining_s > 0 and not lease.lost.is_set()]
        for lease in believers:
            lease.check()
        self.happened["two believe: an operator deleted the document of one"] += len(believers) > 1
        by_right = [lease for lease in believers if self.grants.index(lease) not in self.cut_off]
        self._require(len(by_right) <= 1, ONE_BELIEVES)
        for lease in by_right:
            self._require(self.clock.now + lease.remaining_s <= self._stands_until(lease) + ROUNDING_S, TRUST_ENDS_FIRST)
        for lease in believers:
            trusted_until = self.cut_off.get(self.grants.index(lease))
            self._require(trusted_until is None or self.clock.now + lease.remaining_s <= trusted_until + ROUNDING_S, CUT_OFF)

    @invariant()
    def documents_are_removed_by_right(self) -> None:
        self._require(all(removal.is_by_right for removal in self.store.removals), REMOVED_BY_RIGHT)
        self.store.removals.clear()

    def teardown(self) -> None:
        """Once all is calm and nobody holds the lease, a newcomer gets it after lease and grace."""
        self.store.calm_down()
        for lease in self.handles:
            self._release(lease)
        if self.is_broken:
            return
        self.documents_are_removed_by_right()
        self.clock.advance(TIMES.lease_s + TIMES.grace_s + MILLISECOND)
        with suppress(LeaseHeld, LeaseStoreUnavailable):
            self._acquire("a")
        self._require("a" in self.holding, FREE_AFTER_EXPIRY)
        for lease in self.handles:
            self._release(lease)
        self._require(self.store.document(KEY) is None, FREE_AFTER_EXPIRY)

    # What the rules do

    def _require(self, is_kept: bool, promise: str) -> None:
        if not is_kept and promise in self.promises:
            self.is_broken = True
            raise Broken(promise)

    def _stands_until(self, lease: Lease) -> float:
        document = self.store.document(KEY)
        is_its_own = document is not None and (document.fields["holder_id"], document.fencing_token) == (lease.holder_id, lease.fencing_token)
        return document.updated + VALID_S if document is not None and is_its_own else self.clock.now

    def _pick(self, number: int) -> Lease:
        return self.handles[number % len(self.handles)]

    def _try_acquire(self, client: str) -> Lease | None:
        try:
            lease = self._acquire(client)
        except (LeaseHeld, LeaseStoreUnavailable) as error:
            self.happened[type(error).__name__] += 1
            return None
        self.happened["granted" if lease.taken_over is None else "taken over"] += 1
        return lease

    def _acquire(self, client: str) -> Lease:
        self.busy.add(client)
        try:
            with self.store.called_by(Actor(may_evict=True)):
                lease = self.leases.try_acquire(KEY, {"run_id": client})
        finally:
            self.busy.remove(client)
        newest = max((granted.fencing_token for granted in self.grants), default=0)
        self.holding[client] = lease
        self.grants.append(lease)
        self._require(lease.fencing_token > newest, TOKENS_GROW)
        return lease

    def _release(self, lease: Lease) -> None:
        self.holding = {client: other for client, other in self.holding.items() if other is not lease}
        self.abandoned = [other for other in self.abandoned if other is not lease]
        with self.store.called_by(Actor(holder_ids={lease.holder_id})):
            self.happened["released" if lease.release() else "release not confirmed"] += 1

    def _check_and_submit(self, lease: Lease) -> bool:
        try:
            lease.check()
        except LeaseLost as lost:
            self.happened[f"lost: {lost.reason}"] += 1
            return False
        self.submitted.append(Publish(self.grants.index(lease), lease.fencing_token))
        return True

    def _land(self, publish: Publish) -> bool:
        if self.is_fenced and publish.fencing_token < self.fence.fencing_token:
            self.happened["fenced out"] += 1
            return False
        self.happened["published"] += 1
        self._require(publish.grant >= self.fence.grant, FENCE_GOES_ON)
        self.fence = publish
        return True

    def _meanwhile(self, seconds: float, rival_acts: bool) -> None:
        """What happens while a client waits for an answer: time passes, and a client that waits for nothing may try to acquire."""
        self.clock.advance(seconds)
        free = [client for client in CLIENTS if client not in self.holding and client not in self.busy]
        if rival_acts and free:
            self._try_acquire(free[0])
            self.one_believes()


@pytest.fixture(autouse=True)
def without_pauses_and_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A renewal that is not answered asks again at once; thousands of warnings are not kept."""
    monkeypatch.setattr(lease_module, "random", SimpleNamespace(uniform=lambda _low, _high: 0.0))
    monkeypatch.setattr(lease_store_module, "random", SimpleNamespace(uniform=lambda _low, _high: 0.0))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def run_machine(machine: type[LeaseMachine], examples: int, phases: tuple[Phase, ...] = (Phase.generate, Phase.shrink)) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=70,
            deadline=None,
            derandomize=True,
            database=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_sequence_of_events_breaks_a_promise() -> None:
    LeaseMachine.happened.clear()
    run_machine(LeaseMachine, examples=300)
    assert {event for event, times in LeaseMachine.happened.items() if times} >= {
        *("granted", "taken over", "LeaseHeld", "LeaseStoreUnavailable", "renewed", "released", "release not confirmed"),
        *("lost: expired", "lost: taken_over", "lost: deleted", "published", "fenced out"),
        "two believe: an operator deleted the document of one",
    }


# The machine finds what is wrong


class DeletesWhateverStandsThere(RecordingStore):
    def _delete(self, key: LeaseKey, version: Any) -> None:
        if self._documents.pop(key, None) is None:
            raise VersionConflict


class RenewsWhateverStandsThere(RecordingStore):
    def _replace(self, key: LeaseKey, version: Any, fields: Mapping[str, Any]) -> WriteResult:
        document = self._documents.get(key)
        return super()._replace(key, document.version if document else version, fields)


class CreatesOverWhatStandsThere(RecordingStore):
    def _create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        self._documents.pop(key, None)
        return super()._create(key, fields)


class BeginsItsTokensAgain(RecordingStore):
    def _create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        written = super()._create(key, fields)
        self._documents[key] = replace(self._documents[key], fencing_token=1)
        return replace(written, fencing_token=1)


class GivesFallingTokens(RecordingStore):
    def _create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        written = super()._create(key, fields)
        fencing_token = 10**15 - written.fencing_token
        self._documents[key] = replace(self._documents[key], fencing_token=fencing_token)
        return replace(written, fencing_token=fencing_token)


class JudgesAgeByAClockThatIsAhead(RecordingStore):
    def _record(self, key: LeaseKey) -> LeaseRecord | None:
        record = super()._record(key)
        return record and replace(record, age_s=record.age_s + 600)


class TellsNoAge(RecordingStore):
    def _record(self, key: LeaseKey) -> LeaseRecord | None:
        record = super()._record(key)
        return record and replace(record, age_s=0.0)


class TrustsFromTheAnswerOn(LeaseManager):
    def try_acquire(self, *args: Any, **kwargs: Any) -> Lease:
        lease = super().try_acquire(*args, **kwargs)
        lease._valid_until = self._clock() + self.times.valid_s
        return lease


class ForgetsTheDriftShare(LeaseManager):
    def __init__(self, store: LeaseStore, times: LeaseTimes, clock: Callable[[], float]) -> None:
        super().__init__(store, TimesWithoutDrift(times.lease_s, grace_s=times.grace_s, rpc_s=times.rpc_s), clock)


class TimesWithoutDrift(LeaseTimes):
    @property
    def valid_s(self) -> float:
        return self.lease_s


def expect_broken(promise: str, **mutation: Any) -> None:
    """The machine, judging by this promise alone, finds it broken."""
    mutant = type("Mutant", (LeaseMachine,), {"promises": frozenset({promise}), **mutation})
    with pytest.raises(Broken, match=promise):
        run_machine(mutant, examples=1_000, phases=(Phase.generate,))


@pytest.mark.parametrize(
    ("store", "promise"),
    [
        (DeletesWhateverStandsThere, REMOVED_BY_RIGHT),
        (DeletesWhateverStandsThere, ONE_BELIEVES),
        (RenewsWhateverStandsThere, CUT_OFF),
        (CreatesOverWhatStandsThere, ONE_BELIEVES),
        (GivesFallingTokens, HOLDER_PUBLISHES),
        (BeginsItsTokensAgain, TOKENS_GROW),
        (JudgesAgeByAClockThatIsAhead, ONE_BELIEVES),
        (JudgesAgeByAClockThatIsAhead, REMOVED_BY_RIGHT),
        (TellsNoAge, FREE_AFTER_EXPIRY),
        (TellsNoAge, TRUST_ENDS_FIRST),
    ],
)
def test_a_wrong_store_is_found(store: type[RecordingStore], promise: str) -> None:
    expect_broken(promise, store_class=store)


@pytest.mark.parametrize("leases", [TrustsFromTheAnswerOn, ForgetsTheDriftShare])
def test_a_lease_that_is_trusted_for_too_long_is_found(leases: type[LeaseManager]) -> None:
    expect_broken(TRUST_ENDS_FIRST, leases_class=leases)


def test_an_owner_id_that_all_clients_share_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _bytes: "host_2026-01-10")
    expect_broken(ONE_BELIEVES)


def test_a_write_without_a_fence_is_found() -> None:
    expect_broken(FENCE_GOES_ON, is_fenced=False)
