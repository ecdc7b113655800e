"""The verdicts of docs/decisions.md on ways to replace a date, each from all interleavings of an old and a new writer."""

from __future__ import annotations

import re

import pytest

from nba_grading.warehouse.sql import load_sql
from tests.unit.bigquery_conflict_model import Claims, Design, Partition, Row, State, Tables, World, has_duplicates, is_stale, reachable
from tests.unit.conflict_designs import (
    DELETE_THEN_LOAD,
    FENCE_INSERTED_WHEN_MISSING,
    FENCES_OF_ANY_TOKEN,
    MERGE_WITH_TOKEN,
    OURS,
    PUBLISH,
    TRANSACTION,
    WRITE_TRUNCATE,
)

DATE = Partition("grades", 1)
OLD_AND_NEW: dict[str, Claims] = {"old": ((DATE, 5),), "new": ((DATE, 6),)}
BEFORE = Row(DATE, 4, "before")
SEED = Row(DATE, 0, "seed")
EMPTY = Tables()
FILLED = Tables(fences=(BEFORE,), targets=(BEFORE,))
SEEDED = Tables(fences=(SEED,))
SEEDED_TWICE = Tables(fences=(SEED, SEED))


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
        pytest.param(FENCES_OF_ANY_TOKEN, EMPTY, ("no duplicates", "stale over newer"), id="fence row without comparing tokens, empty date"),
        pytest.param(OURS, EMPTY, ("no duplicates", "never stale"), id="ours, empty date"),
        pytest.param(OURS, SEEDED, ("no duplicates", "never stale"), id="ours, empty date with its fence row"),
        pytest.param(OURS, SEEDED_TWICE, ("no duplicates", "never stale"), id="ours, empty date with two fence rows"),
        pytest.param(OURS, FILLED, ("no duplicates", "never stale"), id="ours, filled date"),
    ],
)
def test_what_an_old_and_a_new_writer_can_leave(design: Design, start: Tables, expected: tuple[str, str]) -> None:
    assert verdict(reachable(World(design), OLD_AND_NEW, start)) == expected


@pytest.fixture(scope="module", params=[EMPTY, FILLED], ids=["empty", "filled"])
def three_writers(request: pytest.FixtureRequest) -> set[State]:
    return reachable(World(OURS), {**OLD_AND_NEW, "unleased": ((DATE, None),)}, request.param)


def test_three_writers_one_without_a_lease_leave_one_run_at_any_moment(three_writers: set[State]) -> None:
    assert verdict(three_writers) == ("no duplicates", "never stale")


def test_of_two_leased_writers_the_older_never_publishes_after_the_newer(three_writers: set[State]) -> None:
    orders = {state.publishers(DATE) for state in three_writers}
    assert ("old", "new", "unleased") in orders
    assert ("new", "unleased") in orders
    assert not any("old" in order[order.index("new") :] for order in orders if "new" in order)


def test_a_date_that_holds_rows_is_never_seen_without_any() -> None:
    assert all(state.tables.targets for state in reachable(World(OURS), OLD_AND_NEW, FILLED))
    assert not all(state.tables.targets for state in reachable(World(DELETE_THEN_LOAD), OLD_AND_NEW, FILLED))


def test_somebody_always_publishes(three_writers: set[State]) -> None:
    ends = [state for state in three_writers if state.is_end]
    assert ends
    assert all(state.published for state in ends)


def test_two_seeds_can_race_and_leave_two_fence_rows() -> None:
    assert max(len(state.tables.fences) for state in reachable(World(OURS), OLD_AND_NEW, EMPTY)) == 2


def test_without_a_fence_row_nobody_publishes() -> None:
    assert not any(state.published for state in reachable(World((PUBLISH,)), OLD_AND_NEW, EMPTY))


# The model is of the script as it is

STATEMENTS = {
    r"UPDATE \{fences\}": "update_fences",
    r"DELETE FROM \{target\} WHERE .*write_id = \{write_id\}": "delete_fenced_dates",
    r"INSERT INTO \{target\} .*write_id = \{write_id\}": "insert_fenced_dates",
}


@pytest.fixture
def script() -> list[str]:
    """The statements of the publish, each on one line, without comments."""
    text = re.sub(r"--[^\n]*", "", load_sql("guarded_write/publish_staging"))
    return [" ".join(statement.split()) for statement in text.split(";") if statement.strip()]


def test_the_publish_script_has_the_statements_of_the_model_in_its_order(script: list[str]) -> None:
    assert (script[0], script[-2]) == ("BEGIN TRANSACTION", "COMMIT TRANSACTION")
    inside = script[1:-2]
    named = [next((name for pattern, name in STATEMENTS.items() if re.match(pattern, statement)), statement) for statement in inside]
    assert named == [statement.__name__ for statement in PUBLISH.statements]


def test_after_its_transaction_the_script_only_reads_which_dates_were_published(script: list[str]) -> None:
    assert re.match(r"SELECT game_date, .* FROM \{fences\} WHERE game_date IN \(\{game_dates\}\)", script[-1])


def test_the_publish_script_opens_its_transaction_once_and_handles_no_error(script: list[str]) -> None:
    text = "; ".join(script)
    assert [text.count(word) for word in ("BEGIN", "BEGIN TRANSACTION", "COMMIT TRANSACTION", "EXCEPTION", "ROLLBACK")] == [1, 1, 1, 0, 0]
