"""The circuit breaker of an operation: after some failed runs in a row, further ones are refused at once instead of failing slowly.

Closed: runs pass. Open: runs are refused, with the reason. After a pause one run may try (half-open); its success closes the
breaker, its failure leaves it open for another pause. Its state is an incident, and the failures are counted in grading_runs, so every worker
sees the same. A run that was refused (a bad date, an audit that stopped the write, a lease held too long) is no failure of the
operation: three wrong dates typed by hand must not stop the scheduled run.
"""

from __future__ import annotations

from nba_grading.alerts.incidents import claim_probe, list_incidents
from nba_grading.alerts.messages import BREAKER_OPENED
from nba_grading.alerts.model import incident_name
from nba_grading.events import get_logger
from nba_grading.runs.record import count_failures_in_a_row
from nba_grading.warehouse.client import Warehouse

log = get_logger(__name__)


class BreakerOpen(Exception):
    """Runs of the operation are refused for now; the message says since when, why, and what to do."""


def pass_breaker(warehouse: Warehouse, operation: str, run: str, *, pause_s: float, override: bool) -> None:
    """Return if this run may go on: the breaker is closed or overridden, or this run is the one that may try. Raises BreakerOpen."""
    name = incident_name(BREAKER_OPENED, operation)
    incident = next((found for found in list_incidents(warehouse, name) if found.name == name), None)
    if incident is None:
        return
    if override:
        log.warning("breaker_overridden", operation=operation, run=run, open_s=round(incident.age_s))
    elif claim_probe(warehouse, incident.name, run, pause_s):
        log.warning("breaker_probed", operation=operation, run=run, open_s=round(incident.age_s))
    else:
        log.error("breaker_refused", operation=operation, run=run, open_s=round(incident.age_s))
        raise BreakerOpen(
            f"the circuit breaker of {operation} has been open since {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC, as its runs failed one after "
            f"another ({incident.detail}). One run may try every {pause_s:g} s, and its success closes it; to run now "
            "anyway, trigger with override_breaker"
        )


def failures_that_open(warehouse: Warehouse, operation: str, *, failures_to_open: int) -> int | None:
    """The number of failed runs in a row, the run just recorded among them, if it is enough to open the breaker; else None. 0 never opens it.

    The caller raises the alert (``messages.breaker_opened``): the breaker is open while that incident is, and a success resolves it.
    """
    if not failures_to_open:
        return None
    failures = count_failures_in_a_row(warehouse, operation)
    if failures < failures_to_open:
        return None
    log.error("breaker_opened", operation=operation, failures=failures)
    return failures
