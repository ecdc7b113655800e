"""Requests to grade a date, as they come in messages, and the message that says a date is graded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from nba_grading.game_dates import GameDateError, parse_game_date, resolve_past_day

LONGEST_SOURCE = 200
# The counts of a completion, as grading_runs has them.
COUNTS = ("gradable", "graded", "voided", "pending", "duplicates")


class RequestRefused(ValueError):
    """The message names no date that can be graded; the message of the error says why."""


@dataclass(frozen=True)
class GradingRequest:
    """Grade a date, for somebody."""

    target_date: date
    trigger_source: str


def read_request(text: str, now: datetime) -> GradingRequest:
    """The request in ``{"target_date": "2026-01-10", "trigger_source": "box-scores"}``; raises RequestRefused with a sentence.

    ``now`` is an aware datetime: a date that is not over then in New York is refused. Further keys are ignored.
    """
    try:
        found = json.loads(text)
    except ValueError:
        raise RequestRefused(f"The message is not JSON: {text[:100]!r}.") from None
    if not isinstance(found, dict):
        raise RequestRefused(f"The message is no JSON object with target_date: {text[:100]!r}.")
    day, source = found.get("target_date"), found.get("trigger_source", "unknown")
    if not isinstance(day, str):
        raise RequestRefused(f"target_date is {'missing' if day is None else repr(day)}: give it as YYYY-MM-DD.")
    if not isinstance(source, str) or len(source) > LONGEST_SOURCE:
        raise RequestRefused(f"trigger_source is no text of at most {LONGEST_SOURCE} characters.")
    try:
        parse_game_date(day)
        return GradingRequest(resolve_past_day(day, now), source)
    except GameDateError as error:
        raise RequestRefused(f"target_date: {error}") from None


def completion(row: Mapping[str, Any]) -> str:
    """The message about a date that is graded, from its row of grading_runs: date, counts, run and fencing token, as JSON."""
    facts = {"game_date": str(row["game_date"]), **{name: row.get(name) or 0 for name in COUNTS}}
    return json.dumps(facts | {name: row.get(name) for name in ("grading_run_id", "dag_id", "run_id", "fencing_token")})
