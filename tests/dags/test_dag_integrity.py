"""Rules for every DAG, for its trigger form, and for the plugins folder."""

from __future__ import annotations

import ast
import copy
import json
import re
import subprocess
import sys
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
import yaml

from commands.stack_config import ROOT, StackConfig
from tests.dags.runs import posted

DAG_IDS = {
    "aggregate_performance",
    "back_up_tables",
    "backfill_grades",
    "check_data_quality",
    "clean_staging_tables",
    "consolidate_predictions",
    "deliver_alerts",
    "grade_on_message",
    "grade_predictions",
    "preview_regrade",
    "recalibrate_confidence",
    "heal_grading",
    "release_stuck_leases",
    "remove_duplicates",
    "restore_from_backup",
    "review_models",
    "watch_players",
}
EMERGENCY_PARAMS = {"accept_games", "allow_shrink", "override_breaker", "use_lease"}
# Options of docker-compose.yaml that are about its containers alone, or choices of development.
COMPOSE_ONLY = re.compile(r"AIRFLOW__(CELERY__\w+|CORE__(EXECUTOR|LOAD_EXAMPLES|DAGS_ARE_PAUSED_AT_CREATION|SIMPLE_AUTH\w+)|SCHEDULER__\w+)")
GUARDED_WRITES = {
    "aggregate_performance": ["refresh"],
    "backfill_grades": ["grade"],
    "consolidate_predictions": ["consolidate"],
    "grade_predictions": ["grade"],
    "recalibrate_confidence": ["recalibrate"],
    "remove_duplicates": ["repair"],
    "restore_from_backup": ["restore"],
    "watch_players": ["watch", "measure"],
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


def all_params() -> dict[str, Any]:
    """dag.param → a copy of the Param, as resolve() changes its value."""
    return {f"{dag_id}.{name}": copy.copy(dag.params.get_param(name)) for dag_id, dag in load_dags().dags.items() for name in dag.params}


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_a_dag_answers_the_questions_of_a_person_on_call(dag_id: str) -> None:
    dag = load_dags().dags[dag_id]
    docstring = ast.get_docstring(ast.parse((ROOT / "dags" / f"{dag_id}.py").read_text(encoding="utf-8")), clean=False)
    assert dag.doc_md == docstring
    assert [heading for heading in HEADINGS if heading not in dag.doc_md] == []
    assert dag.description == dag.doc_md.strip().split("\n\n")[0], "the first paragraph is one line"
    assert dag.description.endswith(".")
    assert dag.tags
    assert {task.owner for task in dag.tasks} == {"nba-grading"}
    assert not dag.catchup


def test_every_run_has_a_timeout_longer_than_its_tasks_may_take() -> None:
    for dag_id, dag in load_dags().dags.items():
        longest = max((task.execution_timeout or timedelta() for task in dag.tasks), default=timedelta())
        assert timedelta(minutes=30) < dag.dagrun_timeout > 2 * longest, dag_id


def test_every_param_has_a_title_and_a_description_and_none_is_a_switch_with_three_states() -> None:
    params = all_params()
    assert [name for name, param in params.items() if not (param.description and param.schema.get("title"))] == []
    assert [name for name, param in params.items() if {"boolean", "null"} <= {*param.schema.get("type", [])}] == []
    assert {name.partition(".")[2] for name, param in params.items() if param.schema.get("section") == "Emergency"} == EMERGENCY_PARAMS
    assert {name.partition(".")[2] for name, param in params.items() if "section" not in param.schema}.isdisjoint(EMERGENCY_PARAMS)


@pytest.mark.parametrize(("setting", "reason"), [("true", None), ("false", "the setting GRADING_USE_LEASE is off")])
def test_a_form_that_is_sent_as_it_opens_leaves_leases_as_configured(
    setting: str, reason: str | None, settings_environment: pytest.MonkeyPatch
) -> None:
    from nba_grading.airflow.params import switched_off
    from nba_grading.settings import get_settings

    settings_environment.setenv("GRADING_USE_LEASE", setting)
    get_settings.cache_clear()
    dag_ids = [name.partition(".")[0] for name in all_params() if name.endswith(".use_lease")]
    assert len(dag_ids) == 8
    for dag_id in dag_ids:
        form = {name: param.value for name, param in load_dags().dags[dag_id].params.items()}
        assert switched_off({"params": form}) == reason  # type: ignore[typeddict-item]


@pytest.mark.parametrize("name", ["grade_predictions.use_lease", "review_models.weekly"])
@pytest.mark.parametrize("value", [True, False, None])
def test_a_caller_of_the_api_who_sends_the_former_boolean_is_refused_with_the_choices(name: str, value: bool | None) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    param = all_params()[name]
    with pytest.raises(ParamValidationError, match=re.escape(f"{value!r} is not one of {param.schema['enum']!r}")):
        param.resolve(value)


def test_a_trailing_line_break_does_not_match_a_pattern() -> None:
    from airflow.sdk.exceptions import ParamValidationError

    good = {"batch_id": "b1", "backup": "_backup_prediction_accuracy_20260110064500", "holder_id": "0" * 32}
    patterns = {name.partition(".")[2]: param for name, param in all_params().items() if "pattern" in param.schema}
    assert patterns.keys() == good.keys()
    for name, param in patterns.items():
        assert param.resolve(good[name]) == good[name]
        with pytest.raises(ParamValidationError, match="does not match"):
            param.resolve(good[name] + "\n")


def test_a_required_param_is_missing_until_it_is_given() -> None:
    from airflow.sdk.exceptions import ParamValidationError

    required = [name for name, param in all_params().items() if name.rpartition(".")[2] in ("batch_id", "backup", "from_date", "to_date")]
    assert len(required) == 10
    for name in required:
        with pytest.raises(ParamValidationError, match="No value passed and Param has no default value"):
            all_params()[name].resolve()


def test_dags_of_one_process_do_not_share_the_values_of_their_params() -> None:
    params = [dag.params.get_param("use_lease") for dag in load_dags().dags.values() if "use_lease" in dag.params]
    assert len({id(param) for param in params}) == len(params) == 8


def test_a_run_that_exceeds_its_timeout_alerts_and_one_that_fails_does_not_alert_again(
    settings_environment: pytest.MonkeyPatch, warehouse: object, emulators: StackConfig, before: int
) -> None:
    """By the code with which Airflow's DAG processor calls the callback."""
    import structlog
    from airflow.callbacks.callback_requests import DagCallbackRequest
    from airflow.dag_processing.processor import _execute_dag_callbacks

    now = "2026-01-10T00:00:00Z"
    run = {"dag_id": "remove_duplicates", "run_id": "manual__1", "run_after": now, "start_date": now, "run_type": "manual", "state": "failed"}
    run |= {
        "logical_date": None,
        "data_interval_start": None,
        "data_interval_end": None,
        "end_date": now,
        "partition_key": None,
        "clear_number": 0,
        "consumed_asset_events": [],
    }
    run["conf"] = {"from_date": "2026-01-10", "to_date": "2026-01-10"}
    ti = {
        "id": str(uuid4()),
        "task_id": "repair",
        "dag_id": "remove_duplicates",
        "run_id": "manual__1",
        "try_number": 1,
        "dag_version_id": str(uuid4()),
    }
    request = {"filepath": "remove_duplicates.py", "bundle_name": "b", "bundle_version": None, "dag_id": "remove_duplicates", "run_id": "manual__1"}
    request |= {"is_failure_callback": True, "context_from_server": {"dag_run": run, "last_ti": ti}}
    for reason in ("task_failure", "timed_out"):
        called = DagCallbackRequest.model_validate(request | {"msg": reason})
        _execute_dag_callbacks(load_dags(), called, structlog.get_logger())
    [message] = posted(emulators, before)
    assert "remove_duplicates failed" in message
    assert "dagrun_timeout" in message
    assert all(dag.has_on_failure_callback for dag in load_dags().dags.values())


def deploy_page() -> str:
    return (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def test_the_deployment_unpauses_every_dag() -> None:
    [command] = re.findall(r"^\$ for dag in ([^;]+); do$", deploy_page(), re.MULTILINE)
    assert sorted(command.replace("\\", " ").split()) == sorted(DAG_IDS)


def test_the_deployment_names_the_airflow_options_of_the_compose_file() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))["services"]
    options = {name: value for service in services.values() for name, value in service.get("environment", {}).items() if name.startswith("AIRFLOW__")}
    listed = dict(re.findall(r"^\| `(AIRFLOW__\w+)` \| (?:`([^`]+)`|[^|]+) \|", deploy_page(), re.MULTILINE))
    needed = {name for name in options if not COMPOSE_ONLY.fullmatch(name)}
    assert needed - listed.keys() == set()
    for name in ("AIRFLOW__CORE__TASK_SUCCESS_OVERTIME", "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL"):
        assert listed[name] == options[name]


