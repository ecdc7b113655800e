"""Adds the page "Grading" to Airflow's navigation.

Every Airflow process loads this file, including tasks. Only the API server imports the page and Google's libraries, in the background while
it starts.
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
    """Prepare the page when the API server starts, so that its first reader does not wait seconds for imports.

    Airflow calls this as a middleware; it returns the application unchanged.
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
    """Registers the page's application and its entry in the navigation."""

    name = "nba_grading_page"
    fastapi_apps = [{"app": grading_app, "url_prefix": URL_PREFIX, "name": "Grading"}]
    fastapi_root_middlewares = [{"middleware": begin_in_background, "args": [], "kwargs": {}, "name": "Grading preparation"}]
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
