"""How a task fails: for good or to be retried, with an alert or without; and how the record of the run names its error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException


class AlreadyAlerted(AirflowFailException):
    """Fails the task for good without an alert: one was sent already, and another would only repeat it."""


class ParamsRefused(AirflowFailException):
    """The run's parameters name nothing that can be done. No alert: whoever triggered the run reads it in the task's log and grading_runs."""


class AuditRefused(AirflowFailException):
    """The audit stopped the write for a reason that a retry cannot fix; the date is unchanged."""


class LeaseWaitTimeout(AirflowFailException):
    """The lease stayed held for the whole wait: its holder is alive and writing this date, so the run fails without a retry."""

    def __init__(self, waited_s: float, max_wait_s: float, held_by: str) -> None:
        super().__init__(f"waited {waited_s:.0f} s, at most {max_wait_s:g} s; {held_by}")
        self.waited_s, self.held_by = waited_s, held_by


def outcome_of(error: Exception) -> dict[str, str]:
    """The outcome and detail of an error in the record of the run; a refusal is not a failure of the operation."""
    return {**({"outcome": "refused"} if isinstance(error, (AuditRefused, ParamsRefused)) else {}), "detail": f"{type(error).__name__}: {error}"}


@contextmanager
def fail_for_good() -> Iterator[None]:
    """Turn errors that a retry cannot fix into a failure without retries; Airflow retries the others."""
    from nba_grading.guarded_write.write import AuditFailed
    from nba_grading.warehouse.errors import StatementFailed

    try:
        yield
    except StatementFailed as error:
        raise AirflowFailException(str(error)) from error
    except AuditFailed as error:
        if error.permanent:
            raise AuditRefused(str(error)) from error
        raise
