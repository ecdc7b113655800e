"""BigQuery's errors: which may go away when the same statement runs again, and what the others become.

Source of the retryable reasons: https://cloud.google.com/bigquery/docs/error-messages
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import requests
from google.api_core import exceptions as api

TRANSIENT_REASONS = {"backendError", "internalError", "jobBackendError", "jobInternalError", "rateLimitExceeded", "jobRateLimitExceeded"}
CONFLICTS = re.compile(r"aborted due to concurrent update|could not serialize access|concurrent transaction", re.IGNORECASE)
# Of the DML statements of a table two run and twenty wait.
DML_QUEUE = re.compile(r"too many DML statements outstanding|DML statement has been queued for too long", re.IGNORECASE)
STREAMING_BUFFER = re.compile(r"would affect rows in the streaming buffer", re.IGNORECASE)
LOST_CONNECTION = (requests.ConnectionError, requests.Timeout, api.RetryError)
UNAVAILABLE = (api.ServiceUnavailable, api.BadGateway, api.GatewayTimeout, api.InternalServerError, api.TooManyRequests)


class StatementFailed(RuntimeError):
    """BigQuery refused a statement, and a retry would not help; the message has the job id and the first error."""


class StatementCancelled(RuntimeError):
    """A statement was stopped by a lost lease, a killed task or a person. It is safe to run it again."""


class DeadlinePassed(RuntimeError):
    """The warehouse's deadline left no time for a statement."""


class RowsStillStreaming(RuntimeError):
    """The statement would change rows that were streamed into the table less than about 90 minutes ago: BigQuery refuses it until later."""


def is_conflict(error: BaseException) -> bool:
    """Whether BigQuery cancelled a transaction because another one changed the same table."""
    return isinstance(error, api.GoogleAPICallError) and bool(CONFLICTS.search(str(error)))


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed after a short time."""
    if isinstance(error, LOST_CONNECTION):
        return True
    if not isinstance(error, api.GoogleAPICallError):
        return False
    if is_conflict(error) or DML_QUEUE.search(str(error)):
        return True
    # The reasons decide where there are any: the client raises InternalServerError for every reason that it does not know.
    reasons = reasons_of(error)
    return bool(reasons & TRANSIENT_REASONS) if reasons else isinstance(error, UNAVAILABLE)


def reasons_of(error: api.GoogleAPICallError) -> set[str]:
    """BigQuery's names for what went wrong."""
    return {str(entry["reason"]) for entry in error.errors if isinstance(entry, Mapping) and entry.get("reason")}


def final_error(error: api.GoogleAPICallError) -> StatementFailed | RowsStillStreaming:
    """What an error that is not transient is raised as."""
    if STREAMING_BUFFER.search(str(error)):
        return RowsStillStreaming(f"BigQuery refused the statement for now: {error.message or error}")
    return StatementFailed(f"BigQuery refused the statement: {error.message or error}")
