"""The DAG preview_regrade, and what `make preview` prints of its result."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest

from commands.airflow_api import AirflowApi
from commands.console import CommandError, console
from commands.preview import changes_table, run_preview, summary, systems_table
from nba_grading.warehouse.client import Warehouse
from tests.dags.runs import insert_box_scores, insert_predictions, result, run_in_process, states

pytestmark = pytest.mark.usefixtures("metadata_database", "settings_environment")

FIRST, SECOND = date(2026, 1, 10), date(2026, 1, 11)
CONF = {"from_date": str(FIRST), "to_date": str(SECOND)}


def test_a_range_is_previewed_and_its_tables_say_what_would_change(warehouse: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    insert_predictions(warehouse, [FIRST, SECOND])
    insert_box_scores(warehouse, [FIRST, SECOND])
    run_in_process("grade_predictions", game_date=str(FIRST))
    warehouse.dml(f"UPDATE nba_box_scores.player_game_summary SET points = 18 WHERE game_date = DATE '{FIRST}' AND player_lookup = 'player1'")
    graded = warehouse.query("SELECT * FROM nba_predictions.prediction_accuracy")

    run = run_in_process("preview_regrade", **CONF)

    assert states(run) == {"preview": "success"}
    found = result(run, "preview")
    assert {change: count for change, count in found["changes"].items() if count} == {"new": 4, "actual_changed": 1, "unchanged": 3}
    assert found["refused"] == {}
    [system] = found["by_system"]
    assert (system["stored"]["mae"], system["staged"]["mae"]) == (4.0, pytest.approx((4 * 5 + 3) / 6))
    assert warehouse.query("SELECT * FROM nba_predictions.prediction_accuracy") == graded
    for table in (changes_table(found), systems_table(found)):
        console.print(table)
    printed = capsys.readouterr().out
    assert "actual changed" in printed
    assert "4.0000" in printed
    assert summary(found).splitlines() == [
        "5 keys of 2 dates would change; nothing was published.",
        "To publish: `make backfill FROM=2026-01-10 TO=2026-01-11 REGRADE=1`.",
    ]


def test_a_range_that_is_not_over_is_refused_with_a_sentence(warehouse: Warehouse) -> None:
    del warehouse
    run = run_in_process("preview_regrade", from_date="2026-01-10", to_date="2999-01-01")
    assert states(run) == {"preview": "failed"}


def api(state: str, found: Any, *, paused: bool = False) -> AirflowApi:
    """An Airflow whose run ends in this state with this result."""
    return cast(
        AirflowApi,
        SimpleNamespace(
            is_paused=lambda _dag: paused,
            trigger=lambda _dag, _conf: "manual__1",
            run=lambda _dag, _run: SimpleNamespace(state=state),
            result=lambda *_names: found,
        ),
    )


def test_a_run_that_fails_or_could_not_start_is_no_success() -> None:
    with pytest.raises(CommandError, match="manual__1 of preview_regrade ended as failed"):
        run_preview(api("failed", None), CONF)
    with pytest.raises(CommandError, match="is paused"):
        run_preview(api("success", {}, paused=True), CONF)
    assert run_preview(api("success", {"changes": {}}), CONF) == {"changes": {}}


def test_a_refused_date_is_named_with_its_reason() -> None:
    found = {"changes": {"unchanged": 3}, "by_date": [], "refused": {"2026-01-10": "it would shrink"}}
    assert summary(found).splitlines() == [
        "0 keys of 0 dates would change; nothing was published.",
        "2026-01-10: a regrade would be refused. it would shrink",
    ]
