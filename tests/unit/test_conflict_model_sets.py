"""The same for sets of dates: overlapping sets, writers that are killed or stale, and fences per target, in all interleavings."""

from __future__ import annotations

import pytest

from tests.unit.bigquery_conflict_model import (
    Claims,
    Design,
    Locks,
    Partition,
    Row,
    State,
    Tables,
    World,
    by_date,
    fences_per_target,
    has_cancelled,
    has_duplicates,
    is_stale,
    reachable,
    shared_fences,
)
from tests.unit.conflict_designs import ALL_DATES_WHATEVER_THE_FENCES, FIRST_FENCE, OURS, STATEMENTS_WITHOUT_TRANSACTION

FIRST, SHARED, LAST = (Partition("grades", day) for day in (1, 2, 3))
DATES = (FIRST, SHARED, LAST)
SUMMARY = Partition("summaries", 1)
EMPTY = Tables(fences=tuple(Row(of, 0, "seed") for of in (*DATES, SUMMARY)))
FILLED = Tables(*[tuple(Row(of, 4, "before") for of in (*DATES, SUMMARY))] * 2)
UNSEEDED = Tables()
SEEDED_STARTS = pytest.mark.parametrize("start", [EMPTY, FILLED], ids=["empty dates", "filled dates"])
STARTS = pytest.mark.parametrize("start", [UNSEEDED, EMPTY, FILLED], ids=["dates without fences", "empty dates", "filled dates"])

# The old writer has lost the lease of the shared date, and does not know it yet.
OVERLAPPING: dict[str, Claims] = {"old": ((FIRST, 5), (SHARED, 5)), "new": ((SHARED, 6), (LAST, 6))}
# Each writer is the newer one for one of the dates.
CROSSING: dict[str, Claims] = {"one": ((FIRST, 5), (SHARED, 8)), "other": ((FIRST, 6), (SHARED, 7))}
UNLEASED: dict[str, Claims] = {"leased": ((FIRST, 5), (SHARED, 5)), "unleased": ((SHARED, None), (LAST, None))}
OTHER_TARGET: dict[str, Claims] = {"grades": ((FIRST, 7), (SHARED, 7)), "summaries": ((SUMMARY, 5),)}


def verdict(states: set[State]) -> tuple[str, str]:
    duplicates, stale = any(map(has_duplicates, states)), any(map(is_stale, states))
    return "duplicates" if duplicates else "no duplicates", "stale over newer" if stale else "never stale"


@STARTS
@pytest.mark.parametrize("locks", [fences_per_target, shared_fences, by_date])
@pytest.mark.parametrize("claims", [OVERLAPPING, CROSSING, UNLEASED], ids=["overlapping", "crossing", "one unleased"])
def test_two_sets_leave_each_date_with_the_newest_run_alone(claims: dict[str, Claims], locks: Locks, start: Tables) -> None:
    """Also if BigQuery noticed conflicts of the same rows alone, which is less than it documents."""
    assert verdict(reachable(World(OURS, locks), claims, start)) == ("no duplicates", "never stale")


@STARTS
@pytest.mark.parametrize("killed", ["old", "new"])
def test_a_writer_that_is_killed_leaves_each_date_old_or_new(killed: str, start: Tables) -> None:
    states = reachable(World(OURS, mortal=frozenset({killed})), OVERLAPPING, start)
    assert verdict(states) == ("no duplicates", "never stale")
    for state in states:
        for of in DATES:
            [*expected] = [row for row in state.published if row.of == of][-1:] or [row for row in start.targets if row.of == of]
            assert list(state.stored(of)) == expected
    ends = [state for state in states if state.is_end]
    assert any(writer.outcome == "killed" for state in ends for writer in state.writers)
    survivor = {"old": "new", "new": "old"}[killed]
    assert any(set(state.publishers(SHARED)) == {survivor} for state in ends)


@SEEDED_STARTS
@pytest.mark.parametrize("token", [7, None], ids=["newest", "unleased"])
def test_three_sets_that_overlap_in_a_ring_two_of_them_killed_leave_each_date_one_run(token: int | None, start: Tables) -> None:
    claims: dict[str, Claims] = {**OVERLAPPING, "third": ((FIRST, token), (LAST, token))}
    states = reachable(World(OURS, mortal=frozenset({"old", "new"})), claims, start)
    assert verdict(states) == ("no duplicates", "never stale")
    assert all(len(state.stored(of)) >= len(start.targets[:1]) for state in states for of in DATES)


def test_a_dead_writer_is_in_nobodys_way() -> None:
    """The survivor publishes all of its dates, unless the dead one had cancelled it as often as it tries."""
    ends = [state for state in reachable(World(OURS, mortal=frozenset({"old"})), OVERLAPPING, FILLED) if state.is_end]
    for state in ends:
        new = next(writer for writer in state.writers if writer.name == "new")
        assert new.outcome == "gave_up" or (state.publishers(SHARED)[-1], state.publishers(LAST)) == ("new", ("new",))


