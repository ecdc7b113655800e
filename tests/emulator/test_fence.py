"""The fence on the emulator: an older claim is refused by name and changes nothing, and so is what would not be as audited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from nba_grading.fenced_write import AuditFailed, FencedOut
from nba_grading.grading import grade_date
from nba_grading.guard import UnleasedClaim
from nba_grading.lease_store import LeaseKey
from nba_grading.warehouse import Warehouse
from tests.emulator.small_date import ROWS, stored


@dataclass(frozen=True)
class Claimed(UnleasedClaim):
    """A claim with a token of the test's choice."""

    token: int = 0  # type: ignore[assignment]


def grade(warehouse: Warehouse, day: date, run_id: str, token: int) -> None:
    claim = Claimed(LeaseKey("grading", day), "test", token=token)
    grade_date(warehouse, claim, day, grading_run_id=run_id, max_shrink=0.2, allow_shrink=False)


def test_an_older_claim_is_fenced_out_and_changes_nothing(warehouse: Warehouse, small_date: date) -> None:
    grade(warehouse, small_date, "newer", 200)
    with pytest.raises(FencedOut, match="holds token 200, this writer has 100"):
        grade(warehouse, small_date, "older", 100)
    assert stored(warehouse.client, small_date) == (ROWS, ROWS, {"newer"})
    grade(warehouse, small_date, "newest", 201)
    assert stored(warehouse.client, small_date) == (ROWS, ROWS, {"newest"})


def test_rows_that_are_not_as_audited_are_refused_and_change_nothing(warehouse: Warehouse, small_date: date) -> None:
    grade(warehouse, small_date, "before", 200)

    class Meddling(Warehouse):
        """Adds a row to the staging table right before the publish."""

        def run(self, text: str, *arguments: object, **keywords: object) -> list[dict[str, object]]:  # type: ignore[override]
            if "BEGIN TRANSACTION" in text:
                staging = text.split("FROM nba_predictions._staging")[1].split(";")[0]
                super().execute(f"INSERT INTO nba_predictions._staging{staging} SELECT * FROM nba_predictions._staging{staging} LIMIT 1")
            return super().run(text, *arguments, **keywords)  # type: ignore[arg-type]

    meddling = Meddling(warehouse.client, warehouse.maximum_bytes_billed)
    with pytest.raises(AuditFailed, match=f"would hold {ROWS + 1} rows, {ROWS} were audited"):
        grade(meddling, small_date, "after", 201)
    assert stored(warehouse.client, small_date) == (ROWS, ROWS, {"before"})
