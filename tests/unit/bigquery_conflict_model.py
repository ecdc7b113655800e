"""Every interleaving of writers of one date under BigQuery's documented conflict rules, without BigQuery.

The rules, in short, from https://cloud.google.com/bigquery/docs/transactions and .../data-manipulation-language (conflicts):

1. Snapshot isolation: a transaction reads the tables as they were when it began, and its own changes; nobody else sees those
   before its commit, which is atomic.
2. A transaction that mutates a table (updates or deletes rows) cannot run beside another transaction or DML statement that
   mutates the same table, whatever the rows: one is cancelled. Which one is not documented, so both are tried here, and a table
   mutated since the snapshot conflicts as well. The cancelled one starts again, up to RETRIES times. (BigQuery queues or reruns
   a DML statement outside a transaction by itself: the same, here.)
3. Appends conflict with nothing: neither INSERT nor load jobs.
4. What found no row to update or delete has mutated nothing. Documented for a MERGE whose UPDATE and DELETE clauses are not
   invoked, and taken here for DELETE and UPDATE too: the worse case.
5. WRITE_TRUNCATE is one atomic replacement when its job completes, of a partition or by a copy, and conflicts with nothing.

One row of the target stands for all the rows of one run, so two rows are duplicates, or a mixture of two runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

RETRIES = 2


class Row(NamedTuple):
    """Who wrote it, with which token; in either table."""

    token: int
    writer: str


class Tables(NamedTuple):
    """The rows of the date in the two tables."""

    write_fences: tuple[Row, ...] = ()
    target: tuple[Row, ...] = ()


class Attempt(NamedTuple):
    """A transaction that runs: a single statement outside one is a transaction of its own."""

    writer: str
    token: int | None
    snapshot: Tables
    view: Tables
    mutated: frozenset[str] = frozenset()
    outdated: frozenset[str] = frozenset()  # mutated by others since the snapshot

    def append(self, table: str, row: Row) -> Attempt:
        return self._replace(view=self.view._replace(**{table: (*getattr(self.view, table), row)}))

    def mutate(self, table: str, rows: tuple[Row, ...]) -> Attempt:
        return self._replace(view=self.view._replace(**{table: rows}), mutated=self.mutated | {table})

    @property
    def row(self) -> Row:
        assert self.token is not None
        return Row(self.token, self.writer)


class Refused(Exception):
    """A guard in the statement raised an error: the transaction is rolled back and not tried again."""


Statement = Callable[[Attempt], Attempt]


def seed_fence(attempt: Attempt) -> Attempt:
    """INSERT the fence row WHERE NOT EXISTS."""
    return attempt if attempt.view.write_fences else attempt.append("write_fences", Row(0, "seed"))


def update_fence(attempt: Attempt) -> Attempt:
    """UPDATE the fence rows that are not newer; without a lease, all of them, by one."""
    rows = attempt.view.write_fences
    if attempt.token is None:
        return attempt.mutate("write_fences", tuple(Row(row.token + 1, attempt.writer) for row in rows)) if rows else attempt
    if not any(row.token <= attempt.token for row in rows):
        return attempt
    return attempt.mutate("write_fences", tuple(attempt.row if row.token <= attempt.token else row for row in rows))


def upsert_fence(attempt: Attempt) -> Attempt:
    """MERGE the fence row: update it, or insert it where it is missing."""
    return update_fence(attempt) if attempt.view.write_fences else attempt.append("write_fences", attempt.row)


def check_fence(attempt: Attempt) -> Attempt:
    """ERROR unless the newest token of the fence is this writer's; without a lease, that of the row it updated."""
    rows = attempt.view.write_fences
    token = attempt.token if attempt.token is not None else max((row.token for row in rows if row.writer == attempt.writer), default=None)
    if token is None or max((row.token for row in rows), default=None) != token:
        raise Refused
    return attempt._replace(token=token)


def delete_date(attempt: Attempt) -> Attempt:
    """DELETE the date's rows. Rule 4: where there is none, nothing was mutated."""
    return attempt.mutate("target", ()) if attempt.view.target else attempt


def insert_rows(attempt: Attempt) -> Attempt:
    """INSERT the rows of this run, or append them by a load job."""
    return attempt.append("target", attempt.row)


def check_rows(attempt: Attempt) -> Attempt:
    """ERROR unless the date holds the rows of this run and no other."""
    if attempt.view.target != (attempt.row,):
        raise Refused
    return attempt


def merge_rows_unless_newer(attempt: Attempt) -> Attempt:
    """MERGE: ERROR for a stored row with a newer token; delete what is stored, insert the rows of this run."""
    if any(row.token > attempt.row.token for row in attempt.view.target):
        raise Refused
    return insert_rows(delete_date(attempt))


@dataclass(frozen=True)
class Job:
    """One transaction or single statement; ``overwrites`` is WRITE_TRUNCATE."""

    statements: tuple[Statement, ...]
    overwrites: bool = False


Design = tuple[Job, ...]

