"""The operators with which a guarded run begins: resolve its date, pass the circuit breaker, look at the inputs, and wait for them deferred."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from nba_grading.airflow.context import make_warehouse, run_type
from nba_grading.airflow.errors import RESULT_KEY, AlreadyAlerted, ParamsRefused, fail_for_good, outcome_of
from nba_grading.airflow.params import game_date_of
from nba_grading.events import get_logger
from nba_grading.game_dates import GameDateError, resolve_predicted_date
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = get_logger(__name__)


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
        return game_date_of(context)

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
        from nba_grading.runs.breaker import BreakerOpen, pass_breaker

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
            raise AlreadyAlerted(str(error)) from None
        except Exception as error:
            context["ti"].xcom_push(key=RESULT_KEY, value={**facts, **outcome_of(error)})
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
            context["ti"].xcom_push(key=RESULT_KEY, value={**facts, **outcome_of(error)})
            raise

    def _game_date(self, context: Context) -> date:
        try:
            return self.resolve_date(context)
        except GameDateError as error:
            context["ti"].xcom_push(key=RESULT_KEY, value={"outcome": "refused", "detail": str(error)})
            raise ParamsRefused(str(error)) from None


class CheckInputsOperator(CheckOperator):
    """Look whether a date can be graded; returns the date and the counts of ``grading.Inputs``.

    No predictions: skipped. No box score yet: a scheduled run waits, deferred, up to the setting; any other is skipped.
    """

    def look(self, context: Context, game_date: date) -> dict[str, Any]:
        """The counts, once there is something to grade and a box score to grade it by."""
        from nba_grading.pipelines.grade import count_inputs

        inputs = count_inputs(make_warehouse(context), game_date)
        log.info("inputs_counted", game_date=game_date, **vars(inputs), outcome=inputs.outcome)
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
        log.info("box_scores_awaited", left_s=round(left_s), next_look_s=pause.total_seconds())
        self.defer(trigger=DateTimeTrigger(moment=datetime.now(tz=UTC) + pause), method_name="resume")


class CheckBatchOperator(CheckOperator):
    """Look whether the batch of the run's parameter batch_id can be merged into its game_date; returns the date, its tables and their rows.

    A batch without tables is skipped; one that cannot be merged whole is refused, before anything is touched.
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
