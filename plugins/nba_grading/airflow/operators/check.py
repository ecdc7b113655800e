"""The operators that begin a guarded run: resolve its date, pass the circuit breaker, check the inputs, and wait for them deferred."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.context import make_warehouse, run_type
from nba_grading.airflow.errors import AlreadyAlerted, ParamsRefused, fail_for_good, outcome_of
from nba_grading.airflow.params import game_date_of
from nba_grading.airflow.run_record import leave_facts
from nba_grading.airflow.triggers import settle_seconds
from nba_grading.events import get_logger
from nba_grading.game_dates import GameDateError, resolve_predicted_date
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = get_logger(__name__)

DEFERRAL_GRACE_SECONDS = 120


def pass_circuit_breaker(context: Context, operation: str, **facts: Any) -> None:
    """Return if the run may go on. An open circuit breaker refuses it, unless its parameter override_breaker is on: raises AlreadyAlerted.

    ``facts`` are left for the run's record, with what stopped it.
    """
    from nba_grading.runs.breaker import BreakerOpen, pass_breaker

    try:
        pass_breaker(
            make_warehouse(context),
            operation,
            f"{context['ti'].dag_id}/{context['ti'].run_id}",
            pause_s=get_settings().grading_breaker_seconds,
            override=bool(context["params"].get("override_breaker")),
        )
    except BreakerOpen as error:
        leave_facts(context, **facts, outcome="refused", detail=str(error))
        raise AlreadyAlerted(str(error)) from None
    except Exception as error:
        leave_facts(context, **facts, **outcome_of(error))
        raise


class CheckOperator(BaseOperator):
    """Resolve the run's game_date, pass the circuit breaker, and check the inputs; returns the date and the counts of its inputs.

    An open circuit breaker of the operation refuses the run, unless its parameter override_breaker is on. The facts left for the
    run's record say what stopped it. A subclass checks more than the date, or resolves it in another way.
    """

    def __init__(self, *, operation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.operation = operation

    def resolve_date(self, context: Context) -> date:
        """The run's game_date by the one rule of ``resolve_game_date``; raises GameDateError."""
        return game_date_of(context)

    def look(self, context: Context, game_date: date) -> dict[str, Any]:
        """Counts of the inputs, for a run that can continue; otherwise skip or fail."""
        return {}

    def execute(self, context: Context) -> dict[str, Any]:
        """Returns game_date (ISO) and the counts of its inputs."""
        game_date = self._game_date(context)
        pass_circuit_breaker(context, self.operation, game_date=str(game_date))
        return self._check(context, game_date)

    def resume(self, context: Context, event: Any) -> dict[str, Any]:
        """Check again after waiting for inputs."""
        return self._check(context, self._game_date(context))

    def skip(self, context: Context, game_date: date, outcome: str, detail: str, **facts: Any) -> NoReturn:
        """End the run here: there is nothing to do, for this reason."""
        leave_facts(context, game_date=str(game_date), **facts, outcome=outcome, detail=detail)
        raise AirflowSkipException(detail)

    def _check(self, context: Context, game_date: date) -> dict[str, Any]:
        facts = {"game_date": str(game_date)}
        leave_facts(context, **facts)
        try:
            with fail_for_good():
                return {**facts, **self.look(context, game_date)}
        except AirflowSkipException:
            raise
        except Exception as error:
            leave_facts(context, **facts, **outcome_of(error))
            raise

    def _game_date(self, context: Context) -> date:
        try:
            return self.resolve_date(context)
        except GameDateError as error:
            leave_facts(context, outcome="refused", detail=str(error))
            raise ParamsRefused(str(error)) from None


class CheckInputsOperator(CheckOperator):
    """Check whether a date can be graded; returns the date, the counts of ``grade.Inputs``, and in ``missing`` a sentence about
    the games that are not complete, or None.

    Without predictions the run is skipped. While a predicted game is not complete a scheduled run waits, deferred, for as long as the
    setting says; it then grades the games that are, as any other run does at once. Without a complete game the run is skipped. Games that
    the parameter accept_games names count as complete from then on.
    """

    def look(self, context: Context, game_date: date) -> dict[str, Any]:
        """The counts, if there are predictions and a complete game."""
        from nba_grading.pipelines.grade import UnknownGame, accept_games, count_inputs

        warehouse, accepted = make_warehouse(context), context["params"].get("accept_games")
        if accepted:
            try:
                accept_games(warehouse, game_date, accepted, f"{context['ti'].dag_id}/{context['ti'].run_id}")
            except UnknownGame as error:
                raise ParamsRefused(str(error)) from None
        inputs = count_inputs(warehouse, [game_date])[game_date]
        log.info("inputs_counted", game_date=game_date, **vars(inputs), outcome=inputs.outcome)
        if not inputs.are_complete and run_type(context) == "scheduled":
            self._wait_for_games(context, inputs.describe(game_date))
        if inputs.outcome == "ready":
            return {**vars(inputs), "missing": inputs.describe(game_date)}
        detail = inputs.describe(game_date) or f"no gradable predictions for {game_date}: nothing to grade"
        self.skip(context, game_date, inputs.outcome, detail, **inputs.pending)

    def _wait_for_games(self, context: Context, missing: str | None) -> None:
        settings, dag_run = get_settings(), context["dag_run"]
        since = dag_run.start_date or dag_run.run_after
        left_s = settings.grading_box_score_wait_seconds - (datetime.now(tz=UTC) - since).total_seconds()
        if left_s <= 0:
            return
        # Not sooner than the end of this task's process is noticed: see settle_seconds.
        pause = timedelta(seconds=max(min(left_s, settings.grading_box_score_poll_seconds), settle_seconds()))
        log.info("games_awaited", missing=missing, left_s=round(left_s), next_check_s=pause.total_seconds())
        trigger = DateTimeTrigger(moment=datetime.now(tz=UTC) + pause)
        # A triggerer that is down must not keep the run waiting for ever.
        self.defer(trigger=trigger, method_name="resume", timeout=pause + timedelta(seconds=DEFERRAL_GRACE_SECONDS))


class CheckBatchOperator(CheckOperator):
    """Check whether the batch of the parameter batch_id can be merged into the run's game_date; returns the date, its tables and their rows.

    A batch without tables is skipped; one that cannot be merged whole is refused before anything is changed.
    """

    def resolve_date(self, context: Context) -> date:
        """The parameter game_date: predictions are made before their games, so coming days are allowed."""
        return resolve_predicted_date(context["params"].get("game_date"))

    def look(self, context: Context, game_date: date) -> dict[str, Any]:
        """The names of the batch's tables and the number of their rows."""
        from nba_grading.pipelines.consolidate import read_batch, staging_prefix

        batch_id = context["params"]["batch_id"]
        batch = read_batch(make_warehouse(context), batch_id, game_date)
        if not batch.tables:
            detail = f"no table {staging_prefix(batch_id)}*: batch {batch_id} wrote none, or all of them are merged already"
            self.skip(context, game_date, "no_staging_tables", detail)
        return {"tables": [table.name for table in batch.tables], "rows": batch.rows}