DELETE_THEN_LOAD: Design = (Job((delete_date,)), Job((insert_rows,)))
TRANSACTION: Design = (Job((delete_date, insert_rows)),)
MERGE_WITH_TOKEN: Design = (Job((merge_rows_unless_newer,)),)
WRITE_TRUNCATE: Design = (Job((insert_rows,), overwrites=True),)
FENCE_INSERTED_WHEN_MISSING: Design = (Job((upsert_fence, check_fence, delete_date, insert_rows, check_rows)),)
PUBLISH = Job((update_fence, check_fence, delete_date, insert_rows, check_rows))
FENCE_SEEDED_BEFORE: Design = (Job((seed_fence,)), PUBLISH)


class Writer(NamedTuple):
    """How far a writer has come; ``ran`` counts the statements of its attempt."""

    name: str
    token: int | None
    job: int = 0
    ran: int = 0
    retries: int = 0
    attempt: Attempt | None = None
    outcome: Literal["published", "refused", "gave_up"] | None = None

    def cancelled(self) -> Writer:
        left = self.retries < RETRIES
        return self._replace(attempt=None, ran=0, retries=self.retries + 1, outcome=None if left else "gave_up")


class State(NamedTuple):
    """What is committed, where the writers stand, and the rows published so far, in order."""

    tables: Tables
    writers: tuple[Writer, ...]
    published: tuple[Row, ...] = ()

    def with_writers(self, *changed: Writer) -> State:
        by_name = {writer.name: writer for writer in changed}
        return self._replace(writers=tuple(by_name.get(writer.name, writer) for writer in self.writers))


def reachable(design: Design, tokens: dict[str, int | None], start: Tables) -> set[State]:
    """Every state that writers with these tokens can bring about, whatever the order of their steps."""
    first = State(start, tuple(Writer(name, token) for name, token in tokens.items()))
    seen, unexplored = {first}, [first]
    while unexplored:
        state = unexplored.pop()
        for writer in state.writers:
            if writer.outcome is None:
                for after in _steps(design, state, writer):
                    if after not in seen:
                        seen.add(after)
                        unexplored.append(after)
    return seen


def has_duplicates(state: State) -> bool:
    """Two runs' rows stand side by side."""
    return len(state.tables.target) > 1


def is_stale(state: State) -> bool:
    """An older run's rows stand where a newer run had published."""
    rows = state.tables.target
    return bool(rows) and max(row.token for row in state.published or rows) > max(row.token for row in rows)


def _steps(design: Design, state: State, writer: Writer) -> Iterator[State]:
    job = design[writer.job]
    if writer.attempt is None:
        attempt = Attempt(writer.name, writer.token, snapshot=state.tables, view=state.tables)
        yield state.with_writers(writer._replace(attempt=attempt))
    elif writer.ran == len(job.statements):
        yield _commit(design, state, writer, writer.attempt)
    else:
        try:
            ran, attempt = _run(job, writer.ran, writer.attempt)
        except Refused:
            yield state.with_writers(writer._replace(attempt=None, outcome="refused"))
            return
        yield from _settle_conflicts(state, writer._replace(ran=ran, attempt=attempt), attempt.mutated - writer.attempt.mutated)


def _run(job: Job, ran: int, attempt: Attempt) -> tuple[int, Attempt]:
    """Run statements up to the first that mutates a table: the others can be seen by nobody, so their order does not matter."""
    mutated = attempt.mutated
    while ran < len(job.statements) and attempt.mutated == mutated:
        attempt = job.statements[ran](attempt)
        ran += 1
    return ran, attempt


def _settle_conflicts(state: State, writer: Writer, mutated: frozenset[str]) -> Iterator[State]:
    assert writer.attempt is not None
    rivals = [other for other in state.writers if other.name != writer.name and other.attempt and other.attempt.mutated & mutated]
    outdated = bool(mutated & writer.attempt.outdated)
    if rivals or outdated:
        yield state.with_writers(writer.cancelled())
    if not outdated:
        yield state.with_writers(writer, *(rival.cancelled() for rival in rivals))


def _commit(design: Design, state: State, writer: Writer, attempt: Attempt) -> State:
    job = design[writer.job]
    tables = Tables(*(_merged(*rows) for rows in zip(state.tables, attempt.snapshot, attempt.view, strict=True)))
    if job.overwrites:
        tables = tables._replace(target=(attempt.row,))
    is_last = writer.job == len(design) - 1
    done = Writer(writer.name, writer.token, job=writer.job + 1, outcome="published" if is_last else None)
    others = [
        other._replace(attempt=other.attempt._replace(outdated=other.attempt.outdated | attempt.mutated))
        for other in state.writers
        if other.name != writer.name and other.attempt
    ]
    published = (*state.published, attempt.row) if is_last else state.published
    return state.with_writers(done, *others)._replace(tables=tables, published=published)


def _merged(committed: tuple[Row, ...], snapshot: tuple[Row, ...], view: tuple[Row, ...]) -> tuple[Row, ...]:
    """What is committed, less the rows the transaction took from its snapshot, with those it added."""
    left = Counter(committed) - (Counter(snapshot) - Counter(view))
    return tuple(sorted((left + (Counter(view) - Counter(snapshot))).elements()))
