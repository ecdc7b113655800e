"""Every interleaving of writers of sets of dates under BigQuery's documented conflict rules, without BigQuery.

The rules, in short, from https://cloud.google.com/bigquery/docs/transactions and .../data-manipulation-language (conflicts):

1. Snapshot isolation: a transaction reads the tables as they were when it began, and its own changes; nobody else sees those
   before its commit, which is atomic.
2. A transaction that mutates a table (updates or deletes rows) cannot run beside another transaction or DML statement that
   mutates the same table, whatever the rows: one is cancelled. Which one is not documented, so both are tried here, and a table
   mutated since the snapshot conflicts as well. The cancelled one starts again, up to RETRIES times. (BigQuery queues or reruns
   a DML statement outside a transaction by itself: the same, here.) What counts as one table is the world's ``locks``.
3. Appends conflict with nothing: neither INSERT nor load jobs.
4. What found no row to update or delete has mutated nothing. Documented for a MERGE whose UPDATE and DELETE clauses are not
   invoked, and taken here for DELETE and UPDATE too: the worse case.
5. WRITE_TRUNCATE is one atomic replacement when its job completes, of a partition or by a copy, and conflicts with nothing.

A writer that is killed stops at any point, and its open transaction rolls back. (A job may also outlive its client: that is the writer
that was not killed yet.) One row of a target stands for all the rows of one run for one date, so two rows of a date are duplicates, or
a mixture of two runs. The statements and the designs made of them are in ``conflict_designs``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple

RETRIES = 2


class Partition(NamedTuple):
    """One date of a target table."""

    target: str
    day: int


class Row(NamedTuple):
    """Who wrote it, with which token: a fence row of the date, or the rows of one run."""

    of: Partition
    token: int
    writer: str


class Tables(NamedTuple):
    """The rows of all fences and of all targets. Which of them are one table to BigQuery is the world's ``locks``."""

    fences: tuple[Row, ...] = ()
    targets: tuple[Row, ...] = ()


Kind = Literal["fences", "targets"]
Mutations = frozenset[tuple[Kind, Partition]]
Claims = tuple[tuple[Partition, int | None], ...]


class Attempt(NamedTuple):
    """A transaction that runs: a single statement outside one is a transaction of its own."""

    writer: str
    claims: Claims
    snapshot: Tables
    view: Tables
    mutated: Mutations = frozenset()
    outdated: frozenset[object] = frozenset()  # the locks of what others have mutated since the snapshot

    def rows(self, kind: Kind, of: Partition) -> tuple[Row, ...]:
        return tuple(row for row in self.view._asdict()[kind] if row.of == of)

    def append(self, kind: Kind, row: Row) -> Attempt:
        return self._replace(view=self.view._replace(**{kind: (*self.view._asdict()[kind], row)}))

    def mutate(self, kind: Kind, of: Partition, rows: Iterable[Row]) -> Attempt:
        others = (row for row in self.view._asdict()[kind] if row.of != of)
        return self._replace(view=self.view._replace(**{kind: (*others, *rows)}), mutated=self.mutated | {(kind, of)})

    @property
    def written(self) -> tuple[Row, ...]:
        """The rows in the targets that are this writer's."""
        return tuple(row for row in self.view.targets if row.writer == self.writer)


class Refused(Exception):
    """A guard in the statement raised an error: the transaction is rolled back and not tried again."""


Statement = Callable[[Attempt], Attempt]


@dataclass(frozen=True)
class Job:
    """One transaction or single statement; ``overwrites`` is WRITE_TRUNCATE."""

    statements: tuple[Statement, ...]
    overwrites: bool = False


Design = tuple[Job, ...]
Locks = Callable[[Kind, Partition], object]


def fences_per_target(kind: Kind, of: Partition) -> object:
    """Each target has a table of fences: the rules as documented."""
    return kind, of.target


def shared_fences(kind: Kind, of: Partition) -> object:
    """The fences of all targets are one table."""
    return kind if kind == "fences" else (kind, of.target)


def by_date(kind: Kind, of: Partition) -> object:
    """Conflicts are noticed for the same date alone: less than is documented, so safety must not need more."""
    return kind, of


@dataclass(frozen=True)
class World:
    """What writers do, and under which rules. ``in_turn``: a last job begins only while nobody else runs one of the same target."""

    design: Design
    locks: Locks = fences_per_target
    mortal: frozenset[str] = frozenset()
    in_turn: bool = False

    def locked(self, mutated: Mutations) -> frozenset[object]:
        return frozenset(self.locks(kind, of) for kind, of in mutated)


class Writer(NamedTuple):
    """How far a writer has come; ``ran`` counts the statements of its attempt."""

    name: str
    claims: Claims
    job: int = 0
    ran: int = 0
    retries: int = 0
    attempt: Attempt | None = None
    outcome: Literal["done", "refused", "gave_up", "killed"] | None = None

    def cancelled(self) -> Writer:
        left = self.retries < RETRIES
        return self._replace(attempt=None, ran=0, retries=self.retries + 1, outcome=None if left else "gave_up")

    @property
    def targets(self) -> set[str]:
        return {of.target for of, _ in self.claims}


