"""The page's routes: behind the login each of them, hardened, stale with a reason when a source is away, and mounted by Airflow itself."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from commands.stack_config import ROOT
from nba_grading.leases.errors import LeaseStoreUnavailable
from nba_grading.leases.manager import LeaseManager
from nba_grading.leases.store import LeaseKey
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from nba_grading.leases.times import LeaseTimes
from nba_grading.page.cache import PanelCache
from nba_grading.page.sources import Sources
from nba_grading.settings import read_settings
from nba_grading.warehouse.client import Warehouse

NOW = datetime(2026, 1, 17, 15, tzinfo=UTC)
SCRIPT = "<script>alert(1)</script>"
SEASONS = [{"season": 2025, "first_date": date(2026, 1, 4), "last_date": date(2026, 1, 16)}]
DAY = {
    **{"game_date": date(2026, 1, 16), "gradable": 10, "pending": 2, "games": 3, "pending_games": 1, "graded": 7, "voided": 1, "duplicates": 0},
    **{"dag_id": "grade_predictions", "run_id": "r1", "outcome": "graded", "detail": None},
}


class Tables:
    """A fake BigQuery: rows by query, or an error; records the parameters."""

    def __init__(self) -> None:
        self.rows_of: dict[str, list[dict[str, Any]]] = {"page/list_seasons": SEASONS, "page/summarize_season": [DAY]}
        self.error: Exception | None = None
        self.asked: list[tuple[str, Any]] = []

    def query_file(self, name: str, params: Any = None) -> list[dict[str, Any]]:
        self.asked.append((name, params))
        if self.error:
            raise self.error
        return self.rows_of.get(name, [])


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def leases(tmp_path: Any) -> LeaseManager:
    return LeaseManager(SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5), LeaseTimes())


@pytest.fixture
def app(tables: Tables, leases: LeaseManager) -> FastAPI:
    from nba_grading.airflow.page_app import create_app

    waiting = [{"dag_id": "grade_predictions", "run_id": "w1", "task_id": "grade", "lease": "grading_2026-01-16", "since": NOW, "until": NOW}]
    backfills = [{"dag_id": "backfill_grades", "run_id": "b1", "from_date": "2026-01-04", "to_date": "2026-01-16", "planned": 13, "done": 5}]
    previews = [{"dag_id": "preview_regrade", "run_id": "p1", "from_date": "2026-01-04", "to_date": "2026-01-16", "changes": {"new": 2}}]
    sources = Sources(lambda: cast(Warehouse, tables), lambda: leases, lambda: waiting, lambda: backfills, lambda: previews, lambda: NOW)
    return create_app(sources, read_settings({}), PanelCache(0.001, 5))


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Logged in."""
    from airflow.api_fastapi.core_api.security import get_user

    from nba_grading.airflow.page_app import may_read

    app.dependency_overrides = {get_user: lambda: "user", may_read: lambda: None}
    with TestClient(app) as client:
        yield client


def paths(app: FastAPI) -> list[str]:
    """Every route with its parameters filled in."""
    return [route.path.replace("{name:path}", "app.js").replace("{panel}", "today") for route in app.routes]  # type: ignore[attr-defined]


def settled(client: TestClient, panel: str) -> dict[str, Any]:
    """A panel's newest answer: one that was asked for again, and nothing on its way."""
    first = client.get(f"/api/{panel}").json()
    for _ in range(200):
        answer: dict[str, Any] = client.get(f"/api/{panel}").json()
        if answer["stale_because"] or answer["as_of"] != first["as_of"]:
            return answer
        time.sleep(0.01)
    raise AssertionError("never asked again")


def test_every_route_wants_a_login(app: FastAPI) -> None:
    assert len(app.routes) == 5
    with TestClient(app) as client:
        for path in [*paths(app), *(f"/api/{name}" for name in ("calendar", "findings", "leases")), "/static/vendor/uPlot.iife.min.js"]:
            assert client.get(path).status_code == 401, path


def test_there_is_nothing_but_get(app: FastAPI) -> None:
    assert {method for route in app.routes for method in route.methods} == {"GET"}  # type: ignore[attr-defined]


def test_who_may_not_read_the_dag_is_refused(app: FastAPI) -> None:
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import HTTPException

    from nba_grading.airflow.page_app import may_read

    def refuse() -> None:
        raise HTTPException(403, "Forbidden")

    app.dependency_overrides = {get_user: lambda: "user", may_read: refuse}
    with TestClient(app) as client:
        assert {client.get(path).status_code for path in ["/", "/static/app.js", "/api/meta", "/api/today"]} == {403}


