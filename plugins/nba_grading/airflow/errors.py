"""How a task fails: for good or to be tried again, told already or not; and what its error is in the record of the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

# The XCom in which the tasks of a guarded run leave what its record says.
RESULT_KEY = "run"


class AlreadyAlerted(AirflowFailException):
    """Fails the task for good with what was told before: the failure alert would only repeat it."""


class ParamsRefused(AirflowFailException):
    """The run's parameters name nothing that can be done. No alert: whoever triggered the run reads it in the task's log and grading_runs."""


class AuditRefused(AirflowFailException):
    """The audit stopped the write, for a reason that trying again cannot mend; the date is as it was."""


class LeaseWaitTimeout(AirflowFailException):
    """The lease stayed held for the whole wait: its holder is alive and writing this date, so the run fails without a retry."""

    def __init__(self, waited_s: float, max_wait_s: float, held_by: str) -> None:
        super().__init__(f"waited {waited_s:.0f} s, at most {max_wait_s:g} s; {held_by}")
        self.waited_s, self.held_by = waited_s, held_by


def outcome_of(error: Exception) -> dict[str, str]:
    """What an error is in the record of the run; a refusal is no failure of the operation."""
    return {**({"outcome": "refused"} if isinstance(error, AuditRefused) else {}), "detail": f"{type(error).__name__}: {error}"}


@contextmanager
def fail_for_good() -> Iterator[None]:
    """Turn errors that a retry cannot mend into a failure without retries; the rest pass, for Airflow to retry."""
    from nba_grading.guarded_write.publish import AuditFailed
    from nba_grading.warehouse.client import StatementFailed

    try:
        yield
    except StatementFailed as error:
        raise AirflowFailException(str(error)) from error
    except AuditFailed as error:
        if error.permanent:
            raise AuditRefused(str(error)) from error
        raise
