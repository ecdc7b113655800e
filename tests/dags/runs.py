"""Running a DAG whole in this process, what its tasks need to begin with, and what it left in Slack's stand-in."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from types import CodeType
from typing import Any
from unittest.mock import patch

import pytest

from commands.slack_sink import text_of
from commands.stack_config import ROOT, StackConfig
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.times import LeaseTimes
from nba_grading.warehouse.client import Warehouse
from tests.conftest import plain_http

PREDICTION_COLUMNS = (
    "prediction_id, system_id, player_lookup, game_id, game_date, predicted_points, confidence_score, recommendation, current_points_line, created_at"
)


def run_in_process(dag_id: str, **conf: Any) -> Any:
    """The finished run of a DAG with these params."""
    from airflow.dag_processing.dagbag import BundleDagBag

    # A DAG's file has its name: the other eleven need not be parsed.
    bag = BundleDagBag(dag_folder=str(ROOT / "dags" / f"{dag_id}.py"), bundle_path=ROOT / "dags", bundle_name="dags-folder")
    dag = bag.dags[dag_id]
    # dag.test() alone cannot make the context of a DAG-level callback when a param has no default.
    dag.has_on_failure_callback = False
    # Found by its code, as it imports the module itself.
    with patch("time.sleep", partial(sleep_briefly_if_called_by, type(dag).test.__code__, time.sleep)):
        return dag.test(run_conf=conf)


def sleep_briefly_if_called_by(code: CodeType, sleep: Callable[[float], None], seconds: float) -> None:
    """Instead of ``time.sleep``: dag.test() waits for a second whenever no task can run, though the run has mostly ended by then."""
    sleep(0.05 if sys._getframe(1).f_code is code else seconds)


def states(run: Any) -> dict[str, str]:
    """The state of each task; of a mapped one, of its last instance."""
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def result(run: Any, task_id: str, key: str = "return_value", map_indexes: int | None = None) -> Any:
    """What a task returned, or left under another key."""
    return next(iter(run.get_task_instances())).xcom_pull(task_ids=task_id, key=key, map_indexes=map_indexes)


def insert_predictions(warehouse: Warehouse, dates: Sequence[date], *, players: int = 4) -> None:
    """Predictions of one game a date, of one system, for ``players`` players."""
    warehouse.dml(
        f"INSERT INTO nba_predictions.player_prop_predictions ({PREDICTION_COLUMNS}) "
        "SELECT CONCAT('p', CAST(n AS STRING)), 'system', CONCAT('player', CAST(n AS STRING)), CONCAT('game ', CAST(day AS STRING)), day, "
        "NUMERIC '21', NUMERIC '0.6', 'OVER', NUMERIC '20.5', CAST(NULL AS TIMESTAMP) "
        f"FROM UNNEST(@days) AS day CROSS JOIN UNNEST(GENERATE_ARRAY(1, {players})) AS n",
        {"days": list(dates)},
    )


def insert_box_scores(warehouse: Warehouse, dates: Sequence[date], *, players: int = 4) -> None:
    """A box score of each of those players but the last, who did not play."""
    warehouse.dml(
        "INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, team_abbr, points, minutes_played) "
        "SELECT CONCAT('player', CAST(n AS STRING)), CONCAT('game ', CAST(day AS STRING)), day, IF(MOD(n, 2) = 0, 'DET', 'LAC'), 25, NUMERIC '240' "
        f"FROM UNNEST(@days) AS day CROSS JOIN UNNEST(GENERATE_ARRAY(1, {players - 1})) AS n",
        {"days": list(dates)},
    )


def hold_lease(operation: str, day: date) -> Lease:
    """Somebody else's lease of a date."""
    from nba_grading.airflow.context import make_leases

    leases = LeaseManager(make_leases().store, LeaseTimes(lease_s=30, rpc_s=5))
    return leases.acquire(LeaseKey(operation, day), {"dag_id": "somebody_else", "run_id": "backfill__1"})


def release_once_awaited(patch: pytest.MonkeyPatch, lease: Lease) -> None:
    """Release the lease when a task defers for it, so that no test waits for a clock."""
    from nba_grading.airflow.operators.write import GuardedWriteOperator

    wait = GuardedWriteOperator._wait_for_lease

    def wait_and_release(*arguments: Any) -> None:
        try:
            wait(*arguments)
        finally:
            lease.release()

    patch.setattr(GuardedWriteOperator, "_wait_for_lease", wait_and_release)


def remember_jobs(patch: pytest.MonkeyPatch) -> dict[str, str]:
    """The jobs that any warehouse submits from now on, by their ids: DAG, task, and the statement cut to a line."""
    submitted: dict[str, str] = {}
    submit = Warehouse._submit_or_adopt

    def remember(warehouse: Warehouse, text: str, config: Any, job_id: str) -> Any:
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("--")]
        task = f"{warehouse.labels.get('airflow-dag')}.{warehouse.labels.get('airflow-task')}"
        submitted[job_id] = f"{task}: {' '.join(lines)[:110]}"
        return submit(warehouse, text, config, job_id)

    patch.setattr(Warehouse, "_submit_or_adopt", remember)
    return submitted


def posted(emulators: StackConfig, since: int = 0) -> list[str]:
    """The messages Slack's stand-in got, from the given one on."""
    return [text_of(message) for message in messages(emulators, since)]


def messages(emulators: StackConfig, since: int = 0) -> list[dict[str, Any]]:
    """The same, whole, as they stand now: text, blocks, channel, thread_ts of replies."""
    found: list[dict[str, Any]] = plain_http().get(f"{emulators.url('slack')}/messages").json()[since:]
    return found
