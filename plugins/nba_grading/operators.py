"""The operators of a guarded run: those that check its inputs and wait for them, and the one that writes a date under the guard.

Both wait deferred. Permanent errors fail the task at once, transient ones by Airflow's retries; see ``fail_for_good``.
The google libraries are imported when a task runs, not when a DAG file is parsed: that import costs seconds, per task.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from nba_grading import alerts
from nba_grading.airflow_context import lease_owner, make_leases, make_warehouse, run_link, run_type
from nba_grading.events import log_event
from nba_grading.game_dates import GameDateError, resolve_game_date
from nba_grading.lineage import TellsLineage, start_lineage
from nba_grading.metrics import start_metrics
from nba_grading.settings import get_settings
from nba_grading.telling import tell
from nba_grading.triggers import LeaseFreeTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.guard import UnleasedClaim
    from nba_grading.lease import Lease, LeaseHeld

log = logging.getLogger(__name__)

RESULT_KEY = "run"
DEFERRAL_GRACE_SECONDS = 120

start_metrics()
start_lineage()


class AlreadyTold(AirflowFailException):
    """Fails the task for good with what was told before: the failure alert would only repeat it."""


class CheckOperator(BaseOperator):
    """How every guarded run begins: resolve its game_date, pass the circuit breaker, look at the inputs; returns the date and their figures.

    An open circuit breaker of the operation refuses the run, unless its parameter override_breaker says otherwise. What stops the run
    is in XCom ``run`` (outcome, detail) for its record. A subclass looks at more than the date, or knows another date.
    """

    def __init__(self, *, operation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.operation = operation

    def resolve_date(self, context: Context) -> date:
        """The run's game_date by the one rule of ``resolve_game_date``; raises GameDateError."""
        dag_run = context["dag_run"]
        return resolve_game_date(
            game_date=context["params"].get("game_date"),
            partition_key=getattr(dag_run, "partition_key", None),
            run_type=run_type(context),
            logical_date=dag_run.logical_date,
            run_after=dag_run.run_after,
        )

    def look(self, context: Context, game_date: date) -> dict[str, Any]:
        """Figures of the inputs, all that a run which can go on returns beside its date; others skip or fail."""
        return {}

    def execute(self, context: Context) -> dict[str, Any]:
        """Returns game_date (ISO) and the figures of its inputs."""
        game_date = self._game_date(context)
        self._pass_breaker(context, game_date)
        return self._check(context, game_date)

    def resume(self, context: Context, event: Any) -> dict[str, Any]:
        """Look again after a while of waiting for inputs."""
        return self._check(context, self._game_date(context))

    def skip(self, context: Context, game_date: date, outcome: str, detail: str, **facts: Any) -> NoReturn:
        """End the run here: nothing to do, for this reason."""
        context["ti"].xcom_push(key=RESULT_KEY, value={"game_date": str(game_date), **facts, "outcome": outcome, "detail": detail})
        raise AirflowSkipException(detail)

    def _pass_breaker(self, context: Context, game_date: date) -> None:
        from nba_grading.breaker import BreakerOpen, pass_breaker

        facts = {"game_date": str(game_date)}
        try:
            pass_breaker(
                make_warehouse(context),
                self.operation,
                f"{context['ti'].dag_id}/{context['ti'].run_id}",
                pause_s=get_settings().grading_breaker_seconds,
                override=bool(context["params"].get("override_breaker")),
            )
        except BreakerOpen as error:
            context["ti"].xcom_push(key=RESULT_KEY, value={**facts, "outcome": "refused", "detail": str(error)})
            raise AlreadyTold(str(error)) from None
        except Exception as error:
            context["ti"].xcom_push(key=RESULT_KEY, value={**facts, **_told(error)})
            raise

    def _check(self, context: Context, game_date: date) -> dict[str, Any]:
        facts = {"game_date": str(game_date)}
        context["ti"].xcom_push(key=RESULT_KEY, value=facts)
        try:
            with fail_for_good():
                return {**facts, **self.look(context, game_date)}
        except AirflowSkipException:
            raise
        except Exception as error:
            context["ti"].xcom_push(key=RESULT_KEY, value={**facts, **_told(error)})
            raise

    def _game_date(self, context: Context) -> date:
        try:
            return self.resolve_date(context)
        except GameDateError as error:
            context["ti"].xcom_push(key=RESULT_KEY, value={"outcome": "refused", "detail": str(error)})
            raise AirflowFailException(str(error)) from None


