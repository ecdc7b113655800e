"""The scenarios of tests/emulator/test_kills_*.py: each task that writes, what it finds, and what an undisturbed run makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from nba_grading.pipelines.repair import backup_name, create_backup
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.tables import PREDICTION_ACCURACY
from tests.emulator.scenario import Parts, Scenario, listed, rows_by_date, tables

BACKED_UP_AT = datetime(2026, 3, 1, tzinfo=UTC)
HOLDER = "0123456789abcdef0123456789abcdef"
GRADE = "player_lookup, system_id, line_value, actual_points, is_voided, graded_at, grading_run_id"
# Six keys, two of them without a line; the copies of a key are later and have other actuals.
GRADES = """
INSERT INTO nba_predictions.prediction_accuracy
    (player_lookup, game_id, game_date, system_id, line_value, predicted_points, confidence_score, recommendation,
     actual_points, absolute_error, signed_error, prediction_correct, is_voided, graded_at, grading_run_id, fencing_token)
SELECT
    CONCAT('player', CAST(DIV(n, 2) AS STRING)), 'game1', game_date, 'system1', IF(MOD(n, 3) = 0, NULL, NUMERIC '20.5') + MOD(n, 2),
    NUMERIC '21', NUMERIC '0.6', 'OVER', 20 + n + 10 * copy, NUMERIC '1', NUMERIC '1', TRUE, FALSE,
    TIMESTAMP_ADD(TIMESTAMP '2026-02-01 12:00:00', INTERVAL copy HOUR), CONCAT('run', CAST(copy AS STRING)), 1
FROM UNNEST([{days}]) AS game_date
CROSS JOIN UNNEST(GENERATE_ARRAY(0, 5)) AS n
CROSS JOIN UNNEST(GENERATE_ARRAY(0, {copies})) AS copy
WHERE n < 6 - 2 * copy
"""
PREDICTIONS = """
INSERT INTO nba_predictions.player_prop_predictions
    (prediction_id, system_id, player_lookup, game_id, game_date, predicted_points, confidence_score, recommendation, current_points_line, created_at)
SELECT
    CONCAT('p', CAST(n AS STRING)), 'system1', CONCAT('player', CAST(DIV(n, 2) AS STRING)), 'game1', game_date, NUMERIC '21', NUMERIC '0.6', 'OVER',
    IF(MOD(n, 3) = 0, NULL, NUMERIC '20.5') + MOD(n, 2), TIMESTAMP '2026-01-01 09:00:00'
