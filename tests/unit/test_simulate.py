from __future__ import annotations

import dataclasses
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import simpy
import sqlglot

from commands.stack_config import ROOT
from proofs import simulate as command
from proofs.simulate_assumptions import LOCAL, Assumptions, read_measurements, with_values
from proofs.simulate_bigquery import BigQuery, Conflict, Job, QueueFull, RetriesExhausted, Steps, run_with_retries
from proofs.simulate_designs import Design, Result, batches, simulate
from proofs.simulate_scenarios import LEASE_LOST, LEASE_WORKS, side_by_side

EXACT = Assumptions(jitter=0)
SMALL = Assumptions(dates=64, writers=8)
TEN_SECONDS = Job(10, tables=2, children=6)


class Project:
    """A simulated project, its clock, and the processes that ended: (when, how), in order."""

    def __init__(self, assumptions: Assumptions = EXACT) -> None:
        self.assumptions = assumptions
        self.env = simpy.Environment()
        self.random = random.Random(1)
        self.bigquery = BigQuery(self.env, assumptions, self.random)
        self.ended: list[tuple[float, str]] = []

    def start(self, make: Callable[[], Steps], after: float = 0) -> None:
        def process() -> Steps:
            yield self.env.timeout(after)
            try:
                yield from make()
            except (Conflict, QueueFull, RetriesExhausted) as error:
                self.ended.append((self.env.now, type(error).__name__))
            else:
                self.ended.append((self.env.now, "done"))

        self.env.process(process())

    def transaction(self, *tables: str, after: float = 0, retried: bool = False) -> None:
        def make() -> Steps:
            return self.bigquery.transaction(tables, TEN_SECONDS)

        self.start((lambda: run_with_retries(self.env, self.assumptions, self.random, make)) if retried else make, after)

    def run(self) -> list[tuple[float, str]]:
        self.env.run()
        return self.ended


def result_of(design: Design, **values: object) -> Result:
    return simulate(design, dataclasses.replace(SMALL, **values))  # type: ignore[arg-type]


def test_of_two_transactions_on_one_table_the_later_is_cancelled() -> None:
    project = Project()
    project.transaction("fences", "grades")
    project.transaction("fences", "days", after=4)
    assert project.run() == [(4 + EXACT.conflict_seconds, "Conflict"), (10, "done")]
    assert (project.bigquery.usage.aborts, project.bigquery.usage.transactions) == (1, 1)


def test_the_cancelled_one_is_tried_again_until_it_commits() -> None:
    project = Project()
    project.transaction("fences")
    project.transaction("fences", after=4, retried=True)
    (first, _), (second, how) = project.run()
    assert (first, how) == (10, "done")
    assert second >= 20
    assert project.bigquery.usage.aborts >= 1
    assert project.bigquery.usage.transactions == 2


def test_transactions_on_different_tables_run_side_by_side() -> None:
    project = Project()
    project.transaction("write_fences_a", "a")
    project.transaction("write_fences_b", "b")
    assert project.run() == [(10, "done"), (10, "done")]
    assert project.bigquery.usage.aborts == 0


def test_the_running_transaction_is_the_cancelled_one_where_that_is_assumed() -> None:
    project = Project(dataclasses.replace(EXACT, running_cancelled_share=1))
    project.transaction("fences")
    project.transaction("fences", after=4)
    assert project.run() == [(4, "Conflict"), (14, "done")]


def test_retries_end_after_five_minutes_of_failures() -> None:
    project = Project(dataclasses.replace(EXACT, running_cancelled_share=0))
    project.start(lambda: project.bigquery.transaction(["fences"], Job(4000)))
    project.transaction("fences", after=1, retried=True)
    (when, how), _ = project.run()
    assert how == "RetriesExhausted"
    assert 300 <= when <= 300 + 1 + 30 + 2 * EXACT.conflict_seconds


def test_two_dml_statements_run_twenty_wait_and_the_next_is_refused() -> None:
    project = Project()
    for _ in range(23):
        project.start(lambda: project.bigquery.dml("runs", TEN_SECONDS))
    ended = project.run()
    assert ended[0] == (0, "QueueFull")
    assert [when for when, _ in ended[1:]] == [10.0 * (1 + pair) for pair in range(11) for _ in range(2)]
    assert {how for _, how in ended[1:]} == {"done"}
    assert (project.bigquery.usage.refusals, project.bigquery.usage.jobs) == (1, 23)


