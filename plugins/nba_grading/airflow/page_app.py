"""The page's routes, as an application under /grading in Airflow's API server.

The application requires the login, so no route can miss it: 401 without a login, 403 without permission to read the DAG grade_predictions.
There are only GET routes, and no mounts, as FastAPI's dependencies do not apply to mounts.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable, Callable
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse

from nba_grading.airflow.context import base_url
from nba_grading.airflow.page_sources import make_sources
from nba_grading.page.cache import PanelCache
from nba_grading.page.date_status import legend
from nba_grading.page.panels import Panels, UnknownPanel, plain
from nba_grading.page.sources import Sources
from nba_grading.pipelines.explain import NothingToExplain, Subject, explain_grades
from nba_grading.settings import Settings, get_settings

STATIC = Path(str(files("nba_grading.page"))) / "static"
DAG_ID = "grade_predictions"
# The charting library sets element.style, which this policy does not count as an inline style.
POLICY = "; ".join(
    (
        "default-src 'none'",
        *("script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'self'"),
    )
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}

may_read = requires_access_dag("GET", param_dag_id=DAG_ID)


def create_app(sources: Sources | None = None, settings: Settings | None = None, cache: PanelCache | None = None) -> FastAPI:
    """The application; by default with Airflow's connections and this process's settings."""
    settings = settings or get_settings()
    sources = sources or make_sources()
    cache = cache or PanelCache(settings.grading_page_cache_seconds, settings.grading_page_wait_seconds)
    panels = Panels(sources, settings, cache)
    files = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.is_file()}
    app = FastAPI(title="Grading", openapi_url=None, docs_url=None, redoc_url=None, dependencies=[Depends(get_user), Depends(may_read)])

    @app.middleware("http")
    async def harden(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    @app.get("/static/{name:path}")
    async def static(name: str) -> FileResponse:
        if name not in files:
            raise HTTPException(404, f"There is no file {name!r}.")
        media_type = mimetypes.guess_type(name)[0] or "text/plain"
        return FileResponse(files[name], media_type=media_type, headers={"Cache-Control": "private, max-age=300"})

    @app.get("/api/meta")
    async def meta() -> dict[str, Any]:
        return {
            "base": urlsplit(base_url()).path,
            "runbook_url": settings.grading_runbook_url,
            "states": legend(),
            "refresh_s": max(settings.grading_page_cache_seconds, 15),
            "staging_dag": "clean_staging_tables",
        }

    @app.get("/api/explain")
    def explain(
        system: Annotated[str, Query(min_length=1, max_length=200)],
        player: Annotated[str, Query(min_length=1, max_length=200)],
        day: Annotated[date, Query(alias="date")],
    ) -> dict[str, Any]:
        try:
            return {"keys": plain(explain_grades(sources.warehouse(), Subject(system, player, day)))}
        except NothingToExplain as error:
            raise HTTPException(404, str(error)) from None

    @app.get("/api/{panel}")
    async def panel(panel: str, season: Annotated[int | None, Query(ge=2000, le=2200)] = None) -> dict[str, Any]:
        try:
            return await panels.answer(panel, season)
        except UnknownPanel as error:
            raise HTTPException(404, f"There is no panel {error}.") from None

    return app
