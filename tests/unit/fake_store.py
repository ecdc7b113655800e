"""A lease store in memory with an injected clock. Each call can lose its answer, never arrive, or take effect late."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.store import AlreadyExists, LeaseKey, LeaseRecord, VersionConflict, WriteResult, fields_of

T = TypeVar("T")


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Fault:
    """What happens to one call. ``meanwhile`` runs before the caller gets an answer: time passes, or another client writes."""

    takes_effect: Literal["now", "late", "never"] = "now"
    answered: bool = False
    meanwhile: Callable[[], object] = lambda: None


ANSWER_LOST = Fault("now")
DROPPED = Fault("never")
LANDS_LATE = Fault("late")  # just before the next call of the same verb


def slow(meanwhile: Callable[[], object]) -> Fault:
    """Takes effect at once and is answered, after ``meanwhile``."""
    return Fault("now", answered=True, meanwhile=meanwhile)


@dataclass(frozen=True)
class Document:
    fencing_token: int
    version: int
    created: float
    updated: float
    fields: Mapping[str, Any] = field(default_factory=dict)


class FakeStore:
    """See LeaseStore. ``calls`` lists the verbs called; ``outage`` is the fault of every call while it is set."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.calls: list[str] = []
        self.outage: Fault | None = None
        self._clock = clock
        self._documents: dict[LeaseKey, Document] = {}
        self._last_stamp = 0
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._in_flight: dict[str, Callable[[], object]] = {}
        self._changed = threading.Condition(threading.RLock())

    def inject(self, verb: str, *faults: Fault) -> None:
        """Give the next calls of ``verb`` these faults, in order."""
        self._faults[verb].extend(faults)

    def create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        return self._call("create", lambda: self._create(key, fields))

    def read(self, key: LeaseKey) -> LeaseRecord | None:
        return self._call("read", lambda: self._record(key))

    def replace(self, key: LeaseKey, version: Any, fields: Mapping[str, Any]) -> WriteResult:
        return self._call("replace", lambda: self._replace(key, version, fields))

    def delete(self, key: LeaseKey, version: Any) -> None:
        self._call("delete", lambda: self._delete(key, version))

    def list(self, operation: str) -> list[LeaseRecord]:
        return self._call("list", lambda: [record for key in self._documents if key.operation == operation and (record := self._record(key))])

    @contextmanager
    def watch(self, key: LeaseKey, on_change: Callable[[LeaseRecord | None], None]) -> Iterator[None]:
        self._call("watch", lambda: None)
        stopped = threading.Event()

        def report() -> None:
            seen: object = object()
            while True:
                with self._changed:
                    while not stopped.is_set() and self._documents.get(key) is seen:
                        self._changed.wait()
                    if stopped.is_set():
                        return
                    seen = self._documents.get(key)
                    record = self._record(key)
                on_change(record and replace(record, age_s=0.0))

        thread = threading.Thread(target=report, name=f"watch-{key}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                stopped.set()
                self._changed.notify_all()
            thread.join()

    def _call(self, verb: str, effect: Callable[[], T]) -> T:
        with self._changed:
            self.calls.append(verb)
            with suppress(AlreadyExists, VersionConflict):
                self._in_flight.pop(verb, lambda: None)()
            faults = self._faults[verb]
            fault = faults.popleft() if faults else self.outage or slow(lambda: None)
            answer: Future[T] = Future()
            if fault.takes_effect == "now":
                try:
                    answer.set_result(effect())
                except (AlreadyExists, VersionConflict) as refusal:
                    answer.set_exception(refusal)
            elif fault.takes_effect == "late":
                self._in_flight[verb] = effect
            self._changed.notify_all()
        fault.meanwhile()
        if not fault.answered:
            raise LeaseStoreUnavailable(f"no answer to {verb}")
        return answer.result(timeout=0)

    def _create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        if key in self._documents:
            raise AlreadyExists
        stamp, now = self._stamp(), self._clock()
        self._documents[key] = Document(fencing_token=stamp, version=stamp, created=now, updated=now, fields={**fields, "renewals": 0})
        return WriteResult(fencing_token=stamp, version=stamp)

    def _replace(self, key: LeaseKey, version: Any, fields: Mapping[str, Any]) -> WriteResult:
        document = self._unchanged(key, version)
        changed = {**document.fields, **fields, "renewals": document.fields["renewals"] + 1}
        self._documents[key] = replace(document, version=self._stamp(), updated=self._clock(), fields=changed)
        return WriteResult(fencing_token=document.fencing_token, version=self._documents[key].version)

    def _delete(self, key: LeaseKey, version: Any) -> None:
        self._unchanged(key, version)
        del self._documents[key]

    def _unchanged(self, key: LeaseKey, version: Any) -> Document:
        document = self._documents.get(key)
        if document is None or document.version != version:
            raise VersionConflict
        return document

    def _record(self, key: LeaseKey) -> LeaseRecord | None:
        document = self._documents.get(key)
        if document is None:
            return None
        now = self._clock()
        return LeaseRecord(
            key=key,
            fencing_token=document.fencing_token,
            version=document.version,
            age_s=now - document.updated,
            held_s=now - document.created,
            **fields_of(document.fields),
        )

    def _stamp(self) -> int:
        self._last_stamp = max(round(self._clock() * 1_000_000), self._last_stamp + 1)
        return self._last_stamp