class CheckInputsOperator(CheckOperator):
    """Look whether a date can be graded; returns the date and the counts of ``grading.Inputs``.

    No predictions: skipped. No box score yet: a scheduled run waits, deferred, up to the setting; any other is skipped.
    """

    def look(self, context: Context, game_date: date) -> dict[str, Any]:
        """The counts, once there is something to grade and a box score to grade it by."""
        from nba_grading.grading import count_inputs

        inputs = count_inputs(make_warehouse(context), game_date)
        log_event(log, "inputs_counted", game_date=game_date, **vars(inputs), outcome=inputs.outcome)
        if inputs.outcome == "ready":
            return vars(inputs)
        if inputs.outcome == "no_box_scores" and run_type(context) == "scheduled":
            self._wait_for_box_scores(context)
        detail = {
            "no_predictions": f"no gradable predictions for {game_date}: nothing to grade",
            "no_box_scores": f"none of the {inputs.games} games predicted for {game_date} has a box score: grade the date once they are in",
        }[inputs.outcome]
        self.skip(context, game_date, inputs.outcome, detail, gradable=inputs.gradable, pending=inputs.gradable, graded=0, voided=0)

    def _wait_for_box_scores(self, context: Context) -> None:
        settings, dag_run = get_settings(), context["dag_run"]
        since = dag_run.start_date or dag_run.run_after
        left_s = settings.grading_box_score_wait_seconds - (datetime.now(tz=UTC) - since).total_seconds()
        if left_s <= 0:
            return
        pause = timedelta(seconds=min(left_s, settings.grading_box_score_poll_seconds))
        log_event(log, "box_scores_awaited", left_s=round(left_s), next_look_s=pause.total_seconds())
        self.defer(trigger=DateTimeTrigger(moment=datetime.now(tz=UTC) + pause), method_name="resume")


