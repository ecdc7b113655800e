"""Several dates in one guarded write: each is replaced whole or not at all, the refused ones by name, and in as few jobs as one date."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from google.cloud import bigquery

from nba_grading.guarded_write.claim import ClaimedDates
from nba_grading.guarded_write.fences import seed_fences
from nba_grading.guarded_write.publish import MOST_DATES, write_dates
from nba_grading.guarded_write.work import WriteReport, WriteRequest
from nba_grading.guarded_write.write import AuditFailed, FencedOut, Write
from nba_grading.leases.store import LeaseKey
from nba_grading.pipelines.aggregate import AGGREGATES
from nba_grading.pipelines.grade import grade_dates
from nba_grading.pipelines.repair import remove_duplicates
from nba_grading.warehouse.client import Row, Warehouse
from nba_grading.warehouse.sql import load_sql
from nba_grading.warehouse.tables import PREDICTION_ACCURACY
from tests.conftest import BYTES
from tests.emulator.scenario import listed
from tests.emulator.scenarios import BOX_SCORES, GRADES, PREDICTIONS
from tests.emulator.small_date import Token, refresh_all, unleased

FIRST, SECOND, THIRD = DAYS = [date(2026, 1, 10) + timedelta(days=number) for number in range(3)]
# Two of three players of the inputs have a box score.
GRADED, VOIDED = 4, 2
ROWS = GRADED + VOIDED
FENCES = "nba_predictions.write_fences_prediction_accuracy"


@dataclass
class Disturbed(Warehouse):
    """A warehouse that calls ``disturb`` once, before the first statement that has ``before`` in it."""

    before: str = ""
    disturb: Callable[[], Any] | None = None

    def query(self, text: str, *arguments: Any, **keywords: Any) -> list[Row]:
        if self.before in text and self.disturb:
            disturb, self.disturb = self.disturb, None
            disturb()
        return super().query(text, *arguments, **keywords)


def disturbed(warehouse: Warehouse, before: str, disturb: Callable[[], Any]) -> Disturbed:
    return Disturbed(warehouse.client, maximum_bytes_billed=BYTES, before=before, disturb=disturb)


def fill(warehouse: Warehouse, days: Sequence[date]) -> None:
    for text in (PREDICTIONS, BOX_SCORES):
        warehouse.dml(text.format(days=listed(days)))


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    """Inputs of three dates, six predictions each, and no grades."""
    fill(warehouse, DAYS)
    return warehouse


def grade(warehouse: Warehouse, *days: date, run: str = "run", tokens: Sequence[int] = (), allow_shrink: bool = False) -> WriteReport:
    claims = tuple(Token(LeaseKey("grading", day), "test", fencing_token=token) for day, token in zip(days, tokens, strict=True)) if tokens else ()
    claimed = ClaimedDates(claims) if claims else unleased("grading", *days)
    return grade_dates(warehouse, claimed, WriteRequest(run, max_shrink=0.2, allow_shrink=allow_shrink))


def stored(warehouse: Warehouse) -> dict[date, dict[str, int]]:
    """Date → run → rows."""
    found: dict[date, dict[str, int]] = {}
    for row in warehouse.query("SELECT game_date, grading_run_id AS run, COUNT(*) AS n FROM nba_predictions.prediction_accuracy GROUP BY 1, 2"):
        found.setdefault(row["game_date"], {})[row["run"]] = row["n"]
    return found


def fences(warehouse: Warehouse, table: str = FENCES) -> dict[date, Row]:
    """Date → its fence, of which there is one."""
    rows = warehouse.query(f"SELECT * FROM {table} WHERE version > 0")
    found = {row["game_date"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def published(report: WriteReport) -> list[date]:
    return [each.game_date for each in report.written.published]


def test_all_dates_of_a_write_are_replaced_whole_and_told_apart(filled: Warehouse) -> None:
    filled.dml(GRADES.format(days=listed([FIRST, THIRD + timedelta(days=1)]), copies=0))
    filled.dml(f"DELETE FROM nba_predictions.player_prop_predictions WHERE game_date = DATE '{SECOND}' AND player_lookup = 'player0'")
    report = grade(filled, *DAYS)
    assert (published(report), report.refused) == (DAYS, {})
    assert stored(filled) == {FIRST: {"run": ROWS}, SECOND: {"run": ROWS - 2}, THIRD: {"run": ROWS}, THIRD + timedelta(days=1): {"run0": ROWS}}
    facts = {day: report.facts_of(day) for day in DAYS}
    assert {day: (fact["graded"], fact["voided"], fact["written"], fact["replaced"]) for day, fact in facts.items()} == {
        FIRST: (GRADED, VOIDED, ROWS, ROWS),
        SECOND: (GRADED - 2, VOIDED, ROWS - 2, 0),
        THIRD: (GRADED, VOIDED, ROWS, 0),
    }
    assert {day: fact["game_date"] for day, fact in facts.items()} == {day: str(day) for day in DAYS}


def test_a_date_that_the_audit_stops_keeps_its_rows_and_the_others_are_published(filled: Warehouse) -> None:
    days = [*DAYS, FIRST + timedelta(days=10)]
    fill(filled, days[3:])
    grade(filled, *days, run="before").raise_refused()
    filled.dml(f"INSERT INTO nba_box_scores.player_game_summary SELECT * FROM nba_box_scores.player_game_summary WHERE game_date = DATE '{FIRST}'")
    filled.dml(f"DELETE FROM nba_predictions.player_prop_predictions WHERE game_date = DATE '{SECOND}' AND player_lookup != 'player0'")

    def lose_a_staged_row() -> None:
        [staging] = [table.table_id for table in filled.client.list_tables("nba_predictions") if table.table_id.startswith("_staging")]
        filled.dml(f"DELETE FROM nba_predictions.{staging} WHERE game_date = DATE '{THIRD}' AND player_lookup = 'player0' AND line_value IS NULL")

    report = grade(disturbed(filled, "claimed_date", lose_a_staged_row), *days, run="after")
    assert published(report) == days[3:]
    assert {day: type(error) for day, error in report.refused.items()} == dict.fromkeys(DAYS, AuditFailed)
    assert "10 staged rows have only 6 keys; nothing was published. The usual cause is a duplicate" in str(report.refused[FIRST])
    assert "would shrink from 6 keys to 2, more than the 20% allowed" in str(report.refused[SECOND])
    assert re.search(r"3 graded \+ 2 voided \+ 0 pending are not 6 gradable", str(report.refused[THIRD]))
    assert all(str(day) in str(error) for day, error in report.refused.items())
    assert [getattr(report.refused[day], "permanent", None) for day in DAYS] == [True, True, False]
    assert stored(filled) == {**{day: {"before": ROWS} for day in DAYS}, days[3]: {"after": ROWS}}
    with pytest.raises(AuditFailed, match=str(FIRST)):
        report.raise_refused()

    report = grade(filled, SECOND, run="allowed", allow_shrink=True)
    assert (report.refused, stored(filled)[SECOND]) == ({}, {"allowed": 2})


def test_a_date_that_a_newer_token_has_published_is_left_out_and_the_others_are_published(filled: Warehouse) -> None:
    grade(filled, SECOND, tokens=[200], run="newer").raise_refused()
    newer = fences(filled)[SECOND]
    report = grade(filled, *DAYS, tokens=[100, 100, 100], run="older")
    assert published(report) == [FIRST, THIRD]
    assert {day: str(error) for day, error in report.refused.items()} == {
        SECOND: f"prediction_accuracy {SECOND} holds token 200, this writer has 100; nothing was published"
    }
    assert isinstance(report.refused[SECOND], FencedOut)
    assert stored(filled) == {FIRST: {"older": ROWS}, SECOND: {"newer": ROWS}, THIRD: {"older": ROWS}}
    assert fences(filled)[SECOND] == newer


def test_dates_whose_own_rows_were_read_are_left_out_when_they_were_published_meanwhile(filled: Warehouse) -> None:
    filled.dml(GRADES.format(days=listed(DAYS), copies=2))
    overtaken = disturbed(filled, "BEGIN TRANSACTION", lambda: grade(filled, SECOND, run="meanwhile", allow_shrink=True).raise_refused())
    report = remove_duplicates(overtaken, unleased("grading", *DAYS), WriteRequest("repair"))
    assert published(report) == [FIRST, THIRD]
    assert isinstance(report.refused[SECOND], FencedOut)
    assert stored(filled) == {FIRST: {"run0": ROWS}, SECOND: {"meanwhile": ROWS}, THIRD: {"run0": ROWS}}


def test_a_date_without_rows_is_published_as_empty_beside_others(filled: Warehouse) -> None:
    grade(filled, *DAYS, run="before").raise_refused()
    filled.dml(f"UPDATE nba_predictions.player_prop_predictions SET is_active = FALSE WHERE game_date = DATE '{SECOND}'")
    assert isinstance(grade(filled, *DAYS, run="refused").refused[SECOND], AuditFailed)
    report = grade(filled, *DAYS, THIRD + timedelta(days=1), run="after", allow_shrink=True)
    assert (len(published(report)), report.refused) == (4, {})
    assert stored(filled) == {FIRST: {"after": ROWS}, THIRD: {"after": ROWS}}
    assert {day: (fence["published_rows"], fence["published_keys"]) for day, fence in fences(filled).items()} == {
        FIRST: (ROWS, ROWS),
        SECOND: (0, 0),
        THIRD: (ROWS, ROWS),
        THIRD + timedelta(days=1): (0, 0),
    }


def test_rows_of_a_date_that_is_not_claimed_refuse_the_whole_write(filled: Warehouse) -> None:
    grade(filled, FIRST, SECOND, run="before").raise_refused()
    rows = f"SELECT {', '.join(PREDICTION_ACCURACY.columns)} FROM nba_predictions.prediction_accuracy"
    write = Write(PREDICTION_ACCURACY, rows, {}, "run", max_shrink=1)
    written = write_dates(filled, unleased("grading", FIRST, THIRD), write)
    assert written.published == ()
    assert {day: str(error) for day, error in written.refused.items()} == {
        day: f"prediction_accuracy {day}: {ROWS} staged rows are of another date; nothing was published" for day in (FIRST, THIRD)
    }
    assert stored(filled) == {FIRST: {"before": ROWS}, SECOND: {"before": ROWS}}


def test_more_dates_than_a_transaction_should_change_are_refused_before_anything_runs(warehouse: Warehouse) -> None:
    assert MOST_DATES == 32
    days = [FIRST + timedelta(days=number) for number in range(MOST_DATES + 1)]
    never = disturbed(warehouse, "", lambda: pytest.fail("a statement was run"))
    with pytest.raises(ValueError, match="33 dates in one write: at most 32"):
        grade(never, *days)


def test_as_many_dates_as_are_allowed_are_written_at_once(warehouse: Warehouse) -> None:
    days = [FIRST + timedelta(days=number) for number in range(MOST_DATES)]
    fill(warehouse, days)
    report = grade(warehouse, *days)
    assert (published(report), report.refused) == (days, {})
    assert stored(warehouse) == {day: {"run": ROWS} for day in days}


def test_claims_of_two_operations_or_none_are_no_set_of_dates() -> None:
    with pytest.raises(ValueError, match="claims of one operation"):
        ClaimedDates(())
    with pytest.raises(ValueError, match="claims of one operation"):
        ClaimedDates((*unleased("grading", FIRST).claims, *unleased("consolidation", SECOND).claims))


def test_a_fence_says_what_its_publish_knew_and_its_version_grows_with_each(filled: Warehouse) -> None:
    filled.dml(GRADES.format(days=listed([FIRST]), copies=2))
    rows = f"SELECT {', '.join(PREDICTION_ACCURACY.columns)} FROM nba_predictions.prediction_accuracy WHERE game_date IN UNNEST(@game_dates)"
    write = Write(PREDICTION_ACCURACY, rows, {}, "copy", max_shrink=1, allow_duplicates=True, source_versions={FIRST: 41})
    write_dates(filled, unleased("grading", FIRST, SECOND), write)
    first = fences(filled)
    assert (first[FIRST]["published_rows"], first[FIRST]["published_keys"], first[FIRST]["source_version"]) == (12, ROWS, 41)
    assert first[SECOND]["source_version"] is None
    # A clock that went back must not let a version fall.
    filled.dml(f"UPDATE {FENCES} SET version = 9000000000000000 WHERE game_date = DATE '{FIRST}'")
    report = grade(filled, FIRST, SECOND, run="grade")
    second = fences(filled)
    assert second[FIRST]["version"] == 9000000000000001
    assert second[SECOND]["version"] > first[SECOND]["version"]
    for day in (FIRST, SECOND):
        assert (second[day]["grading_run_id"], second[day]["published_rows"], second[day]["published_keys"]) == ("grade", ROWS, ROWS)
        assert (second[day]["source_version"], second[day]["fencing_token"]) == (None, report.facts_of(day)["fencing_token"])
        assert second[day]["fencing_token"] == first[day]["fencing_token"] + 1, "a claim without a lease takes the next token"
    assert second[FIRST]["write_id"] == second[SECOND]["write_id"] != first[FIRST]["write_id"]
    assert second[FIRST]["holder_id"] != second[SECOND]["holder_id"]


def test_two_fence_rows_of_a_date_as_racing_seeds_leave_them_do_no_harm(filled: Warehouse) -> None:
    grade(filled, FIRST, tokens=[50], run="before").raise_refused()
    filled.dml(f"INSERT INTO {FENCES} (game_date, fencing_token, version, published_rows, published_keys) SELECT DATE '{FIRST}', 0, 0, 0, 0")
    filled.dml(f"INSERT INTO {FENCES} (game_date, fencing_token, version, published_rows, published_keys) SELECT DATE '{SECOND}', 0, 0, 0, 0")
    report = grade(filled, FIRST, SECOND, tokens=[49, 49], run="older")
    assert (published(report), str(report.refused[FIRST])) == (
        [SECOND],
        f"prediction_accuracy {FIRST} holds token 50, this writer has 49; nothing was published",
    )
    report = grade(filled, FIRST, SECOND, run="after")
    assert report.refused == {}
    assert [report.facts_of(day)["fencing_token"] for day in (FIRST, SECOND)] == [51, 50]
    assert stored(filled) == {FIRST: {"after": ROWS}, SECOND: {"after": ROWS}}
    rows = filled.query(f"SELECT game_date, fencing_token, published_rows FROM {FENCES} WHERE game_date IN (DATE '{FIRST}', DATE '{SECOND}')")
    assert sorted(row["fencing_token"] for row in rows) == [50, 50, 51, 51]
    assert {row["published_rows"] for row in rows} == {ROWS}


def test_a_season_of_fences_is_seeded_by_one_statement_and_from_the_rows_that_are_there(filled: Warehouse) -> None:
    filled.dml(GRADES.format(days=listed([FIRST]), copies=2))
    filled.dml(f"UPDATE nba_predictions.prediction_accuracy SET fencing_token = 77 WHERE game_date = DATE '{FIRST}' AND player_lookup = 'player0'")
    report = grade(filled, FIRST, SECOND, tokens=[76, 76])
    assert "holds token 77, this writer has 76" in str(report.refused[FIRST]), "a fence that was lost begins at the newest token of its rows"
    [row] = filled.query(f"SELECT COUNT(*) AS n, COUNT(DISTINCT game_date) AS days, MIN(game_date) AS first, MAX(game_date) AS last FROM {FENCES}")
    assert row == {"n": 365, "days": 365, "first": date(2025, 10, 1), "last": date(2026, 9, 30)}
    fence = fences(filled)[FIRST]
    assert (fence["published_rows"], fence["published_keys"]) == (12, ROWS)
    [newest] = filled.query(f"SELECT UNIX_MICROS(MAX(graded_at)) AS v FROM nba_predictions.prediction_accuracy WHERE game_date = DATE '{FIRST}'")
    assert fence["version"] == newest["v"]
    before = filled.query(f"SELECT * FROM {FENCES} ORDER BY game_date")
    seed_fences(filled, PREDICTION_ACCURACY, [THIRD])
    assert filled.query(f"SELECT * FROM {FENCES} ORDER BY game_date") == before


def job_ids(client: bigquery.Client) -> set[str]:
    """The jobs of clients, without the statements of scripts."""
    return {job.job_id for job in client.list_jobs() if not getattr(job, "parent_job_id", None)}


def jobs_of(warehouse: Warehouse, work: Callable[[], Any]) -> list[str]:
    before = job_ids(warehouse.client)
    work()
    return sorted(job_ids(warehouse.client) - before)


def test_a_write_is_three_jobs_for_one_date_and_for_eight_and_a_refresh_one_more(warehouse: Warehouse) -> None:
    days = [FIRST + timedelta(days=number) for number in range(8)]
    fill(warehouse, days)
    seed_fences(warehouse, PREDICTION_ACCURACY, days)
    for table in AGGREGATES:
        seed_fences(warehouse, table, days)
    for some in (days[:1], days):
        jobs = jobs_of(warehouse, lambda some=some: grade(warehouse, *some).raise_refused())
        assert [re.sub(r"_(prediction_accuracy)_.*", r"_\1", job) for job in jobs if "_prediction_accuracy_" in job] == [
            "nba_grading_audit_prediction_accuracy",
            "nba_grading_publish_prediction_accuracy",
            "nba_grading_stage_prediction_accuracy",
        ]
        assert len(jobs) == 3, jobs

    assert len(jobs_of(warehouse, lambda: refresh_all(warehouse))) == 1 + 3 * len(AGGREGATES)
    grade(warehouse, FIRST).raise_refused()
    assert len(jobs_of(warehouse, lambda: refresh_all(warehouse))) == 1 + 3 * len(AGGREGATES)
    assert len(jobs_of(warehouse, lambda: refresh_all(warehouse))) == 1, "nothing is stale: one query says so"


def test_the_publish_has_six_statements() -> None:
    text = re.sub(r"--[^\n]*", "", load_sql("guarded_write/publish_staging"))
    assert [statement.split()[0] for statement in text.split(";") if statement.strip()] == ["BEGIN", "UPDATE", "DELETE", "INSERT", "COMMIT", "SELECT"]
