"""The fence on the emulator: an older claim is refused by name and changes nothing, and so is what would not be as audited."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from google.cloud import bigquery

from nba_grading.guarded_write import claim as claim_module
from nba_grading.guarded_write.claim import claim_dates
from nba_grading.guarded_write.work import WriteRequest
from nba_grading.guarded_write.write import AuditFailed, FencedOut
from nba_grading.leases.errors import LeaseLost
from nba_grading.leases.lease import Lease
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from nba_grading.leases.times import LeaseTimes
from nba_grading.pipelines.grade import grade_dates
from nba_grading.warehouse.client import Warehouse
from tests.emulator.small_date import ROWS, Token, grade_claimed, grade_unleased, stored


def grade(warehouse: Warehouse, day: date, run_id: str, fencing_token: int) -> None:
    grade_claimed(warehouse, Token(LeaseKey("grading", day), "test", fencing_token=fencing_token), run_id)


def test_an_older_claim_is_fenced_out_and_changes_nothing(warehouse: Warehouse, small_date: date) -> None:
    grade(warehouse, small_date, "newer", 200)
    with pytest.raises(FencedOut, match="holds token 200, this writer has 100"):
        grade(warehouse, small_date, "older", 100)
    assert stored(warehouse.client, small_date) == (ROWS, ROWS, {"newer"})
    grade(warehouse, small_date, "newest", 201)
    assert stored(warehouse.client, small_date) == (ROWS, ROWS, {"newest"})


def test_a_claim_of_another_operation_writes_nothing(warehouse: Warehouse, small_date: date) -> None:
    grade(warehouse, small_date, "before", 200)
    claim = Token(LeaseKey("consolidation", small_date), "test", fencing_token=300)
    with pytest.raises(ValueError, match="a claim of consolidation cannot write prediction_accuracy"):
        grade_claimed(warehouse, claim, "wrong")
    assert stored(warehouse.client, small_date) == (ROWS, ROWS, {"before"})


def test_rows_that_are_not_as_audited_are_refused_and_change_nothing(warehouse: Warehouse, small_date: date) -> None:
    grade(warehouse, small_date, "before", 200)

    class Meddling(Warehouse):
        """Adds a row to the staging table right before the publish."""

        def query(self, text: str, *arguments: object, **keywords: object) -> list[dict[str, object]]:  # type: ignore[override]
            if "BEGIN TRANSACTION" in text:
                [staging] = set(re.findall(r"nba_predictions\._staging_\w+", text))
                super().dml(f"INSERT INTO {staging} SELECT * FROM {staging} LIMIT 1")
            return super().query(text, *arguments, **keywords)  # type: ignore[arg-type]

    meddling = Meddling(warehouse.client, warehouse.maximum_bytes_billed)
    with pytest.raises(AuditFailed, match=f"the staged rows are not the {ROWS} that were audited"):
        grade(meddling, small_date, "after", 201)
    assert stored(warehouse.client, small_date) == (ROWS, ROWS, {"before"})


class Watched(Warehouse):
    """Notes, for each job, what the lease document said when it was submitted."""

    store: SqliteLeaseStore
    key: LeaseKey
    noted: list[tuple[str, str | None]]

    def _submit_or_adopt(self, text: str, config: bigquery.QueryJobConfig, job_id: str) -> bigquery.QueryJob:
        record = self.store.read(self.key)
        self.noted.append((job_id, record.inflight_job if record else None))
        return super()._submit_or_adopt(text, config, job_id)


@pytest.fixture
def leased(warehouse: Warehouse, small_date: date, tmp_path: Path) -> Iterator[tuple[Watched, Lease]]:
    """A lease of the date, and a warehouse that looks at its document."""
    store, key = SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5), LeaseKey("grading", small_date)
    watched = Watched(warehouse.client, warehouse.maximum_bytes_billed)
    watched.store, watched.key, watched.noted = store, key, []
    with LeaseManager(store, LeaseTimes()).try_acquire(key, {}) as lease:
        yield watched, lease


def test_the_heavy_job_and_the_publish_are_in_the_lease_document_when_they_are_submitted(leased: tuple[Watched, Lease], small_date: date) -> None:
    watched, lease = leased
    grade_claimed(watched, lease, "run")
    named = [(job, noted) for job, noted in watched.noted if job.startswith(("nba_grading_stage", "nba_grading_publish"))]
    assert len(named) == 2
    assert all(job == noted for job, noted in named)


@pytest.mark.parametrize("step", [2, 3])
def test_a_writer_that_lost_its_lease_submits_nothing_more(leased: tuple[Watched, Lease], warehouse: Warehouse, small_date: date, step: int) -> None:
    watched, lease = leased
    grade_unleased(warehouse, small_date, "before")

    def lose() -> None:
        if len(watched.noted) == step - 1:
            lease.check = lease_check  # type: ignore[method-assign]
            record = watched.store.read(watched.key)
            assert record is not None
            watched.store.delete(watched.key, record.version)
            with pytest.raises(LeaseLost):
                lease.renew()
        lease_check()

    lease_check = lease.check
    lease.check = lose  # type: ignore[method-assign]
    with pytest.raises(LeaseLost, match="deleted"):
        grade_claimed(watched, lease, "late")
    # The drop of the staging table alone asks no lease: it is the writer's own.
    assert len(watched.noted) <= step
    assert not [job for job, _ in watched.noted if job.startswith("nba_grading_publish")]
    assert stored(warehouse.client, small_date) == (ROWS, ROWS, {"before"})


def managers(path: Path, max_wait_s: float) -> tuple[LeaseManager, LeaseManager]:
    """Of this writer and of another, with one store."""
    return tuple(LeaseManager(SqliteLeaseStore(path / "leases.db", rpc_seconds=5), LeaseTimes(max_wait_s=max_wait_s)) for _ in range(2))  # type: ignore[return-value]


def test_a_writer_waits_for_its_turn_to_publish(warehouse: Warehouse, small_date: date, tmp_path: Path) -> None:
    ours, others = managers(tmp_path, max_wait_s=30)
    turn = others.try_acquire(LeaseKey("grading"), {})
    ended: list[str] = []

    class Noting(Warehouse):
        """Ends the other's turn once this writer has audited its rows, and notes what came first."""

        def query(self, text: str, *arguments: object, **keywords: object) -> list[dict[str, object]]:  # type: ignore[override]
            rows = super().query(text, *arguments, **keywords)  # type: ignore[arg-type]
            if "claimed_date" in text:
                threading.Timer(0.5, lambda: (ended.append("the turn of another"), turn.release())).start()
            if "BEGIN TRANSACTION" in text:
                ended.append("the publish")
            return rows

    claimed, _ = claim_dates(lambda: ours, "grading", [small_date], {}, "fail")
    assert claimed
    with claimed:
        grade_dates(Noting(warehouse.client, warehouse.maximum_bytes_billed), claimed, WriteRequest("run")).raise_refused()
    assert ended == ["the turn of another", "the publish"]
    others.try_acquire(LeaseKey("grading"), {}).release()