def test_the_page_loads_nothing_from_outside_and_runs_no_inline_script(client: TestClient) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    for path in ("app.js", "page.css", "vendor/uPlot.iife.min.js", "vendor/uPlot.min.css", "icon.svg"):
        answer = client.get(f"/static/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == policy
    assert client.get("/static/app.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/nothing.js", "/static/", "/api/nothing", "/api/calendar?season=2019"]
)
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("season", ["abc", "1", "99999", "2025; DROP TABLE x"])
def test_an_impossible_season_is_refused(client: TestClient, tables: Tables, season: str) -> None:
    assert client.get("/api/calendar", params={"season": season}).status_code == 422
    assert tables.asked == []


def test_values_stay_values(client: TestClient, tables: Tables) -> None:
    key = {"game_date": date(2026, 1, 16), "processor": "grading", "player_lookup": SCRIPT, "system_id": "s", "line_value": None, "occurrences": 2}
    tables.rows_of["page/list_duplicate_keys"] = [{**key, "detected_at": NOW}]
    answer = client.get("/api/duplicates")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["data"][0]["player_lookup"] == SCRIPT


def test_every_panel_is_one_query_with_its_dates_as_parameters(client: TestClient, tables: Tables) -> None:
    for panel in ("calendar", "systems", "market", "calibration", "watchlist", "findings", "duplicates", "runs", "quality", "orphans"):
        tables.asked.clear()
        assert client.get(f"/api/{panel}").status_code == 200
        assert len([name for name, _ in tables.asked if name != "page/list_seasons"]) == 1, tables.asked
    settled(client, "calendar")
    assert tables.asked[-1] == ("page/summarize_season", {"first": date(2025, 10, 1), "last": date(2026, 9, 30), "complete_minutes": 235})


def test_today_is_one_sentence_with_its_day(client: TestClient, tables: Tables) -> None:
    data = client.get("/api/today").json()["data"]
    assert data["sentence"] == "2026-01-16: 8 of 10 gradable predictions are graded, 2 wait for 1 game's complete box scores; no finding is open."
    assert "heal_grading" in data["next_step"]
    assert data["day"]["state"] == "pending"


def test_a_season_without_predictions_is_empty(client: TestClient, tables: Tables) -> None:
    tables.rows_of = {}
    assert client.get("/api/calendar").json()["data"] == {
        **{"first": "2025-10-01", "last": "2025-10-01", "today": "2026-01-17", "days": []},
        **{"season": 2025, "seasons": [2025]},
    }
    assert "No date before 2026-01-17 has predictions yet" in client.get("/api/today").json()["data"]["sentence"]
    assert client.get("/api/systems").json()["data"]["dates"] == []
    assert client.get("/api/market").json()["data"]["sentence"] == "No bets of record in this season yet."
    assert client.get("/api/calibration").json()["data"]["systems"] == []


def test_when_bigquery_is_away_the_last_answer_is_shown_with_the_reason(client: TestClient, tables: Tables) -> None:
    before = client.get("/api/calendar").json()
    assert before["stale_because"] is None
    tables.error = ConnectionError("BigQuery is away")
    for panel in ("calendar", "today"):
        assert settled(client, panel)["stale_because"] == "ConnectionError: BigQuery is away"
    assert client.get("/api/calendar").json()["data"] == before["data"]
    assert client.get("/api/calendar").json()["as_of"] == before["as_of"]
    never = {"as_of": None, "stale_because": "ConnectionError: BigQuery is away", "is_asked_for": False, "data": None}
    assert client.get("/api/quality").json() == never


