"""OpenLineage's events of each guarded write: Airflow's own listener sends them, a receiver on this machine gets them.

The DAGs run whole in a process of their own, which begins with a transport configured, as a worker's does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openlineage_sql import parse

from commands.stack_config import PROJECT, ROOT
from nba_grading.airflow import lineage
from nba_grading.airflow.operators.refresh import RefreshAggregatesOperator
from nba_grading.guarded_write import publish
from nba_grading.guarded_write.claim import ClaimedDates, UnleasedClaim
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.guarded_write.write import Published, Write, Written
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.aggregate import AGGREGATES
from nba_grading.pipelines.consolidate import consolidate_date
from nba_grading.pipelines.repair import backup_name, create_backup
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.sql import load_sql, render_sql, tables_named
from nba_grading.warehouse.tables import DATASETS, PREDICTION_ACCURACY, TABLES
from proofs.publishes import insert_synthetic_date
from tests.lineage_receiver import LineageReceiver, names, partitions, receive_lineage

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

DAY = date(2026, 1, 10)
ROWS = 120
SCHEMA = json.loads((ROOT / "include" / "lineage" / "GuardedWritesRunFacet.json").read_text(encoding="utf-8"))
STAGING = "_staging_batch_b1_w1"
STAGE = f"CREATE TABLE nba_predictions.{STAGING} AS SELECT * FROM nba_predictions.player_prop_predictions WHERE game_date = DATE '{DAY}'"
COPY = f"INSERT INTO nba_predictions.prediction_accuracy SELECT * FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{DAY}' LIMIT 7"
SCRIPT = """
import json, sys
from tests.dags.runs import run_in_process, states
print([states(run_in_process(dag_id, **conf)) for dag_id, conf in json.loads(sys.argv[1])])
"""


@pytest.fixture
def receiver() -> Iterator[LineageReceiver]:
    with receive_lineage() as receiver:
        yield receiver


def run_dags(transport: str | None, *runs: tuple[str, dict[str, Any]]) -> str:
    """Run DAGs one after the other in a new process; what it printed and logged."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    if transport:
        environment["AIRFLOW__OPENLINEAGE__TRANSPORT"] = transport
    done = subprocess.run([sys.executable, "-c", SCRIPT, json.dumps(runs)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout.splitlines()[-1], done.stdout + done.stderr
    return done.stdout + done.stderr


def full(*tables: str) -> list[str]:
    return sorted(f"bigquery {PROJECT}.{table}" for table in tables)


def facet(event: dict[str, Any]) -> list[dict[str, Any]]:
    described = event["run"]["facets"][lineage.FACET]
    Draft202012Validator(SCHEMA).validate(described)
    assert described["_schemaURL"] == SCHEMA["$id"]
    writes: list[dict[str, Any]] = described["writes"]
    return writes


def recorded(warehouse: Warehouse, operation: str) -> dict[str, Any]:
    [row] = warehouse.query("SELECT * FROM nba_predictions.grading_runs WHERE operation = @operation", {"operation": operation})
    return row


def check(event: dict[str, Any], inputs: list[str], output: str, dates: list[dict[str, Any]], rows: int | None) -> None:
    assert names(event["inputs"]) == inputs
    assert names(event["outputs"]) == full(output)
    [written] = event["outputs"]
    assert partitions(written) == dates
    if rows is not None:
        assert written["outputFacets"]["outputStatistics"]["rowCount"] == rows


@pytest.mark.timeout(600)
def test_every_guarded_write_reports_its_inputs_its_output_and_its_date(warehouse: Warehouse, receiver: LineageReceiver) -> None:
    insert_synthetic_date(warehouse, DAY, ROWS)
    warehouse.query(STAGE)
    a_date, day = [{"game_date": str(DAY)}], {"game_date": str(DAY)}
    span = {"from_date": str(DAY), "to_date": str(DAY)}
    run_dags(receiver.transport, ("grade_predictions", day), ("aggregate_performance", {}), ("consolidate_predictions", {**day, "batch_id": "b1"}))
    [grade] = receiver.of("grade_predictions.grade", "COMPLETE")
    grades = "nba_predictions.prediction_accuracy"
    check(
        grade,
        full("nba_box_scores.player_game_summary", "nba_predictions.accepted_games", "nba_predictions.player_prop_predictions"),
        grades,
        a_date,
        ROWS,
    )
    row = recorded(warehouse, "grading")
    assert facet(grade) == [
        {
            "operation": "grading",
            "gradingRunId": row["grading_run_id"],
            "table": f"{PROJECT}.{grades}",
            "gameDate": str(DAY),
            "fence": row["fencing_token"],
            "rows": ROWS,
            "replacedRows": 0,
        }
    ]
    [started] = receiver.of("grade_predictions.grade", "START")
    check(started, [], grades, a_date, None)
    assert started["run"]["runId"] == grade["run"]["runId"]

    [refreshed] = receiver.of("aggregate_performance.refresh", "COMPLETE")
    days, players, bets, summary, market = (f"nba_predictions.{table.name}" for table in AGGREGATES)
    assert names(refreshed["outputs"]) == full(days, players, summary, bets, market)
    ends = ["2026-01-10", "2026-01-31", "2026-09-30"]
    written = {output["name"]: output for output in refreshed["outputs"]}
    assert [partitions(written[f"{PROJECT}.{table}"]) for table in (days, players, bets)] == [a_date, a_date, a_date]
    for table in (summary, market):
        assert partitions(written[f"{PROJECT}.{table}"]) == [{"period_end_date": end} for end in ends]
    rows_of_summary = sum(write["rows"] for write in facet(refreshed) if write["operation"] == "performance_summary")
    assert written[f"{PROJECT}.{summary}"]["outputFacets"]["outputStatistics"]["rowCount"] == rows_of_summary
    assert set(full(grades, players)) <= set(names(refreshed["inputs"]))

    [merged] = receiver.of("consolidate_predictions.consolidate", "COMPLETE")
    predictions = "nba_predictions.player_prop_predictions"
    check(merged, full(f"nba_predictions.{STAGING}", predictions), predictions, a_date, ROWS)

    backup = backup_name(PREDICTION_ACCURACY, datetime(2026, 1, 11, tzinfo=UTC))
    warehouse.dml(COPY)
    create_backup(warehouse, PREDICTION_ACCURACY, backup, keep_days=90)
    run_dags(
        receiver.transport,
        ("remove_duplicates", {**span, "dry_run": False, "auto_approve": True}),
        ("restore_from_backup", {**span, "dry_run": False, "backup": backup}),
    )
    [repaired] = receiver.of("remove_duplicates.repair", "COMPLETE")
    check(repaired, full(grades), grades, a_date, ROWS)
    assert [(write["operation"], write["replacedRows"]) for write in facet(repaired)] == [("grading", ROWS + 7)]
    [restored] = receiver.of("restore_from_backup.restore", "COMPLETE")
    check(restored, full(f"nba_predictions.{backup}"), grades, a_date, ROWS + 7)


@pytest.mark.timeout(300)
def test_a_receiver_that_is_down_fails_no_run(warehouse: Warehouse, receiver: LineageReceiver) -> None:
    insert_synthetic_date(warehouse, DAY, ROWS)
    nobody = json.dumps({"type": "http", "url": "http://127.0.0.1:9", "timeout": 1, "retry": {"total": 0}})
    run_dags(nobody, ("grade_predictions", {"game_date": str(DAY)}))
    assert recorded(warehouse, "grading")["outcome"] == "graded"


def test_without_a_transport_nothing_is_sent_and_nothing_of_openlineage_is_imported(warehouse: Warehouse) -> None:
    insert_synthetic_date(warehouse, DAY, ROWS)
    script = SCRIPT + "print([name for name in sys.modules if name.startswith('openlineage') or name.endswith('openlineage.plugins.listener')])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    runs = json.dumps([("grade_predictions", {"game_date": str(DAY)})])
    done = subprocess.run([sys.executable, "-c", script, runs], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_the_tables_a_write_reads_are_those_that_openlineages_parser_finds(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every SELECT that the guarded writes of a consolidation are made of, and of the SQL files of the others."""
    insert_synthetic_date(warehouse, DAY, ROWS)
    warehouse.query(STAGE)
    seen: list[str] = []

    def remember(warehouse: Warehouse, claimed: ClaimedDates, write: Write) -> Written:
        seen.append(write.rows)
        return publish.write_dates(warehouse, claimed, write)

    monkeypatch.setattr("nba_grading.pipelines.consolidate.write_dates", remember)
    claimed = ClaimedDates((UnleasedClaim(LeaseKey("consolidation", DAY), "test"),))
    consolidate_date(warehouse, claimed, WriteRequest("test", max_shrink=0.2, params={"batch_id": "b1"}))
    seen += [load_sql(name) for name in ("grading/grade_predictions", "aggregates/aggregate_players")]
    seen += [render_sql(f"aggregates/{name}", candidates=load_sql("aggregates/candidates_fragment")) for name in ("aggregate_days", "settle_bets")]
    fragments = {"periods": load_sql("aggregates/periods_fragment"), "upper_tails": load_sql("statistics/upper_tails_fragment")}
    seen += [render_sql(f"aggregates/{name}", **fragments) for name in ("aggregate_periods", "aggregate_market")]
    assert len(seen) == 7
    for text in seen:
        parsed = parse([text], dialect="bigquery")
        assert parsed is not None
        assert parsed.errors == []
        # It takes a name that a WITH inside a WITH reads from the outer one for a table.
        found = [table.qualified_name for table in parsed.in_tables if "." in table.qualified_name]
        assert sorted(found) == list(tables_named(text, DATASETS))


def trace_write(day: date, *, rows: int = 10) -> None:
    """A write of the summary, as the operator traces it."""
    read = ("nba_predictions.prediction_accuracy",)
    lineage.trace.append(lineage.TracedWrite(f"run-{day}", Published(TABLES["performance_summary"], day, 7, rows, 0, {}, read)))


def a_refresh() -> RefreshAggregatesOperator:
    return RefreshAggregatesOperator(task_id="refresh")


def test_a_task_that_writes_several_dates_has_one_output_with_all_of_them() -> None:
    operator = a_refresh()
    operator.pre_execute({})  # type: ignore[arg-type]
    assert operator.get_openlineage_facets_on_start() is None, "which dates it writes is not known yet"
    for day in (date(2026, 1, 31), DAY):
        trace_write(day)
    reported = operator.get_openlineage_facets_on_complete(None)
    assert reported is not None
    [output] = reported.outputs
    assert [partition.identifier for partition in output.outputFacets["subset"].outputCondition.partitions] == ["20260110", "20260131"]
    assert output.outputFacets["outputStatistics"].rowCount == 20
    assert [write["gradingRunId"] for write in reported.run_facets[lineage.FACET].writes] == ["run-2026-01-31", "run-2026-01-10"]


def test_the_writes_of_one_task_are_not_reported_by_the_next_one_of_the_process() -> None:
    trace_write(DAY)
    operator = a_refresh()
    operator.pre_execute({})  # type: ignore[arg-type]
    assert operator.get_openlineage_facets_on_complete(None) is None


def test_every_table_of_a_guarded_write_is_known_by_its_operation() -> None:
    assert {table.operation: table for table in TABLES.values()} == TABLES
    assert PREDICTION_ACCURACY in TABLES.values()