def test_a_writer_that_is_not_given_its_turn_publishes_behind_the_fence(
    warehouse: Warehouse, small_date: date, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "TURN_SECONDS", 0.1)
    ours, others = managers(tmp_path, max_wait_s=0.1)
    claimed, _ = claim_dates(lambda: ours, "grading", [small_date], {}, "fail")
    assert claimed
    with claimed, others.try_acquire(LeaseKey("grading"), {}):
        grade_dates(warehouse, claimed, WriteRequest("run")).raise_refused()
    assert stored(warehouse.client, small_date) == (ROWS, ROWS, {"run"})
    assert "publish_without_turn" in caplog.text


def test_dates_whose_leases_are_held_are_left_out_and_told_by_whom(tmp_path: Path) -> None:
    ours, others = managers(tmp_path, max_wait_s=0.1)
    days = [date(2026, 1, day) for day in (10, 11, 12)]
    with others.try_acquire(LeaseKey("grading", days[1]), {"run_id": "other"}):
        claimed, held = claim_dates(lambda: ours, "grading", [days[2], *days[:2]], {}, "fail")
        assert claimed
        with claimed:
            assert (claimed.dates, list(held)) == ([days[0], days[2]], [days[1]])
            assert "other" in str(held[days[1]])
            assert claim_dates(lambda: others, "grading", days, {}, "fail")[0] is None
    claimed, held = claim_dates(lambda: ours, "grading", days, {}, "fail")
    assert claimed
    assert (claimed.dates, held) == (days, {}), "all are released with the context"
    with claimed:
        pass
