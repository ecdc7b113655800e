"""Running a DAG whole in this process, and what it left in Slack's stand-in."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any
from unittest.mock import patch

from commands.slack_sink import text_of
from commands.stack_config import ROOT, StackConfig
from tests.conftest import plain_http


def run_in_process(dag_id: str, **conf: Any) -> Any:
    """The finished run of a DAG with these params."""
    from airflow.dag_processing.dagbag import BundleDagBag

    # A DAG's file has its name: the other ten need not be parsed.
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
    """The state of each task."""
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def posted(emulators: StackConfig, since: int = 0) -> list[str]:
    """The messages Slack's stand-in got, from the given one on."""
    return [text_of(message) for message in messages(emulators, since)]


def messages(emulators: StackConfig, since: int = 0) -> list[dict[str, Any]]:
    """The same, whole, as they stand now: text, blocks, channel, thread_ts of replies."""
    found: list[dict[str, Any]] = plain_http().get(f"{emulators.url('slack')}/messages").json()[since:]
    return found
