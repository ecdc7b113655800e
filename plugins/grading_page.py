"""Puts the page "Grading" into Airflow's navigation.

Every Airflow process loads this file, tasks included, so the page itself (``nba_grading.page``) and Google's libraries are imported by the
API server alone, in the background as it starts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

URL_PREFIX = "/grading"


@cache
def _app() -> Callable[..., Any]:
    from nba_grading.airflow.page_app import create_app

    return create_app()


async def grading_app(scope: Any, receive: Any, send: Any) -> None:
    """The page as an ASGI application."""
    await _app()(scope, receive, send)


def begin_in_background(app: Any) -> Any:
    """What Airflow's API server takes for a middleware as it starts; it returns the server's application as it is, and gets the page ready.

    Without it the first reader would wait some seconds for the imports.
    """
    Thread(target=_prepare, name="grading-page-prepare", daemon=True).start()
    return app


def _prepare() -> None:
    for name in ("google.cloud.bigquery", "google.cloud.firestore", "airflow.providers.google.cloud.hooks.bigquery"):
        import_module(name)
    _app()


# Airflow may be served under a path, such as /airflow.
_PAGE = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/") + URL_PREFIX


class GradingPage(AirflowPlugin):
    """Registers the page's application and its place in the navigation."""

    name = "nba_grading_page"
    fastapi_apps = [{"app": grading_app, "url_prefix": URL_PREFIX, "name": "Grading"}]
    fastapi_root_middlewares = [{"middleware": begin_in_background, "args": [], "kwargs": {}, "name": "Grading, made ready"}]
    external_views = [
        {
            "name": "Grading",
            "href": f"{_PAGE}/",
            "destination": "nav",
            "url_route": "grading",
            "nav_top_level": True,
            "icon": f"{_PAGE}/static/icon.svg",
            "icon_dark_mode": f"{_PAGE}/static/icon-dark.svg",
        }
    ]
