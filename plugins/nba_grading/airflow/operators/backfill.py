"""The operator that grades one chunk of a backfill: one guarded write, its checks, and a record of each date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from nba_grading.airflow.assets import GRADES, announce
from nba_grading.airflow.context import make_warehouse
from nba_grading.airflow.errors import LeaseWaitTimeout
from nba_grading.airflow.notify import resolve
from nba_grading.airflow.operators.check import DEFERRAL_GRACE_SECONDS
from nba_grading.airflow.operators.write import GuardedWriteOperator
from nba_grading.airflow.pubsub import announce_graded
from nba_grading.airflow.run_record import store_records
from nba_grading.airflow.tasks.record_run import count_failure
from nba_grading.airflow.tasks.validate import Settled, settle_grades, small_repairs
from nba_grading.alerts import messages
from nba_grading.alerts.model import incident_name
from nba_grading.events import get_logger
from nba_grading.game_dates import parse_game_date
from nba_grading.settings import get_settings
from nba_grading.warehouse.tables import PREDICTION_ACCURACY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nba_grading.guarded_write.work import WriteReport

log = get_logger(__name__)

PROGRESS_KEY = "progress"
# Whose incidents the grades of a date resolve, besides those of the backfill.
DAILY_DAG, DAILY_TASKS = "grade_predictions", ("check_inputs", "grade", "validate", "record_run")


class GradeDatesOperator(GuardedWriteOperator):
    """Grade the dates of a chunk in one write, check them, and record each in grading_runs with its outcome.

    A date fails alone: one that is refused, or whose lease stays held, is recorded so, and the others are graded. While the circuit breaker
    is open the chunk waits, deferred, for its turn to try. Tried again, it grades only what it has not recorded. The XCom ``progress`` has
    the outcome of each date so far. Returns the params of the runs of remove_duplicates that need no approval.
    """

    def __init__(self, *, game_dates: Sequence[str], **kwargs: Any) -> None:
        super().__init__(operation="grading", work="nba_grading.pipelines.grade:grade_dates", success="graded", **kwargs)
        self.game_dates = game_dates
        self._progress: dict[str, str] = {}
        self._repairs: list[dict[str, Any]] = []
        self._missing: dict[date, str | None] = {}

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Grade the chunk, or defer until its turn. ``event`` ends a wait for a lease."""
        self._wait_for_breaker(context)
        super().execute(context, event)
        announce(context, GRADES, [parse_game_date(day) for day, outcome in self._progress.items() if outcome == "graded"])
        return self._repairs

    def resume_after_pause(self, context: Context, event: Any = None) -> list[dict[str, Any]]:
        """Try again after the circuit breaker's pause."""
        return self.execute(context)

    def find(self, context: Context) -> Sequence[date]:
        """The dates of the chunk that this run has not recorded yet and that can be graded; the others are recorded with their reason."""
        from nba_grading.pipelines.grade import count_inputs
        from nba_grading.runs.backfill import list_dates_of_run

        warehouse, ti, began = make_warehouse(context), context["ti"], datetime.now(tz=UTC)
        recorded = list_dates_of_run(warehouse, ti.dag_id, ti.run_id, context["dag_run"].start_date or began)
        settled = {day: recorded[day] for day in map(parse_game_date, self.game_dates) if day in recorded}
        self._progress = {str(day): str(row["outcome"]) for day, row in settled.items()}
        # Those of an earlier try, or from before a wait: only the last one returns them.
        self._repairs = small_repairs(PREDICTION_ACCURACY, {day: int(row["duplicates"] or 0) for day, row in settled.items()})
        left = [parse_game_date(day) for day in self.game_dates if day not in self._progress]
        inputs = count_inputs(warehouse, left) if left else {}
        for day, found in inputs.items():
            log.info("inputs_counted", game_date=day, **vars(found), outcome=found.outcome)
        rows = [
            {"game_date": day, "outcome": found.outcome, "detail": found.describe(day), **found.pending}
            for day, found in inputs.items()
            if found.outcome != "ready"
        ]
        self._missing = {day: found.describe(day) for day, found in inputs.items()}
        self._record(context, rows, began)
        return [day for day, found in inputs.items() if found.outcome == "ready"]

    def settle(self, context: Context, warehouse: Any, facts: list[dict[str, Any]], report: WriteReport) -> None:
        """Check the published dates, and record the outcome of each."""
        reported = {parse_game_date(each["game_date"]): each for each in facts}
        settled = settle_grades(context, warehouse, reported) if facts else Settled([], {}, {}, frozenset())
        self._repairs += settled.repairs
        rows = [
            {
                **each,
                "outcome": "failed" if day in settled.fatal else "graded",
                "duplicates": settled.surplus[day],
                "detail": "; ".join(filter(None, (self._missing.get(day), settled.details[day]))) or None,
            }
            for day, each in reported.items()
        ]
        rows += [
            {"game_date": day, "outcome": "refused" if getattr(error, "permanent", False) else "failed", "detail": f"{type(error).__name__}: {error}"}
            for day, error in report.refused.items()
        ]
        self._record(context, rows, self._started_at)
        announce_graded([{**row, "dag_id": context["ti"].dag_id, "run_id": context["ti"].run_id} for row in rows])
        graded = [row for row in rows if row["outcome"] == "graded"]
        if graded:
            names = [
                name
                for row in graded
                for name in messages.task_incidents(DAILY_DAG, str(row["game_date"]), DAILY_TASKS, leased=bool(row.get("leased")))
            ]
            names.append(incident_name(messages.BREAKER_OPENED, self.operation))
            resolve(context, sorted(set(names)), f"A run of {context['ti'].dag_id} has graded {len(graded)} dates.")
        failed = next((row for row in rows if row["outcome"] == "failed"), None)
        if failed:
            count_failure(context, {**failed, "operation": self.operation})

    def give_up(self, context: Context, day: date, error: LeaseWaitTimeout) -> None:
        """Record that the date's lease stayed held; the other dates go on."""
        self._record(context, [{"game_date": day, "outcome": "refused", "detail": str(error)}], self._started_at)

    def _record(self, context: Context, rows: list[dict[str, Any]], began: datetime) -> None:
        for row in rows:
            row.setdefault("grading_run_id", f"{context['ti'].dag_id}/{context['ti'].run_id}")
        store_records(context, self.operation, rows, began)
        self._progress |= {str(row["game_date"]): str(row["outcome"]) for row in rows}
        context["ti"].xcom_push(key=PROGRESS_KEY, value=self._progress)

    def _wait_for_breaker(self, context: Context) -> None:
        from nba_grading.runs.breaker import BreakerOpen, pass_breaker

        ti, pause_s = context["ti"], get_settings().grading_breaker_seconds
        override = bool(context["params"].get("override_breaker"))
        try:
            pass_breaker(make_warehouse(context), self.operation, f"{ti.dag_id}/{ti.run_id}/{ti.map_index}", pause_s=pause_s, override=override)
        except BreakerOpen as error:
            log.warning("backfill_held_back", dates=len(self.game_dates), game_date=self.game_dates[0], next_try_s=pause_s, reason=str(error))
            pause = timedelta(seconds=pause_s)
            trigger = DateTimeTrigger(moment=datetime.now(tz=UTC) + pause)
            self.defer(trigger=trigger, method_name="resume_after_pause", timeout=pause + timedelta(seconds=DEFERRAL_GRACE_SECONDS))