@pytest.mark.parametrize(
    ("design", "locks", "start", "expected"),
    [
        pytest.param(FIRST_FENCE, fences_per_target, EMPTY, ("no duplicates", "stale over newer"), id="only the first date is fenced"),
        pytest.param(FIRST_FENCE, fences_per_target, FILLED, ("no duplicates", "stale over newer"), id="the same, filled dates"),
        pytest.param(FIRST_FENCE, by_date, EMPTY, ("duplicates", "stale over newer"), id="the same, conflicts of the same rows alone"),
        pytest.param(ALL_DATES_WHATEVER_THE_FENCES, fences_per_target, FILLED, ("no duplicates", "stale over newer"), id="nothing is left out"),
        pytest.param(STATEMENTS_WITHOUT_TRANSACTION, fences_per_target, EMPTY, ("duplicates", "never stale"), id="no transaction"),
    ],
)
def test_what_two_overlapping_sets_leave_of_lesser_designs(design: Design, locks: Locks, start: Tables, expected: tuple[str, str]) -> None:
    assert verdict(reachable(World(design, locks), OVERLAPPING, start)) == expected


def test_a_fence_of_the_first_date_fails_at_the_second() -> None:
    states = reachable(World(FIRST_FENCE), OVERLAPPING, EMPTY)
    assert {state.publishers(SHARED) for state in states if is_stale(state)} == {("new", "old")}
    assert {state.publishers(of) for state in states for of in (FIRST, LAST)} == {(), ("old",), ("new",)}


def test_without_a_transaction_a_killed_writer_leaves_a_date_without_rows() -> None:
    mortal = frozenset({"old"})
    assert any(
        not state.stored(FIRST) for state in reachable(World(STATEMENTS_WITHOUT_TRANSACTION, mortal=mortal), OVERLAPPING, FILLED) if state.is_end
    )
    assert all(state.stored(FIRST) for state in reachable(World(OURS, mortal=mortal), OVERLAPPING, FILLED))


# Leaving a date out


@STARTS
def test_a_date_that_is_fenced_out_is_left_out_and_the_others_are_published(start: Tables) -> None:
    late = [
        state
        for state in reachable(World(OURS), OVERLAPPING, start)
        if state.is_end and state.publishers(SHARED) == ("new",) and all(writer.outcome == "done" for writer in state.writers)
    ]
    assert late, "the new writer can be first"
    for state in late:
        assert (state.stored(FIRST), state.stored(SHARED)) == ((Row(FIRST, 5, "old"),), (Row(SHARED, 6, "new"),))


def test_of_two_writers_each_leaves_out_the_date_for_which_it_is_the_older() -> None:
    ends = [state for state in reachable(World(OURS), CROSSING, FILLED) if state.is_end and all(writer.outcome == "done" for writer in state.writers)]
    assert {(state.publishers(FIRST), state.publishers(SHARED)) for state in ends} == {
        (("one", "other"), ("one",)),
        (("other",), ("other", "one")),
    }
    assert {(state.stored(FIRST)[0].writer, state.stored(SHARED)[0].writer) for state in ends} == {("other", "one")}


@STARTS
def test_every_date_is_published_by_somebody_who_did_not_give_up(start: Tables) -> None:
    for state in reachable(World(OURS), OVERLAPPING, start):
        if state.is_end:
            by_name = {writer.name: writer.outcome for writer in state.writers}
            assert "done" in by_name.values()
            assert by_name["old"] == "gave_up" or state.publishers(FIRST) == ("old",)
            assert by_name["new"] == "gave_up" or state.publishers(LAST) == ("new",)
            assert state.publishers(SHARED)


# Fences per target, and the turn to publish


@STARTS
def test_writers_of_two_targets_never_conflict_when_each_has_its_own_fences(start: Tables) -> None:
    states = reachable(World(OURS, fences_per_target), OTHER_TARGET, start)
    assert not any(map(has_cancelled, states))
    assert {writer.outcome for state in states if state.is_end for writer in state.writers} == {"done"}


@STARTS
def test_fences_that_two_targets_share_are_right_but_make_their_writers_cancel_each_other(start: Tables) -> None:
    states = reachable(World(OURS, shared_fences), OTHER_TARGET, start)
    assert verdict(states) == ("no duplicates", "never stale")
    assert any(map(has_cancelled, states))
    assert any(writer.outcome == "gave_up" for state in states for writer in state.writers)


@SEEDED_STARTS
@pytest.mark.parametrize("claims", [OVERLAPPING, {**OVERLAPPING, **OTHER_TARGET}], ids=["one target", "two targets"])
def test_writers_that_take_turns_are_never_cancelled(claims: dict[str, Claims], start: Tables) -> None:
    """``reachable`` fails if they wait for each other; a writer that is killed does not keep its turn."""
    states = reachable(World(OURS, in_turn=True, mortal=frozenset({"old"})), claims, start)
    assert not any(map(has_cancelled, states))
    assert verdict(states) == ("no duplicates", "never stale")
    assert any(map(has_cancelled, reachable(World(OURS), OVERLAPPING, start)))
