"""The checks after a write of several dates: each date is compared with what its own write reported, in one query."""

from __future__ import annotations

from datetime import date, timedelta

from nba_grading.quality.after_write import find_duplicates, validate_dates
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import PREDICTION_ACCURACY

FIRST = date(2026, 1, 10)
TOKEN, NEWER = 7, 8
# What each date holds: (system, is_voided, token) of its rows; the token of its fence; and the checks that find something.
# Every write reported token 7 with 2 graded and 1 voided.
WHOLE = (("s1", False, 7), ("s2", False, 7), ("s3", True, 7))
DATES: dict[str, tuple[tuple[tuple[str, bool, int | None], ...], int, list[str]]] = {
    "balanced": (WHOLE, TOKEN, []),
    "a key stands twice, once without a token": ((*WHOLE, ("s3", True, None)), TOKEN, ["duplicate_keys"]),
    "a graded row is missing": (WHOLE[1:], TOKEN, ["unbalanced_date"]),
    "a voided row is missing": (WHOLE[:2], TOKEN, ["unbalanced_date"]),
    "a graded row turned voided": ((("s1", True, 7), *WHOLE[1:]), TOKEN, ["unbalanced_date"]),
    "emptied": ((), TOKEN, ["unbalanced_date"]),
    "a row of an older write": ((*WHOLE, ("s4", False, 6)), TOKEN, ["unbalanced_date"]),
    "a row without a token": ((*WHOLE, ("s4", False, None)), TOKEN, ["unbalanced_date"]),
    "superseded by a write with other counts": ((("s1", False, 8),), NEWER, []),
    "superseded by a write that left nothing": ((), NEWER, []),
    "superseded, and a row of this write is still there": ((("s1", False, 8), ("s2", False, 7)), NEWER, ["unbalanced_date"]),
}


def test_each_date_is_held_against_what_its_own_write_reported(warehouse: Warehouse) -> None:
    days = {name: FIRST + timedelta(days=number) for number, name in enumerate(DATES)}
    rows = [(days[name], *row) for name, (held, _, _) in DATES.items() for row in held]
    values = ", ".join(f"('p', 'g', DATE '{day}', '{system}', {voided}, {token or 'NULL'})" for day, system, voided, token in rows)
    warehouse.dml(
        f"INSERT INTO nba_predictions.prediction_accuracy (player_lookup, game_id, game_date, system_id, is_voided, fencing_token) VALUES {values}"
    )
    # Each fence was seeded twice, by racing seeds.
    fences = ", ".join(f"(DATE '{days[name]}', {token}), (DATE '{days[name]}', 0)" for name, (_, token, _) in DATES.items())
    warehouse.dml(f"INSERT INTO nba_predictions.write_fences_prediction_accuracy (game_date, fencing_token) VALUES {fences}")
    reported = {"graded": 2, "voided": 1, "fencing_token": TOKEN, "invalid_confidence": 0}
    found = validate_dates(warehouse, dict.fromkeys(days.values(), reported))
    assert {name: [finding.check for finding in found[day]] for name, day in days.items()} == {name: checks for name, (_, _, checks) in DATES.items()}
    [duplicates] = found[days["a key stands twice, once without a token"]]
    assert (duplicates.surplus_rows, duplicates.sentence) == (1, "1 keys are stored more than once, 1 surplus rows")
    [unbalanced] = found[days["a graded row is missing"]]
    assert unbalanced.sentence == (
        "the newest write of the date stored 1 graded and 1 voided keys, but reported 2 and 1; 0 keys are from another write"
    )
    assert [finding.check for finding in validate_dates(warehouse, {FIRST: {**reported, "invalid_confidence": 3}})[FIRST]] == ["invalid_confidence"]


def test_duplicates_are_found_by_date_and_a_date_without_any_has_an_empty_list(warehouse: Warehouse) -> None:
    warehouse.dml(
        "INSERT INTO nba_predictions.prediction_accuracy (player_lookup, game_id, game_date, system_id) "
        f"SELECT 'p', 'g', DATE '{FIRST}', 's' FROM UNNEST(GENERATE_ARRAY(1, 3)) AS n"
    )
    next_day = FIRST + timedelta(days=1)
    found = find_duplicates(warehouse, PREDICTION_ACCURACY, [FIRST, next_day])
    assert ([finding.surplus_rows for finding in found[FIRST]], found[next_day]) == ([2], [])