def test_a_lease_has_its_holder_age_and_time_left(client: TestClient, leases: LeaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = {"dag_id": "grade_predictions", "run_id": "r7", "task_id": "grade"}
    with leases.try_acquire(LeaseKey("grading", date(2026, 1, 16)), owner) as lease:
        [row] = client.get("/api/leases").json()["data"]
        assert (row["lease"], row["run_id"], row["holder_id"], row["verdict"]) == ("grading_2026-01-16", "r7", lease.holder_id, "live")
        assert 55 < row["remaining_s"] <= 62
        assert row["held_s"] < 5
    assert settled(client, "leases")["data"] == []

    def away(operation: str) -> Any:
        raise LeaseStoreUnavailable("Firestore: 503")

    monkeypatch.setattr(leases.store, "list", away)
    after = settled(client, "leases")
    assert (after["data"], after["stale_because"]) == ([], "LeaseStoreUnavailable: Firestore: 503")
    assert client.get("/api/waiting").json()["data"][0]["run_id"] == "w1"


def test_the_lease_of_a_turn_to_publish_is_listed_without_a_date(client: TestClient, leases: LeaseManager) -> None:
    with leases.try_acquire(LeaseKey("grading"), {"run_id": "r7"}):
        [row] = client.get("/api/leases").json()["data"]
    assert (row["lease"], row["operation"], row["game_date"], row["run_id"]) == ("grading_publish", "grading", None, "r7")


def test_a_deferred_task_is_a_waiting_run(metadata_database: None) -> None:
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session

    from nba_grading.airflow.page_sources import LEASE_FREE_TRIGGER, list_waiting_runs
    from nba_grading.airflow.triggers import LeaseFreeTrigger

    trigger = LeaseFreeTrigger("grading", "2026-01-16", deadline=1_768_600_300.0, waiting_since=1_768_600_000.0)
    path, kwargs = trigger.serialize()
    assert path == LEASE_FREE_TRIGGER
    with create_session(scoped=False) as session:
        stored = Trigger(classpath=path, kwargs=kwargs)
        session.add(stored)
        session.flush()
        assert Trigger._decrypt_kwargs(stored.encrypted_kwargs) == kwargs
        session.rollback()
    assert list_waiting_runs() == []


def test_a_backfill_shows_its_dates_done_of_those_planned(metadata_database: None, client: TestClient) -> None:
    from nba_grading.airflow import page_sources

    assert client.get("/api/backfills").json()["data"][0]["planned"] == 13
    assert page_sources.list_backfills() == []
    assert client.get("/api/previews").json()["data"][0]["changes"] == {"new": 2}
    run = SimpleNamespace(run_id="b1", conf={"from_date": "2026-01-04", "to_date": "2026-01-06", "regrade": True}, start_date=NOW)
    plan = ("plan", page_sources._value('[["2026-01-04", "2026-01-05"], ["2026-01-06"]]'))
    progress = ("grade", page_sources._value({"2026-01-04": "graded", "2026-01-06": "refused"}))
    assert page_sources._backfill(run, [plan, progress]) == {
        "dag_id": "backfill_grades",
        "run_id": "b1",
        "from_date": "2026-01-04",
        "to_date": "2026-01-06",
        "since": NOW,
        "planned": 3,
        "done": 2,
        "outcomes": {"graded": 1, "refused": 1},
    }
    assert page_sources._backfill(SimpleNamespace(run_id="b2", conf=None, start_date=None), [])["planned"] == 0


def test_airflow_mounts_the_page_behind_its_own_login(metadata_database: None, tables: Tables) -> None:
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    with TestClient(create_app()) as client:
        paths = ["/grading/", "/grading/static/app.js", "/grading/static/vendor/uPlot.iife.min.js", "/grading/api/meta", "/grading/api/today"]
        assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 401)
        assert {client.get(path, headers={"Authorization": "Bearer nonsense"}).status_code for path in paths} <= {401, 403}
        for role, status in (("VIEWER", 200), (None, 403)):
            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="user", role=role))
            client.cookies.set("_token", token)
            assert {path: client.get(path).status_code for path in paths[:-1]} == dict.fromkeys(paths[:-1], status)
        client.cookies.set("_token", get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="user", role="ADMIN")))
        views = client.get("/api/v2/plugins").json()["plugins"]
        [view] = [view for plugin in views for view in plugin["external_views"] if plugin["name"] == "nba_grading_page"]
        assert (view["name"], view["href"], view["destination"]) == ("Grading", "/grading/", "nav")


def test_the_plugin_costs_a_task_nothing() -> None:
    script = "import sys; import airflow.plugins_manager; import grading_page; print(*sorted(set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT / "plugins").stdout.split()
    assert "grading_page" in loaded
    assert [name for name in loaded if name.startswith(("google.cloud.", "nba_grading", "fastapi"))] == []


def test_a_lease_that_is_not_renewed_is_stuck(client: TestClient, leases: LeaseManager, tmp_path: Any) -> None:
    ten_minutes_ago = SqliteLeaseStore(tmp_path / "leases.db", rpc_seconds=5, now_us=lambda: time.time_ns() // 1000 - 700_000_000)
    ten_minutes_ago.create(LeaseKey("grading", date(2026, 1, 10)), {"holder_id": "d" * 32, "lease_ms": 60_000})
    [row] = client.get("/api/leases").json()["data"]
    assert (row["verdict"], row["run_id"]) == ("stuck", None)
    assert row["remaining_s"] < 0


def test_a_grade_is_explained_and_a_name_that_is_not_there_is_404_with_a_sentence(client: TestClient, tables: Tables) -> None:
    asked = {"system": "s", "player": SCRIPT, "date": "2026-01-16"}
    answer = client.get("/api/explain", params=asked)
    assert (answer.status_code, answer.json()["detail"]) == (404, "2026-01-16 has no predictions.")
    assert tables.asked[0] == ("explain/list_candidates", {"system_id": "s", "player_lookup": SCRIPT, "game_date": date(2026, 1, 16)})
    for wrong in ({"date": "16.01.2026"}, {"system": ""}, {"player": "x" * 201}):
        assert client.get("/api/explain", params={**asked, **wrong}).status_code == 422