def test_every_pool_of_a_task_is_created_with_enough_slots() -> None:
    pools = json.loads((ROOT / "include" / "pools.json").read_text())
    used = [task for dag in load_dags().dags.values() for task in dag.tasks if task.pool != "default_pool"]
    assert {task.pool for task in used} == set(pools)
    assert all(task.pool_slots <= pools[task.pool]["slots"] for task in used)
    assert load_dags().dag_warnings == set()


def test_only_guarded_writes_take_a_slot_of_the_pool() -> None:
    pooled = {dag_id: [task.task_id for task in dag.tasks if task.pool == "grading"] for dag_id, dag in load_dags().dags.items()}
    assert pooled == {dag_id: GUARDED_WRITES.get(dag_id, []) for dag_id in DAG_IDS}


def test_aggregates_follow_the_grades_one_run_at_a_time_and_daily_in_case_an_event_was_lost() -> None:
    dag = load_dags().dags["aggregate_performance"]
    assert dag.max_active_runs == 1
    assert [asset.name for asset in dag.timetable.asset_condition.objects] == ["prediction_accuracy"]
    assert dag.timetable.timetable.expression == "0 13 * * *"


def test_every_task_that_changes_grades_announces_them_and_only_those_do() -> None:
    outlets = {
        (dag_id, task.task_id): [asset.name for asset in (task.partial_kwargs.get("outlets") if task.is_mapped else task.outlets) or ()]
        for dag_id, dag in load_dags().dags.items()
        for task in dag.tasks
    }
    announcing = [
        ("backfill_grades", "grade"),
        ("grade_predictions", "validate"),
        ("remove_duplicates", "repair"),
        ("restore_from_backup", "restore"),
    ]
    assert sorted(task for task, assets in outlets.items() if assets == ["prediction_accuracy"]) == announcing


