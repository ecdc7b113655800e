"""What must hold for every DAG, and for the plugins folder that Airflow would otherwise run wholesale."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from commands.stack_config import ROOT

DAG_IDS = {
    *("aggregate_performance", "consolidate_predictions", "grade_predictions", "heal_grading"),
    *(
        "check_data_quality",
        "clean_staging_tables",
        "deliver_alerts",
        "release_stuck_leases",
        "remove_duplicates",
        "restore_from_backup",
        "review_models",
    ),
}
GUARDED_WRITES = {
    "aggregate_performance": ["aggregate_day", "aggregate_periods"],
    "consolidate_predictions": ["consolidate"],
    "grade_predictions": ["grade"],
    "remove_duplicates": ["repair"],
    "restore_from_backup": ["restore"],
}
HEADINGS = ("**What.**", "**When.**", "**If it fails.**", "**Safe to rerun?**", "**Params.**")


@cache
def load_dags() -> Any:
    from airflow.dag_processing.dagbag import BundleDagBag

    pools = set(json.loads((ROOT / "include" / "pools.json").read_text())) | {"default_pool"}
    return BundleDagBag(dag_folder=str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="dags-folder", known_pools=pools)


def test_every_dag_file_loads_and_the_dags_are_exactly_these() -> None:
    bag = load_dags()
    assert bag.import_errors == {}
    assert set(bag.dags) == DAG_IDS
    assert {path.stem for path in (ROOT / "dags").glob("*.py")} == DAG_IDS


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_a_dag_says_what_a_person_on_call_asks(dag_id: str) -> None:
    dag = load_dags().dags[dag_id]
    assert [heading for heading in HEADINGS if heading not in dag.doc_md] == []
    assert dag.tags
    assert {task.owner for task in dag.tasks} == {"nba-grading"}
    assert all(param.description for param in dag.params.values() if hasattr(param, "description")) or not dag.params
    assert not dag.catchup


def test_every_pool_a_task_names_is_created_with_enough_slots() -> None:
    pools = json.loads((ROOT / "include" / "pools.json").read_text())
    used = [task for dag in load_dags().dags.values() for task in dag.tasks if task.pool != "default_pool"]
    assert {task.pool for task in used} == set(pools)
    assert all(task.pool_slots <= pools[task.pool]["slots"] for task in used)
    assert load_dags().dag_warnings == set()


def test_guarded_writes_and_they_alone_take_a_slot_of_the_pool() -> None:
    pooled = {dag_id: [task.task_id for task in dag.tasks if task.pool == "grading"] for dag_id, dag in load_dags().dags.items()}
    assert pooled == {dag_id: GUARDED_WRITES.get(dag_id, []) for dag_id in DAG_IDS}


def test_grades_are_summed_up_after_each_date_one_run_at_a_time() -> None:
    dag = load_dags().dags["aggregate_performance"]
    assert dag.max_active_runs == 1
    assert dag.timetable.asset_condition.name == "prediction_accuracy"


def test_every_task_alerts_when_it_fails_and_retries_with_backoff() -> None:
    for dag in load_dags().dags.values():
        for task in dag.tasks:
            assert task.on_failure_callback, task.task_id
            assert task.retry_exponential_backoff, task.task_id


def test_airflow_takes_nothing_of_the_package_for_a_plugin() -> None:
    """Without plugins/.airflowignore Airflow runs each module under its bare name, over the standard library's."""
    assert (ROOT / "plugins" / ".airflowignore").read_text().split() == ["nba_grading/"]
    script = (
        "import json, sys; from airflow import plugins_manager as p; plugins, errors = p._get_plugins(); "
        "print(json.dumps([sorted(x.name for x in plugins), list(errors), sorted(m for m in sys.modules if m in "
        "('settings', 'lease', 'guard', 'warehouse', 'tables', 'runs', 'events'))]))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    names, errors, leaked = json.loads(told.stdout.strip().splitlines()[-1])
    assert "nba_grading_pools" in names
    assert errors == []
    assert leaked == []


def test_parsing_a_dag_file_imports_no_google_library() -> None:
    """All in one process: which file imported it is in the output, as what is imported stays."""
    script = """
import runpy, sys
for path in sys.argv[1:]:
    runpy.run_path(path)
    print(path, "google.cloud.bigquery" in sys.modules)
"""
    paths = sorted(map(str, (ROOT / "dags").glob("*.py")))
    told = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True, timeout=120)
    assert [line for line in told.stdout.splitlines() if line.startswith(tuple(paths))] == [f"{path} False" for path in paths]


def test_the_plugin_creates_missing_pools_and_leaves_existing_ones_alone(metadata_database: None) -> None:
    script = """
import sys
from sqlalchemy import select
from airflow.models.pool import Pool
from airflow.utils.session import create_session
import pool_plugin
pool_plugin.create_missing_pools()
with create_session(scoped=False) as session:
    pool = session.scalar(select(Pool).where(Pool.pool == "grading"))
    print(pool.slots)
    pool.slots = 9
pool_plugin.create_missing_pools()
with create_session(scoped=False) as session:
    print(session.scalar(select(Pool).where(Pool.pool == "grading")).slots)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120, cwd=ROOT / "plugins")
    assert told.stdout.split()[-2:] == ["4", "9"]