class GuardedWriteOperator(TellsLineage, BaseOperator):
    """Write one game_date under the guard: lease of ``operation``, then ``work``.

    Without a lease where GRADING_USE_LEASE is off and the run's parameter use_lease is not on, or that parameter is off.

    ``work`` names a function, ``module:function``, called with a warehouse, the claim, the date, and keywords grading_run_id,
    max_shrink, allow_shrink and the run's parameters named in ``work_params``; it returns counts for XCom. ``game_date`` is
    templated, ISO. Returns those counts with grading_run_id, holder_id, leased and lease_wait_ms; the same is in XCom ``run`` when
    the work fails.
    """

    template_fields: Sequence[str] = ("game_date",)

    def __init__(self, *, operation: str, work: str, game_date: str, work_params: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.operation, self.work, self.game_date, self.work_params = operation, work, game_date, work_params

    def execute(self, context: Context, waiting_since: float | None = None) -> dict[str, Any]:
        """Claim the date, or defer until its lease may be free; then do the work."""
        from nba_grading.lease import LeaseHeld

        since = waiting_since or time.time()
        waited_s = max(time.time() - since, 0.001) if waiting_since else 0.0
        try:
            claim = self._claim(context, date.fromisoformat(self.game_date), waited_s=waited_s)
        except LeaseHeld as held:
            self._wait_for_lease(context, held, since)
        return self._write(context, claim, round(waited_s * 1000))

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Try again after the trigger saw the lease go, the deadline pass, or the store fall silent."""
        return self.execute(context, event["waiting_since"])

    def _claim(self, context: Context, game_date: date, *, waited_s: float = 0.0, in_place: bool = False) -> Lease | UnleasedClaim:
        """The claim on a date; raises LeaseHeld, after the whole wait where that is ``in_place``, or LeaseStoreUnavailable."""
        from nba_grading.guard import claim_date
        from nba_grading.lease import LeaseStoreUnavailable
        from nba_grading.lease_store import LeaseKey

        try:
            return claim_date(
                make_leases,
                LeaseKey(self.operation, game_date),
                lease_owner(context),
                get_settings().lease_on_unavailable,
                waited_s=waited_s,
                switched_off=switched_off(context),
                in_place=in_place,
            )
        except LeaseStoreUnavailable as error:
            self._report(context, {"detail": str(error)})
            raise

    def _write(self, context: Context, claim: Lease | UnleasedClaim, lease_wait_ms: int) -> dict[str, Any]:
        """Do the work for the claim's date, tell if it goes on without a lease, and give the claim back."""
        from nba_grading.guard import UnleasedClaim

        with claim:
            if isinstance(claim, UnleasedClaim):
                self._tell_unleased(context, claim)
            return self._work(context, claim, claim.key.game_date, lease_wait_ms)

    def _tell_unleased(self, context: Context, claim: UnleasedClaim) -> None:
        if claim.switched_off:
            told = alerts.lease_switched_off(run_link(context), run_date=self.game_date or None, game_date=claim.key.game_date, reason=claim.reason)
            tell(context, told)
        else:
            tell_lease_store_down(context, claim.reason)

    def _work(self, context: Context, claim: Lease | UnleasedClaim, game_date: date, lease_wait_ms: int) -> dict[str, Any]:
        from nba_grading.lease import Lease

        settings = get_settings()
        run = {
            "grading_run_id": uuid.uuid4().hex,
            "holder_id": claim.holder_id,
            "fencing_token": claim.token,
            "leased": claim.leased,
            "unleased_reason": None if isinstance(claim, Lease) else claim.reason,
            "lease_wait_ms": lease_wait_ms,
        }
        self._report(context, run)
        log_event(log, "write_begun", operation=self.operation, game_date=game_date, holder=claim.holder_id, grading_run_id=run["grading_run_id"])
        warehouse = make_warehouse(context)
        self._cancel = warehouse.cancel_running
        if isinstance(claim, Lease):
            claim.on_lost = warehouse.cancel_running
        if claim.taken_over is not None and claim.taken_over.inflight_job:
            warehouse.cancel(claim.taken_over.inflight_job)
        try:
            with fail_for_good():
                counts = load_function(self.work)(
                    warehouse,
                    claim,
                    game_date,
                    grading_run_id=run["grading_run_id"],
                    max_shrink=settings.grading_max_shrink,
                    allow_shrink=bool(context["params"].get("allow_shrink")),
                    **{name: context["params"][name] for name in self.work_params},
                )
        except Exception as error:
            self._report(context, {**run, **_told(error)})
            raise
        return {**run, **counts}

    def on_kill(self) -> None:
        """Stop the running query when the task is killed; the lease is released by its context, or expires."""
        getattr(self, "_cancel", lambda: None)()

    def _wait_for_lease(self, context: Context, held: LeaseHeld, since: float) -> None:
        from nba_grading.leases import timed_out

        max_wait_s = get_settings().lease_max_wait_seconds
        waited_s = time.time() - since
        if waited_s >= max_wait_s:
            self._give_up(context, timed_out(held, waited_s), waited_s)
        log_event(log, "lease_awaited", operation=self.operation, game_date=self.game_date, waited_s=round(waited_s, 1), held_by=held)
        self.defer(
            trigger=LeaseFreeTrigger(
                operation=self.operation,
                game_date=self.game_date,
                deadline=since + max_wait_s,
                waiting_since=since,
            ),
            method_name="resume",
            # A triggerer that is down must not keep the run waiting for ever.
            timeout=timedelta(seconds=max(since + max_wait_s - time.time(), 0) + DEFERRAL_GRACE_SECONDS),
        )

    def _give_up(self, context: Context, held: LeaseHeld, waited_s: float) -> NoReturn:
        self._report(context, {"outcome": "refused", "lease_wait_ms": round(waited_s * 1000), "detail": str(held)})
        raise LeaseWaitTimeout(waited_s, get_settings().lease_max_wait_seconds, str(held))

    def _report(self, context: Context, facts: Mapping[str, Any]) -> None:
        context["ti"].xcom_push(key=RESULT_KEY, value=dict(facts))


class AuditRefused(AirflowFailException):
    """The audit stopped the write, for a reason that trying again cannot mend; the date is as it was."""


class LeaseWaitTimeout(AirflowFailException):
    """The lease stayed held for the whole wait: its holder is alive and writing this date, so the run fails without a retry."""

    def __init__(self, waited_s: float, max_wait_s: float, held_by: str) -> None:
        super().__init__(f"waited {waited_s:.0f} s, at most {max_wait_s:g} s; {held_by}")
        self.waited_s, self.held_by = waited_s, held_by


def tell_lease_store_down(context: Context, reason: str) -> None:
    """One thread for one outage of the lease store, whichever run or sweep sees it first."""
    tell(context, alerts.lease_store_down(run_link(context), reason=reason, policy=get_settings().lease_on_unavailable))


def _told(error: Exception) -> dict[str, str]:
    """What an error is in the record of the run; a refusal is no failure of the operation."""
    return {**({"outcome": "refused"} if isinstance(error, AuditRefused) else {}), "detail": f"{type(error).__name__}: {error}"}


def switched_off(context: Context) -> str | None:
    """Why the run is to write without leases; None when it is not."""
    wanted = context["params"].get("use_lease")
    if wanted is None:
        return None if get_settings().grading_use_lease else "the setting GRADING_USE_LEASE is off"
    return None if wanted else "the run's parameter use_lease is off"


def load_function(path: str) -> Callable[..., Any]:
    """The function named by ``module:function``, imported when it is needed."""
    module, _, name = path.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), name)
    return loaded


@contextmanager
def fail_for_good() -> Iterator[None]:
    """Turn errors that a retry cannot mend into a failure without retries; the rest pass, for Airflow to retry."""
    from nba_grading.fenced_write import AuditFailed
    from nba_grading.warehouse import StatementFailed

    try:
        yield
    except StatementFailed as error:
        raise AirflowFailException(str(error)) from error
    except AuditFailed as error:
        if error.permanent:
            raise AuditRefused(str(error)) from error
        raise