def test_dml_waits_for_a_transaction_and_a_transaction_is_cancelled_by_dml() -> None:
    project = Project()
    project.transaction("runs")
    project.start(lambda: project.bigquery.dml("runs", TEN_SECONDS), after=1)
    project.transaction("runs", after=12)
    assert project.run() == [(10, "done"), (12 + EXACT.conflict_seconds, "Conflict"), (20, "done")]


def test_selects_and_inserts_run_beside_a_transaction() -> None:
    project = Project()
    project.transaction("grades")
    project.start(lambda: project.bigquery.query(TEN_SECONDS))
    assert project.run() == [(10, "done"), (10, "done")]


def test_one_slot_runs_one_job_at_a_time() -> None:
    project = Project(dataclasses.replace(EXACT, slots=1, slot_seconds_per_million=0))
    for _ in range(3):
        project.start(lambda: project.bigquery.query(TEN_SECONDS))
    assert [when for when, _ in project.run()] == [10, 20, 30]


def test_a_job_that_needs_more_slots_than_there_are_takes_longer() -> None:
    project = Project(dataclasses.replace(EXACT, slots=10))
    project.start(lambda: project.bigquery.query(Job(10, rows=10_000_000)))
    assert project.run() == [(pytest.approx(31), "done")]  # 10 + 300 slot-seconds on 10 slots


def test_bytes_are_billed_at_ten_megabytes_a_table_at_least() -> None:
    project = Project()
    project.start(lambda: project.bigquery.query(Job(1, tables=3, bytes_read=5)))
    project.start(lambda: project.bigquery.query(Job(1, tables=3, bytes_read=10**9)))
    project.run()
    assert project.bigquery.usage.bytes_billed == 3 * EXACT.minimum_bytes + 10**9


def test_the_publish_lease_leaves_no_conflict_and_its_loss_does() -> None:
    leased, lost = result_of("today", chunk_dates=1), result_of("today", chunk_dates=1, publish_lease=False)
    assert (leased.aborts, leased.failed_dates) == (0, 0)
    assert lost.aborts > 0
    # Each of the others publishes at most once while one waits for its turn.
    assert 0 < leased.worst_wait_seconds < SMALL.writers * (SMALL.publish_seconds * 1.2 + SMALL.lease_handoff_seconds)


def test_jobs_grow_with_the_writes_and_not_with_the_dates() -> None:
    alone = {"aggregates": False, "chunk_dates": 32}
    two, one, single = (result_of("today", dates=dates, **alone) for dates in (64, 32, 1))
    assert one.jobs == single.jobs == 1 + 7  # a plan; inputs, staging, audit, publish, validation, records, incidents
    assert two.jobs == 1 + 2 * 7
    assert (two.publishes, two.children) == (2, 12)
    before = [result_of("before", dates=dates, aggregates=False, writers=1).jobs for dates in (32, 64)]
    assert before[1] == 2 * before[0]


def test_the_reconciler_merges_events_and_leaves_nothing_stale() -> None:
    found = result_of("today", dates=256, writers=8)
    grades = 256 // 32
    assert found.failed_aggregates == 0
    # At least one write of days and one of periods for 32 partitions each; far fewer than one run for each date.
    assert grades + 2 * grades <= found.publishes <= 6 * grades


def test_today_is_faster_and_cheaper_than_before_with_fewer_aborts() -> None:
    rows = {row.name: row.result for row in side_by_side(SMALL)}
    before, today, lost = rows["before"], rows[LEASE_WORKS], rows[LEASE_LOST]
    assert before.hours > 10 * today.hours
    assert before.grading_hours > today.grading_hours
    assert before.dollars > today.dollars
    assert before.aborts > lost.aborts > today.aborts == 0
    assert before.jobs > 10 * today.jobs