FROM UNNEST([{days}]) AS game_date
CROSS JOIN UNNEST(GENERATE_ARRAY(0, 5)) AS n
"""
BOX_SCORES = """
INSERT INTO nba_box_scores.player_game_summary (player_lookup, game_id, game_date, team_abbr, points, minutes_played)
SELECT CONCAT('player', CAST(n AS STRING)), 'game1', game_date, IF(MOD(n, 2) = 0, 'DET', 'LAC'), 25 + n, NUMERIC '240'
FROM UNNEST([{days}]) AS game_date
CROSS JOIN UNNEST(GENERATE_ARRAY(0, 1)) AS n
"""


NAMES = ("first", "second", "third")


class Grading(Scenario):
    """Three dates that are graded in one write, of which two were graded before, by other box scores than there are now."""

    task = "grade"
    dates = 3
    kills_leases = True

    def prepare(self, warehouse: Warehouse, places: Sequence[int]) -> None:
        for text in (PREDICTIONS, BOX_SCORES):
            warehouse.dml(text.format(days=listed(self.days(places)), copies=0))
        warehouse.dml(GRADES.format(days=listed([self.day(place, number) for place in places for number in (0, 1)]), copies=0))

    def look(self, warehouse: Warehouse, places: Sequence[int]) -> dict[int, Parts]:
        columns = "player_lookup, line_value, actual_points, is_voided, COUNT(DISTINCT grading_run_id) OVER (PARTITION BY game_date) AS writes"
        rows = rows_by_date(warehouse, "prediction_accuracy", columns)
        runs = rows_by_date(warehouse, "prediction_accuracy", "grading_run_id")
        fences = rows_by_date(warehouse, "write_fences_prediction_accuracy", "grading_run_id, published_rows, published_keys")
        parts: dict[int, Parts] = {}
        for place in places:
            days = self.days([place])
            parts[place] = {name: rows[day] for name, day in zip(NAMES, days, strict=True)}
            # A fence that was published tells of the rows that are there; one that was seeded tells of no run.
            untrue = [fence for day in days for fence in fences[day] if fence[0] and fence != (*runs[day][0], len(rows[day]), len(rows[day]))]
            parts[place]["fences that do not tell of the rows"] = untrue
        return parts

    def assert_right(self, before: Parts, after: Parts) -> None:
        assert [len(before[name]) for name in NAMES] == [6, 6, 0]
        for name in NAMES:
            assert [row[:2] for row in after[name]] == [row[:2] for row in before["first"]]
            assert [row[2:] for row in after[name]] == [(25, False, 1)] * 2 + [(26, False, 1)] * 2 + [(None, True, 1)] * 2


class BackingUp(Scenario):
    """A date with duplicates, and no backup."""

    task = "plan_and_back_up"

    def prepare(self, warehouse: Warehouse, places: Sequence[int]) -> None:
        warehouse.dml(GRADES.format(days=listed(self.days(places)), copies=2))

    def params(self, place: int) -> dict[str, Any]:
        return {"table": "prediction_accuracy", "dates": self.days([place]), "backup": self._backup(place)}

    def look(self, warehouse: Warehouse, places: Sequence[int]) -> dict[int, Parts]:
        there, rows = tables(warehouse), rows_by_date(warehouse, "prediction_accuracy", GRADE)
        parts: dict[int, Parts] = {}
        for place in places:
            backup = self._backup(place)
            saved = rows_by_date(warehouse, backup, GRADE)[self.day(place)] if backup in there else None
            parts[place] = {"date": rows[self.day(place)], "backup": saved}
        return parts

    def assert_right(self, before: Parts, after: Parts) -> None:
        assert (before["backup"], len(after["backup"])) == (None, 12)
        assert after["backup"] == before["date"] == after["date"]

    @staticmethod
    def _backup(place: int) -> str:
        return backup_name(PREDICTION_ACCURACY, BACKED_UP_AT + timedelta(seconds=place))


class RemovingDuplicates(Scenario):
    """Two dates with duplicates that were found."""

    task = "remove_duplicates"
    dates = 2
    needs: ClassVar = {"first found": "first", "second found": "second"}

    def prepare(self, warehouse: Warehouse, places: Sequence[int]) -> None:
        days = listed(self.days(places))
        warehouse.dml(GRADES.format(days=days, copies=2))
        warehouse.dml(
            "INSERT INTO nba_predictions.grading_duplicate_audit (detected_at, game_date, duplicate_count, processor) "
            f"SELECT CURRENT_TIMESTAMP(), game_date, 6, 'grading' FROM UNNEST([{days}]) AS game_date"
        )

    def params(self, place: int) -> dict[str, Any]:
        return {"table": "prediction_accuracy", "dates": self.days([place])}

    def look(self, warehouse: Warehouse, places: Sequence[int]) -> dict[int, Parts]:
        rows = rows_by_date(warehouse, "prediction_accuracy", GRADE)
        found = rows_by_date(warehouse, "grading_duplicate_audit", "resolved_at IS NOT NULL AS is_resolved")
        names = (("first", 0), ("second", 1))
        return {
            place: {
                **{name: rows[self.day(place, number)] for name, number in names},
                **{f"{name} found": found[self.day(place, number)] for name, number in names},
            }
            for place in places
        }

    def assert_right(self, before: Parts, after: Parts) -> None:
        for name in ("first", "second"):
            assert (len(before[name]), len(after[name])) == (12, 6)
            assert after[name] == [row for row in before[name] if row[-1] == "run0"], "the earliest of each key stays"
            assert (before[f"{name} found"], after[f"{name} found"]) == ([(False,)], [(True,)])


class Restoring(Scenario):
    """A date whose duplicates are in a backup alone."""

    task = "restore"

    def __init__(self) -> None:
        self._backups: dict[int, str] = {}

    def prepare(self, warehouse: Warehouse, places: Sequence[int]) -> None:
        days = listed(self.days(places))
        warehouse.dml(GRADES.format(days=days, copies=2))
        name = backup_name(PREDICTION_ACCURACY, BACKED_UP_AT + timedelta(days=1, seconds=places[0]))
        create_backup(warehouse, PREDICTION_ACCURACY, name, keep_days=90)
        self._backups.update(dict.fromkeys(places, name))
        warehouse.dml(f"DELETE FROM nba_predictions.prediction_accuracy WHERE grading_run_id != 'run0' AND game_date IN ({days})")

    def params(self, place: int) -> dict[str, Any]:
        return {"table": "prediction_accuracy", "dates": self.days([place]), "backup": self._backups[place]}

    def look(self, warehouse: Warehouse, places: Sequence[int]) -> dict[int, Parts]:
        rows = rows_by_date(warehouse, "prediction_accuracy", GRADE)
        return {place: {"date": rows[self.day(place)]} for place in places}

    def assert_right(self, before: Parts, after: Parts) -> None:
        assert (len(before["date"]), len(after["date"])) == (6, 12)


class Consolidating(Scenario):
    """A date and two staging tables: newer values of its keys, and new keys."""

    task = "consolidate"
    # It asks for the columns of staging tables, which takes the emulator a tenth of a second for each table there is.
    at_once = 2
    needs: ClassVar = {"w1": "date", "w2": "date"}

    def prepare(self, warehouse: Warehouse, places: Sequence[int]) -> None:
        warehouse.dml(PREDICTIONS.format(days=listed(self.days(places))))
        for place in places:
            for worker, player in (("w1", "player_lookup"), ("w2", "CONCAT('new-', player_lookup)")):
                warehouse.query(
                    f"CREATE TABLE nba_predictions._staging_batch_k{place}_{worker} AS SELECT * REPLACE ({player} AS player_lookup, "
                    f"CONCAT('{worker}-', prediction_id) AS prediction_id, TIMESTAMP '2026-01-01 12:00:00' AS created_at) "
                    f"FROM nba_predictions.player_prop_predictions WHERE game_date = DATE '{self.day(place)}'"
                )

    def params(self, place: int) -> dict[str, Any]:
        return {"dates": self.days([place]), "batch_id": f"k{place}"}

    def look(self, warehouse: Warehouse, places: Sequence[int]) -> dict[int, Parts]:
        rows = rows_by_date(
            warehouse, "player_prop_predictions", "player_lookup, system_id, current_points_line, prediction_id, created_at, updated_at"
        )
        there = tables(warehouse)
        return {
            place: {
                "date": rows[self.day(place)],
                **{worker: f"_staging_batch_k{place}_{worker}" in there for worker in ("w1", "w2")},
            }
            for place in places
        }

    def assert_right(self, before: Parts, after: Parts) -> None:
        assert [row[0] for row in after["date"]] == [f"{new}player{n}" for new in ("new-", "") for n in (0, 0, 1, 1, 2, 2)]
        assert {row[:4] for row in before["date"]} < {row[:4] for row in after["date"]}, "a key that is there keeps its prediction_id"
        assert (after["w1"], after["w2"]) == (False, False)


class Refreshing(Scenario):
    """A graded date on the last day but one of a season, of which no aggregate knows: two partitions of periods are of it."""

    task = "refresh"
    # It works on whatever is stale.
    at_once = 1
    # Grading is killed in each step of a write; here it is in the publish of each table, which the next table follows.
    kills_inside = frozenset({"BEGIN"})
    needs: ClassVar = {"players": "systems", "rolling": "players", "season": "players"}

    def day(self, place: int, number: int = 0) -> date:
        return super().day(place, 3 + number)

    def prepare(self, warehouse: Warehouse, places: Sequence[int]) -> None:
        days = listed(self.days(places))
        warehouse.dml(GRADES.format(days=days, copies=0))
        warehouse.dml(
            "INSERT INTO nba_predictions.write_fences_prediction_accuracy (game_date, fencing_token, version, published_rows) "
            f"SELECT game_date, 1, 42, 6 FROM UNNEST([{days}]) AS game_date"
        )

    def look(self, warehouse: Warehouse, places: Sequence[int]) -> dict[int, Parts]:
        systems = rows_by_date(warehouse, "system_daily_performance", "system_id, predictions, graded, correct, win_rate, mae, grades_version")
        players = rows_by_date(warehouse, "player_daily_performance", "system_id, player_lookup, predictions, hits, grades_version")
        columns = "system_id, period_type, player_lookup, confidence_tier, predictions, hits, hit_rate, mae, unique_players, grades_version"
        periods = rows_by_date(warehouse, "prediction_performance_summary", columns, "period_end_date")
        return {
            place: {
                "systems": systems[self.day(place)],
                "players": players[self.day(place)],
                "rolling": periods[self.day(place)],
                "season": periods[self.day(place, 1)],
            }
            for place in places
        }

    def assert_right(self, before: Parts, after: Parts) -> None:
        assert not any(before.values())
        assert [row[:4] + row[-1:] for row in after["systems"]] == [("system1", 6, 6, 6, 42)]
        assert [row[1:] for row in after["players"]] == [(f"player{number}", 2, 2, 42) for number in range(3)]
        for name, types in (("rolling", ["rolling_30d", "rolling_7d"]), ("season", ["month", "season"])):
            assert [row[1] for row in after[name] if row[2:4] == ("*", "*")] == types
            assert {row[4:6] for row in after[name] if row[2] == "*"} == {(6, 6)}


class CleaningStaging(Scenario):
    """Two staging tables of a batch and one of a write, that are proven to be in the main table, and one that is not."""

    task = "clean_staging"
    dates = 0
    # It works on whatever there is.
    at_once = 1
    names: ClassVar = {
        "w1": "_staging_batch_c_w1",
        "w2": "_staging_batch_c_w2",
        "newer": "_staging_batch_c_w3",
        "write": f"_staging_prediction_accuracy_19010926_{HOLDER}",
    }

    def prepare(self, warehouse: Warehouse, places: Sequence[int]) -> None:
        warehouse.dml("DELETE FROM nba_predictions.player_prop_predictions WHERE TRUE")
        warehouse.dml("DELETE FROM nba_predictions.prediction_accuracy WHERE TRUE")
        warehouse.dml(PREDICTIONS.format(days=listed([self.day(0)])))
        warehouse.dml(GRADES.format(days=listed([self.day(0)]), copies=0))
        newer = "SELECT * REPLACE (TIMESTAMP '2026-01-01 12:00:00' AS created_at) FROM nba_predictions.player_prop_predictions"
        sources = {
            "w1": "SELECT * FROM nba_predictions.player_prop_predictions WHERE player_lookup != 'player1'",
            "w2": "SELECT * FROM nba_predictions.player_prop_predictions WHERE player_lookup = 'player1'",
            "newer": newer,
            "write": "SELECT * FROM nba_predictions.prediction_accuracy",
        }
        for name, source in sources.items():
            warehouse.query(f"DROP TABLE IF EXISTS nba_predictions.{self.names[name]}")
            warehouse.query(f"CREATE TABLE nba_predictions.{self.names[name]} AS {source}")

    def look(self, warehouse: Warehouse, places: Sequence[int]) -> dict[int, Parts]:
        there = tables(warehouse)
        rows = rows_by_date(warehouse, "player_prop_predictions", "player_lookup, current_points_line, prediction_id")
        parts = {"date": rows[self.day(0)], **{name: table in there for name, table in self.names.items()}}
        return dict.fromkeys(places, parts)

    def assert_right(self, before: Parts, after: Parts) -> None:
        assert after == {"date": before["date"], "w1": False, "w2": False, "write": False, "newer": True}


# By the end of the name of the test file that plays them, so that files of about the same length run side by side.
SCENARIOS: dict[str, tuple[type[Scenario], ...]] = {
    "aggregates": (Refreshing,),
    "consolidation": (Consolidating,),
    "grading": (Grading, BackingUp, Restoring),
    "repairs": (RemovingDuplicates,),
    "staging": (CleaningStaging,),
}