class State(NamedTuple):
    """What is committed, where the writers stand, and the rows published so far, in order."""

    tables: Tables
    writers: tuple[Writer, ...]
    published: tuple[Row, ...] = ()

    def with_writers(self, *changed: Writer) -> State:
        by_name = {writer.name: writer for writer in changed}
        return self._replace(writers=tuple(by_name.get(writer.name, writer) for writer in self.writers))

    @property
    def is_end(self) -> bool:
        return all(writer.outcome for writer in self.writers)

    def stored(self, of: Partition) -> tuple[Row, ...]:
        return tuple(row for row in self.tables.targets if row.of == of)

    def publishers(self, of: Partition) -> tuple[str, ...]:
        return tuple(row.writer for row in self.published if row.of == of)


def reachable(world: World, claims: Mapping[str, Claims], start: Tables) -> set[State]:
    """Every state that writers with these claims can bring about, whatever the order of their steps; none of them is a deadlock."""
    first = State(start, tuple(Writer(name, each) for name, each in claims.items()))
    seen, unexplored = {first}, [first]
    while unexplored:
        state = unexplored.pop()
        followers = list(chain.from_iterable(_steps(world, state, writer) for writer in state.writers if writer.outcome is None))
        assert followers or state.is_end, "writers wait for each other"
        new = set(followers) - seen
        seen |= new
        unexplored.extend(new)
    return seen


def has_duplicates(state: State) -> bool:
    """Two runs' rows of one date stand side by side."""
    return any(copies > 1 for copies in Counter(row.of for row in state.tables.targets).values())


def is_stale(state: State) -> bool:
    """An older run's rows stand where a newer run had published."""
    stored: dict[Partition, int] = {}
    for row in state.tables.targets:
        stored[row.of] = max(row.token, stored.get(row.of, 0))
    return any(row.token > stored.get(row.of, row.token) for row in state.published)


def has_cancelled(state: State) -> bool:
    """An attempt was cancelled by a conflict."""
    return any(writer.retries for writer in state.writers)


def _steps(world: World, state: State, writer: Writer) -> Iterator[State]:
    if writer.name in world.mortal:
        yield state.with_writers(writer._replace(attempt=None, ran=0, outcome="killed"))
    job = world.design[writer.job]
    if writer.attempt is None:
        if not (world.in_turn and _is_others_turn(world, state, writer)):
            attempt = Attempt(writer.name, writer.claims, snapshot=state.tables, view=state.tables)
            yield state.with_writers(writer._replace(attempt=attempt))
    elif writer.ran == len(job.statements):
        yield _commit(world, state, writer, writer.attempt)
    else:
        try:
            ran, attempt = _run(job, writer.ran, writer.attempt)
        except Refused:
            yield state.with_writers(writer._replace(attempt=None, outcome="refused"))
            return
        yield from _settle_conflicts(world, state, writer._replace(ran=ran, attempt=attempt), world.locked(attempt.mutated - writer.attempt.mutated))


def _is_others_turn(world: World, state: State, writer: Writer) -> bool:
    last = len(world.design) - 1
    return writer.job == last and any(other.job == last and other.attempt and other.targets & writer.targets for other in state.writers)


def _run(job: Job, ran: int, attempt: Attempt) -> tuple[int, Attempt]:
    """Run statements up to the first that mutates a table: the others can be seen by nobody, so their order does not matter."""
    mutated = attempt.mutated
    while ran < len(job.statements) and attempt.mutated == mutated:
        attempt = job.statements[ran](attempt)
        ran += 1
    return ran, attempt


def _settle_conflicts(world: World, state: State, writer: Writer, locked: frozenset[object]) -> Iterator[State]:
    assert writer.attempt is not None
    rivals = [other for other in state.writers if other.name != writer.name and other.attempt and world.locked(other.attempt.mutated) & locked]
    outdated = bool(locked & writer.attempt.outdated)
    if rivals or outdated:
        yield state.with_writers(writer.cancelled())
    if not outdated:
        yield state.with_writers(writer, *(rival.cancelled() for rival in rivals))


def _commit(world: World, state: State, writer: Writer, attempt: Attempt) -> State:
    tables = Tables(*(_merged(*rows) for rows in zip(state.tables, attempt.snapshot, attempt.view, strict=True)))
    if world.design[writer.job].overwrites:
        overwritten = {row.of for row in attempt.written}
        tables = tables._replace(targets=(*(row for row in tables.targets if row.of not in overwritten), *attempt.written))
    is_last = writer.job == len(world.design) - 1
    done = Writer(writer.name, writer.claims, job=writer.job + 1, outcome="done" if is_last else None)
    locked = world.locked(attempt.mutated)
    others = [
        other._replace(attempt=other.attempt._replace(outdated=other.attempt.outdated | locked))
        for other in state.writers
        if other.name != writer.name and other.attempt
    ]
    published = (*state.published, *attempt.written) if is_last else state.published
    return state.with_writers(done, *others)._replace(tables=tables, published=published)


def _merged(committed: tuple[Row, ...], snapshot: tuple[Row, ...], view: tuple[Row, ...]) -> tuple[Row, ...]:
    """What is committed, less the rows the transaction took from its snapshot, with those it added."""
    left = Counter(committed) - (Counter(snapshot) - Counter(view))
    return tuple(sorted((left + (Counter(view) - Counter(snapshot))).elements()))