def test_what_looks_for_work_again_and_again_costs_at_most_150_jobs_a_day() -> None:
    from datetime import UTC, datetime

    from croniter import croniter

    midnight = datetime(2026, 1, 10, tzinfo=UTC)
    runs = 0
    for dag_id in ("deliver_alerts", "release_stuck_leases"):
        times = croniter(load_dags().dags[dag_id].timetable.serialize()["expression"], midnight)
        runs += sum(1 for _ in iter(lambda times=times: times.get_next(datetime) < midnight + timedelta(days=1), False))
    assert 100 < runs <= 150, "each looks with one job when there is nothing to do"


def test_healing_starts_a_backfill_with_params_that_it_takes() -> None:
    dags = load_dags().dags
    assert dags["heal_grading"].get_task("regrade").partial_kwargs["trigger_dag_id"] == "backfill_grades"
    days = ["2026-01-10", "2026-01-12"]
    params = {name: copy.copy(dags["backfill_grades"].params.get_param(name)) for name in dags["backfill_grades"].params}
    for name, value in {"from_date": days[0], "to_date": days[1], "dates": days, "regrade": True}.items():
        assert params[name].resolve(value) == value


def test_one_write_takes_as_many_dates_as_the_guarded_write_allows() -> None:
    from nba_grading.airflow.operators.write import DATES_A_WRITE
    from nba_grading.guarded_write.publish import MOST_DATES

    assert DATES_A_WRITE == MOST_DATES == 32


def test_every_task_alerts_when_it_fails_and_retries_with_backoff() -> None:
    for dag in load_dags().dags.values():
        for task in dag.tasks:
            assert task.on_failure_callback, task.task_id
            assert task.retry_exponential_backoff, task.task_id


def test_airflow_loads_no_module_of_the_package_as_a_plugin() -> None:
    """Without plugins/.airflowignore Airflow imports each module by its bare name, in place of the standard library's."""
    assert (ROOT / "plugins" / ".airflowignore").read_text().split() == ["nba_grading/"]
    script = (
        "import json, sys; from airflow import plugins_manager as p; plugins, errors = p._get_plugins(); "
        "print(json.dumps([sorted(x.name for x in plugins), list(errors), sorted(m for m in sys.modules if m in "
        "('settings', 'lease', 'guard', 'warehouse', 'tables', 'runs', 'events'))]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    names, errors, leaked = json.loads(done.stdout.strip().splitlines()[-1])
    assert "nba_grading_pools" in names
    assert errors == []
    assert leaked == []


def test_parsing_the_dag_files_imports_no_google_library() -> None:
    files = [str(path) for path in sorted((ROOT / "dags").glob("*.py"))]
    script = f"import sys, runpy; print([path for path in {files} if runpy.run_path(path) and 'google.cloud.bigquery' in sys.modules][:1])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip().splitlines()[-1] == "[]", "the first file after which the library was loaded"


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
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120, cwd=ROOT / "plugins")
    assert done.stdout.split()[-2:] == ["4", "9"]