def test_more_writers_do_not_make_publishes_behind_one_fence_table_faster() -> None:
    few, many = (result_of("before", dates=96, writers=writers, aggregates=False) for writers in (4, 32))
    least_hours = 96 * SMALL.publish_seconds_before * (1 - SMALL.jitter) / 3600
    assert many.grading_hours > least_hours
    assert many.aborts_per_publish > 3 * few.aborts_per_publish


def test_equal_seeds_give_equal_results_and_others_do_not() -> None:
    assert result_of("before", dates=16) == result_of("before", dates=16)
    assert result_of("before", dates=16) != result_of("before", dates=16, seed=2)


def test_dates_whose_retries_are_exhausted_are_counted() -> None:
    lost = {"writers": 16, "chunk_dates": 2, "publish_lease": False, "task_retries": 0, "conflict_retry_seconds": 10, "aggregates": False}
    found = result_of("today", **lost)
    assert 0 < found.failed_dates < 64
    assert found.publishes == (64 - found.failed_dates) // 2


def test_parts_in_batches() -> None:
    assert [list(each) for each in batches(range(5), 2)] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"date": 1}, "date is no assumption"),
        ({"dates": 0}, "dates is 0; it must be at least 1"),
        ({"dates": 1.5}, "dates is 1.5; it must be a whole number"),
        ({"dates": "9"}, "dates is '9'; it must be a whole number"),
        ({"publish_seconds": -1}, "publish_seconds is -1; it must not be negative"),
        ({"publish_lease": 1}, "publish_lease is 1; it must be true or false"),
        ({"writers": True}, "writers is True; it must be a whole number"),
        ({"jitter": 1.0}, "jitter is 1.0"),
    ],
)
def test_an_impossible_assumption_is_refused_by_name(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        with_values(EXACT, values)


def test_the_local_prediction_is_the_sum_of_the_steps_for_one_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured = {
        "dates": 8, "writers": 1, "aggregates": False, "task_overhead_seconds": 2, "small_job_seconds": 0.25, "dml_seconds": 0.5,
        "staging_seconds": 3, "audit_seconds": 1, "publish_seconds": 2, "publish_seconds_per_million": 0, "staging_seconds_per_million": 0,
        "audit_seconds_per_million": 0, "lease_handoff_seconds": 0, "backfill_seconds": 11,
    }  # fmt: skip
    path = tmp_path / "measurements.json"
    path.write_text(json.dumps(measured), encoding="utf-8")
    assert read_measurements(path).assumptions.slots == LOCAL.slots == 1
    # A plan: 2 + 0.25. A chunk: 2, then 0.25 + 3 + 1 + 2 + 0.25 + 0.5 + 0.25.
    assert command.main(["--local", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["predicted_seconds"] == pytest.approx(11.5)
    assert found["within_tolerance"]

    path.write_text(json.dumps({**measured, "backfill_seconds": 9}), encoding="utf-8")
    assert command.main(["--local", str(path)]) == 1
    assert "ratio 1.28, not within 25%" in capsys.readouterr().out


def test_a_local_file_that_names_something_unknown_is_refused_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "measurements.json"
    path.write_text('{"publish": 3}', encoding="utf-8")
    assert command.main(["--local", str(path)]) == 1
    assert "publish is no assumption" in capsys.readouterr().err


def test_the_command_prints_each_design_as_json_and_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--dates", "4", "--writers", "2", "--chunk", "2", "--assume", "jitter=0"]
    assert command.main([*small, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["assumptions"]["jitter"] == 0
    [rows] = found["tables"].values()
    assert [row["name"] for row in rows] == ["before", LEASE_WORKS, LEASE_LOST]
    assert {"hours", "aborts_per_publish", "failed_dates", "worst_wait_seconds", "jobs", "bytes_billed", "dollars"} <= rows[0].keys()

    assert command.main(small) == 0
    assert "| before" in capsys.readouterr().out
    assert command.main([*small, "--assume", "jitter=much"]) == 1


def test_the_query_of_the_page_parses() -> None:
    [query] = re.findall(r"```sql\n(.+?)```", (ROOT / "docs" / "scale.md").read_text(encoding="utf-8"), re.DOTALL)
    [statement] = sqlglot.parse(query, read="bigquery")
    assert statement is not None
    assert {"step", "median_seconds", "conflicts"} <= set(statement.named_selects)
