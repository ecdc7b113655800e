"""What the lease promises, in every state of its model; and that each of the old recipe's defects alone breaks some of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from tests.unit.lease_model import (
    CHANGED_BEFORE_EVICTION,
    DATE_INVARIANTS,
    END_OF_TRUST,
    EXPIRED,
    FOREVER,
    FREE_AFTER_EXPIRY,
    HOLDER_CAN_STAY,
    LEASE_INVARIANTS,
    LEASED,
    LOST_SUBMITS_NOTHING,
    NO_OLDER_AFTER_NEWER,
    NOT_REFUSED_BY_OWN,
    NOTHING_TO_RELEASE,
    OLD_RECIPE,
    ONE_BELIEVES,
    ONE_RUN,
    REMOVED_BY_RIGHT,
    TOKEN_STEP,
    TOKENS_GROW,
    TRUST_ENDS_FIRST,
    Bounds,
    Design,
    Exploration,
    Request,
    State,
    explore,
    settled,
)

# It runs none of the package's code, and measuring it would take as long again.
pytestmark = pytest.mark.no_cover
WITHOUT_FAULTS = Bounds(claims=3, astray=0, unleased=0)
WITH_A_FAULT = Bounds(claims=2, astray=1, unleased=0)


@pytest.fixture(scope="module")
def leased() -> Exploration:
    """The lease as it is built, with three claims of which two requests go astray."""
    return explore(LEASED, Bounds(claims=3, astray=2, unleased=1, renewals=1))


def test_no_state_breaks_a_promise(leased: Exploration) -> None:
    assert leased.stories == {}
    assert len(leased.came_from) > 200_000


@pytest.mark.parametrize(
    ("bounds", "states"),
    [
        pytest.param(Bounds(claims=2, astray=2, renewals=2), 25_000, id="two renewals of a document"),
        pytest.param(Bounds(claims=5, astray=0), 9_000, id="five claims"),
        pytest.param(Bounds(claims=4, astray=0, unleased=2), 2_500, id="two writers without a lease"),
    ],
)
def test_no_state_within_other_bounds_breaks_a_promise(bounds: Bounds, states: int) -> None:
    found = explore(LEASED, bounds)
    assert found.stories == {}
    assert len(found.came_from) > states


def test_every_kind_of_step_is_taken(leased: Exploration) -> None:
    late = {f"its {verb} {outcome} late" for verb in ("create", "renew", "release", "evict") for outcome in ("lands", "is refused")}
    astray = {f"sends {what} astray" for what in ("a create", "a renewal", "a release", "an eviction")}
    date = {"a publish lands", "a publish is fenced out", "a publish without a lease lands"}
    assert set(leased.taken) == {
        *("time passes", "creates", "hears of its create", "adopts the document", "renews", "hears of its renewal", "adopts its own renewal"),
        *("finds it held", "finds it expired", CHANGED_BEFORE_EVICTION, "evicts", END_OF_TRUST),
        *("releases", "finds its own renewal to release", NOTHING_TO_RELEASE),
        *late,
        *astray,
        *date,
    }


def is_orphaned(state: State) -> bool:
    """The claim of the current document has ended."""
    return state.document is not None and state.document.claim not in {client.claim for client in state.clients}


def has_a_holder_behind_another(state: State) -> bool:
    """An older holder's publish may still land while a newer holder believes."""
    return any(client.believes and any(0 < publish.token < client.token for publish in state.submitted) for client in state.clients)


def has_a_race_for_an_expired_document(state: State) -> bool:
    """Two that read the same expired document are about to delete it."""
    versions = [client.version for client in state.clients if client.phase == "evicting"]
    return len(versions) > len(set(versions))


def has_a_holder_that_trusts_less_than_the_store(state: State) -> bool:
    """A renewal whose answer was lost: the document is younger than its holder knows."""
    document = state.document
    return document is not None and any(
        client.phase == "held" and client.token == document.token and client.version < document.version for client in state.clients
    )


@pytest.mark.parametrize(
    "situation",
    [is_orphaned, has_a_holder_behind_another, has_a_race_for_an_expired_document, has_a_holder_that_trusts_less_than_the_store],
)
def test_the_dangerous_situations_are_among_the_states(leased: Exploration, situation: Callable[[State], bool]) -> None:
    assert sum(map(situation, leased.came_from)) > 100


