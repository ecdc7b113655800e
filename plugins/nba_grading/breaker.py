"""The circuit breaker of an operation: after some failed runs in a row, further ones are refused at once instead of failing slowly.

Closed: runs pass. Open: runs are refused, with the reason. After a pause one run may try (half-open); its success closes the
breaker, its failure leaves it open for another pause. Its state is a condition, and what counts is in grading_runs, so every worker
sees the same. A run that was refused (a bad date, an audit that stopped the write, a lease held too long) is no failure of the
operation: three wrong dates typed by hand must not stop the night's run.
"""

from __future__ import annotations

import logging

from nba_grading.conditions import Condition, claim_probe, clear_condition, find_condition, raise_condition
from nba_grading.events import log_event
from nba_grading.runs import count_failures_in_a_row
from nba_grading.warehouse import Warehouse

log = logging.getLogger(__name__)


class BreakerOpen(Exception):
    """Runs of the operation are refused for now; the message says since when, why, and what to do."""


def breaker_name(operation: str) -> str:
    """The condition's name."""
    return f"breaker/{operation}"


def pass_breaker(warehouse: Warehouse, operation: str, run: str, *, pause_s: float, override: bool) -> None:
    """Return if this run may go on: the breaker is closed, or overridden, or it is this run that tries. Raises BreakerOpen."""
    condition = find_condition(warehouse, breaker_name(operation))
    if condition is None:
        return
    if override:
        log_event(log, "breaker_overridden", level=logging.WARNING, operation=operation, run=run, open_s=round(condition.age_s))
    elif claim_probe(warehouse, condition.name, run, pause_s):
        log_event(log, "breaker_probed", level=logging.WARNING, operation=operation, run=run, open_s=round(condition.age_s))
    else:
        log_event(log, "breaker_refused", level=logging.ERROR, operation=operation, run=run, open_s=round(condition.age_s))
        raise BreakerOpen(
            f"the circuit breaker of {operation} is open since {condition.raised_at:%Y-%m-%d %H:%M:%S} UTC, as its runs failed one after "
            f"the other ({condition.detail}). One run may try every {pause_s:g} s, and its success closes it; to run now all the "
            "same, trigger with override_breaker"
        )


def count_failure(warehouse: Warehouse, operation: str, *, failures_to_open: int, detail: str) -> int | None:
    """Open the breaker if this recorded failure is one too many; the number of failures for the call that opened it, else None."""
    if not failures_to_open:
        return None
    failures = count_failures_in_a_row(warehouse, operation)
    if failures < failures_to_open or not raise_condition(warehouse, breaker_name(operation), detail):
        return None
    log_event(log, "breaker_opened", level=logging.ERROR, operation=operation, failures=failures, detail=detail)
    return failures


def count_success(warehouse: Warehouse, operation: str) -> Condition | None:
    """Close the breaker after a success; the condition for the call that closed it, None when it was closed."""
    closed = clear_condition(warehouse, breaker_name(operation))
    if closed:
        log_event(log, "breaker_closed", operation=operation, open_s=round(closed.age_s))
    return closed
