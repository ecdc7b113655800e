"""Messages that ask for a grading: what is read of them, and what is refused with which sentence."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba_grading.runs.requests import GradingRequest, RequestRefused, completion, read_request

# 20:00 of 11 January in New York.
NOW = datetime(2026, 1, 12, 1, tzinfo=UTC)


def test_a_request_names_a_date_and_who_asks() -> None:
    text = '{"target_date": "2026-01-10", "trigger_source": "box-scores", "more": 1}'
    assert read_request(text, NOW) == GradingRequest(date(2026, 1, 10), "box-scores")
    assert read_request('{"target_date": "2026-01-10"}', NOW).trigger_source == "unknown"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not JSON"),
        ("grade!", "is not JSON: 'grade!'"),
        ("[]", "no JSON object"),
        ("{}", "target_date is missing"),
        ('{"target_date": 20260110}', "target_date is 20260110"),
        ('{"target_date": "10.01.2026"}', "'10.01.2026' is not a date"),
        ('{"target_date": "2026-02-30"}', "is not a date"),
        ('{"target_date": "2026-01-11"}', "is not over yet in New York"),
        ('{"target_date": "2999-01-01"}', "is not over yet in New York"),
        ('{"target_date": "2026-01-10", "trigger_source": ["x"]}', "trigger_source is no text"),
    ],
)
def test_what_is_no_request_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(RequestRefused, match=sentence.replace("[", r"\[")):
        read_request(text, NOW)


@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)).map(
        json.dumps
    )
)
def test_any_other_text_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(RequestRefused, match=r"\.$"):
        read_request(text, NOW)


def test_a_completion_has_date_counts_run_and_token() -> None:
    row = {"game_date": date(2026, 1, 10), "gradable": 5, "graded": 4, "voided": 1, "outcome": "graded", "run_id": "r", "fencing_token": 7}
    assert json.loads(completion(row)) == {
        **{"game_date": "2026-01-10", "gradable": 5, "graded": 4, "voided": 1, "pending": 0, "duplicates": 0},
        **{"grading_run_id": None, "dag_id": None, "run_id": "r", "fencing_token": 7},
    }