def test_only_a_newer_claim_fences_a_holder_out_never_a_writer_without_a_lease(leased: Exploration) -> None:
    found = {date for submitted in leased.submitted for date in leased.dates_of(submitted)}
    overtaken = [(date, publish) for date in found for publish in date.coming if 0 < publish.token < date.newest]
    assert overtaken
    assert all(publish.token < date.newest // TOKEN_STEP * TOKEN_STEP for date, publish in overtaken)
    assert any(date.newest % TOKEN_STEP for date in found), "a writer without a lease has published"


def test_what_fails_at_once_would_have_led_to_the_same_states() -> None:
    bounds = Bounds(claims=2, astray=1)
    all_states = explore(LEASED, bounds, reduced=False).came_from
    fewer_states = explore(LEASED, bounds).came_from
    assert len(fewer_states) < len(all_states)
    assert set(fewer_states) == {settled(state)[0] for state in all_states}


DEFECTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a fixed lease: not renewed, and trusted until its release": ({"trust": FOREVER, "renews": False}, {ONE_BELIEVES, TRUST_ENDS_FIRST}),
    "no renewal, though the end is noticed": ({"renews": False}, {HOLDER_CAN_STAY}),
    "an owner id that all share": ({"own_id": False}, {ONE_BELIEVES, REMOVED_BY_RIGHT}),
    "a release of any document": ({"releases_unchanged": False}, {ONE_BELIEVES, REMOVED_BY_RIGHT}),
    "going on when another claim holds the lease": ({"goes_on_without": True}, {ONE_BELIEVES}),
    "no fence": ({"fenced": False}, {NO_OLDER_AFTER_NEWER}),
    "a fence, but DELETE and INSERT apart": ({"atomic": False}, {ONE_RUN, NO_OLDER_AFTER_NEWER}),
    "no fence, and DELETE and INSERT apart": ({"fenced": False, "atomic": False}, {ONE_RUN, NO_OLDER_AFTER_NEWER}),
    "a reader's clock a little ahead": ({"clock_ahead": 1}, {REMOVED_BY_RIGHT}),
    "a reader's clock far ahead": ({"clock_ahead": 3}, {REMOVED_BY_RIGHT, TRUST_ENDS_FIRST, ONE_BELIEVES}),
    "trust from the answer on": ({"trusts_from_answer": True}, {TRUST_ENDS_FIRST, ONE_BELIEVES}),
    "trust beyond lease and grace": ({"trust": EXPIRED + 1}, {TRUST_ENDS_FIRST, ONE_BELIEVES}),
    "no check before a publish": ({"checks": False}, {LOST_SUBMITS_NOTHING}),
    "own documents not recognised": ({"recognises_own": False}, {NOT_REFUSED_BY_OWN, HOLDER_CAN_STAY}),
    "no takeover": ({"evicts": False}, {FREE_AFTER_EXPIRY}),
    "a takeover of any document": ({"evicts_unchanged": False}, {REMOVED_BY_RIGHT, ONE_BELIEVES}),
    "a token that starts again with each document": ({"tokens_grow": False}, {TOKENS_GROW, REMOVED_BY_RIGHT, ONE_BELIEVES}),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_alone_breaks_promises(defect: str) -> None:
    change, expected = DEFECTS[defect]
    design = replace(LEASED, **change)
    assert {*explore(design, WITHOUT_FAULTS).stories, *explore(design, WITH_A_FAULT).stories} == expected


def test_every_promise_is_broken_by_some_defect() -> None:
    assert {*LEASE_INVARIANTS, *DATE_INVARIANTS} == set().union(*(expected for _, expected in DEFECTS.values()))


def test_a_violation_comes_with_a_shortest_way_there() -> None:
    found = explore(replace(LEASED, own_id=False), WITHOUT_FAULTS, sought=[ONE_BELIEVES])
    assert found.stories[ONE_BELIEVES] == ["1: creates", "1: hears of its create", "2: adopts the document"]


@pytest.fixture(scope="module")
def old_recipe() -> Exploration:
    return explore(OLD_RECIPE, WITHOUT_FAULTS)


@pytest.mark.parametrize("promise", [ONE_BELIEVES, ONE_RUN, NO_OLDER_AFTER_NEWER, REMOVED_BY_RIGHT, TRUST_ENDS_FIRST])
def test_the_old_recipe_breaks_it(old_recipe: Exploration, promise: str) -> None:
    assert promise in old_recipe.stories


def test_two_runs_that_believe_in_the_old_lock_leave_a_mixture(old_recipe: Exploration) -> None:
    def rows_left(state: State) -> int:
        believers = tuple(Request("publish", client.claim, client.token) for client in state.clients if client.believes)
        return max(len(date.rows) for date in old_recipe.dates_of(believers))

    assert max(map(rows_left, old_recipe.came_from)) > 1


def changed_in_the_old_recipe() -> list[str]:
    return [field.name for field in fields(Design) if getattr(OLD_RECIPE, field.name) != getattr(LEASED, field.name)]


@pytest.mark.parametrize("name", changed_in_the_old_recipe())
def test_fixing_one_defect_of_the_old_recipe_does_not_save_the_date(name: str) -> None:
    fixed = explore(replace(OLD_RECIPE, **{name: getattr(LEASED, name)}), WITHOUT_FAULTS)
    assert ONE_BELIEVES in fixed.stories
    assert fixed.stories.keys() & {ONE_RUN, NO_OLDER_AFTER_NEWER}
