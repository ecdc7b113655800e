"""The verdicts of docs/decisions.md on ways to replace a date, each from all interleavings of an old and a new writer."""

from __future__ import annotations

import re

import pytest

from nba_grading.warehouse.sql import load_sql
from tests.unit.bigquery_conflict_model import (
    DELETE_THEN_LOAD,
    FENCE_INSERTED_WHEN_MISSING,
    FENCE_SEEDED_BEFORE,
    MERGE_WITH_TOKEN,
    PUBLISH,
    TRANSACTION,
    WRITE_TRUNCATE,
    Design,
    Job,
    Row,
    State,
    Tables,
    check_fence,
    has_duplicates,
    is_stale,
    reachable,
)

OLD_AND_NEW: dict[str, int | None] = {"old": 5, "new": 6}
BEFORE = Row(4, "before")
EMPTY = Tables()
FILLED = Tables(write_fences=(BEFORE,), target=(BEFORE,))
SEEDED = Tables(write_fences=(Row(0, "seed"),))
SEEDED_TWICE = Tables(write_fences=(Row(0, "seed"), Row(0, "seed")))


def verdict(states: set[State]) -> tuple[str, str]:
    duplicates, stale = any(map(has_duplicates, states)), any(map(is_stale, states))
    return "duplicates" if duplicates else "no duplicates", "stale over newer" if stale else "never stale"


@pytest.mark.parametrize(
    ("design", "start", "expected"),
    [
        pytest.param(DELETE_THEN_LOAD, EMPTY, ("duplicates", "stale over newer"), id="DELETE job and load job, empty date"),
        pytest.param(DELETE_THEN_LOAD, FILLED, ("duplicates", "stale over newer"), id="DELETE job and load job, filled date"),
        pytest.param(TRANSACTION, EMPTY, ("duplicates", "stale over newer"), id="transaction, empty date"),
        pytest.param(TRANSACTION, FILLED, ("no duplicates", "stale over newer"), id="transaction, filled date"),
        pytest.param(MERGE_WITH_TOKEN, EMPTY, ("duplicates", "never stale"), id="MERGE with a token, empty date"),
        pytest.param(MERGE_WITH_TOKEN, FILLED, ("no duplicates", "never stale"), id="MERGE with a token, filled date"),
        pytest.param(WRITE_TRUNCATE, EMPTY, ("no duplicates", "stale over newer"), id="WRITE_TRUNCATE, empty date"),
        pytest.param(WRITE_TRUNCATE, FILLED, ("no duplicates", "stale over newer"), id="WRITE_TRUNCATE, filled date"),
        pytest.param(FENCE_INSERTED_WHEN_MISSING, EMPTY, ("duplicates", "never stale"), id="fence row inserted when missing, empty date"),
        pytest.param(FENCE_INSERTED_WHEN_MISSING, FILLED, ("no duplicates", "never stale"), id="fence row inserted when missing, filled date"),
        pytest.param(FENCE_SEEDED_BEFORE, EMPTY, ("no duplicates", "never stale"), id="ours, empty date"),
        pytest.param(FENCE_SEEDED_BEFORE, SEEDED, ("no duplicates", "never stale"), id="ours, empty date with its fence row"),
        pytest.param(FENCE_SEEDED_BEFORE, SEEDED_TWICE, ("no duplicates", "never stale"), id="ours, empty date with two fence rows"),
        pytest.param(FENCE_SEEDED_BEFORE, FILLED, ("no duplicates", "never stale"), id="ours, filled date"),
    ],
)
def test_what_an_old_and_a_new_writer_can_leave(design: Design, start: Tables, expected: tuple[str, str]) -> None:
    assert verdict(reachable(design, OLD_AND_NEW, start)) == expected


@pytest.fixture(scope="module", params=[EMPTY, FILLED], ids=["empty", "filled"])
def three_writers(request: pytest.FixtureRequest) -> set[State]:
    return reachable(FENCE_SEEDED_BEFORE, {**OLD_AND_NEW, "unleased": None}, request.param)


def test_three_writers_one_without_a_lease_leave_one_run_at_any_moment(three_writers: set[State]) -> None:
    assert verdict(three_writers) == ("no duplicates", "never stale")


def test_of_two_leased_writers_the_older_never_publishes_after_the_newer(three_writers: set[State]) -> None:
    orders = {tuple(row.writer for row in state.published) for state in three_writers}
    assert ("old", "new", "unleased") in orders
    assert ("new", "unleased") in orders
    assert not any("old" in order[order.index("new") :] for order in orders if "new" in order)


def test_a_date_that_holds_rows_is_never_seen_without_any() -> None:
    assert all(state.tables.target for state in reachable(FENCE_SEEDED_BEFORE, OLD_AND_NEW, FILLED))
    assert not all(state.tables.target for state in reachable(DELETE_THEN_LOAD, OLD_AND_NEW, FILLED))


def test_somebody_always_publishes(three_writers: set[State]) -> None:
    ends = [state for state in three_writers if all(writer.outcome for writer in state.writers)]
    assert ends
    assert all(state.published for state in ends)


def test_two_seeds_can_race_and_leave_two_fence_rows() -> None:
    assert max(len(state.tables.write_fences) for state in reachable(FENCE_SEEDED_BEFORE, OLD_AND_NEW, EMPTY)) == 2


def test_without_a_fence_row_nobody_publishes() -> None:
    assert not any(state.published for state in reachable((PUBLISH,), OLD_AND_NEW, EMPTY))


def test_without_the_guard_an_older_run_overwrites_a_newer() -> None:
    unguarded = Job(tuple(statement for statement in PUBLISH.statements if statement is not check_fence))
    assert verdict(reachable((unguarded,), OLD_AND_NEW, SEEDED)) == ("no duplicates", "stale over newer")


STATEMENTS = {
    r"UPDATE nba_predictions\.write_fences\b": "update_fence",
    r"SELECT .*ASSERTION fenced_out": "check_fence",
    r"DELETE FROM \{target\}": "delete_date",
    r"INSERT INTO \{target\}": "insert_rows",
    r"SELECT .*ASSERTION not_as_audited": "check_rows",
}


def test_the_publish_script_has_the_statements_of_the_model_in_its_order() -> None:
    text = re.sub(r"--[^\n]*", "", load_sql("guarded_write/publish_staging"))
    statements = [" ".join(statement.split()) for statement in text.split(";")]
    inside = statements[statements.index("BEGIN TRANSACTION") + 1 : statements.index("COMMIT TRANSACTION")]
    writes_and_guards = [statement for statement in inside if not statement.startswith("SET ")]
    named = [next((name for pattern, name in STATEMENTS.items() if re.match(pattern, statement)), statement) for statement in writes_and_guards]
    assert named == [statement.__name__ for statement in PUBLISH.statements]
    assert inside[0] == writes_and_guards[0], "the transaction begins with the UPDATE that makes two publishes conflict"


def test_the_publish_script_opens_its_transaction_once_and_handles_no_error() -> None:
    text = re.sub(r"--[^\n]*", "", load_sql("guarded_write/publish_staging"))
    assert [text.count(word) for word in ("BEGIN", "BEGIN TRANSACTION", "COMMIT TRANSACTION", "EXCEPTION", "ROLLBACK")] == [1, 1, 1, 0, 0]
