"""The page's panels. Each takes at most one query, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from nba_grading.game_dates import NEW_YORK, PREDICTED_DAYS_AHEAD
from nba_grading.leases.sweep import classify_lease, list_leases
from nba_grading.page import date_status, findings, market, orphans, time_series
from nba_grading.page.cache import Answer, PanelCache
from nba_grading.page.sources import Sources
from nba_grading.settings import Settings
from nba_grading.warehouse.params import Params

# No gradable data is older.
EARLIEST = date(2015, 10, 1)
SEASONS_SECONDS = 600.0
RUNS, RUN_DAYS = 25, 30
TREND_DAYS = 30
DETECTION_DAYS = 30
# A list is made each week; an older one says nothing about today.
WATCHLIST_DAYS = 30


class UnknownPanel(LookupError):
    """There is no such panel or season."""


class Panels:
    """All panels, each behind the cache."""

    def __init__(self, sources: Sources, settings: Settings, cache: PanelCache) -> None:
        self._sources, self._settings, self._cache = sources, settings, cache
        self._simple: dict[str, Callable[[], Any]] = {
            "findings": self._findings,
            "duplicates": partial(self._since, "page/list_duplicate_keys", DETECTION_DAYS),
            "leases": self._leases,
            "waiting": sources.waiting,
            "backfills": sources.backfills,
            "previews": sources.previews,
            "runs": self._runs,
            "quality": lambda: time_series.quality(self._since("page/list_quality", TREND_DAYS)),
            "watchlist": self._watchlist,
            "orphans": lambda: orphans.group(self._rows("page/list_orphans"), sources.now()),
        }

        # Each season is a key of the cache.
        self._by_season: dict[str, Callable[[int], dict[str, Any]]] = {
            "calendar": self._calendar,
            "systems": self._systems,
            "market": self._market,
            "calibration": self._calibration,
        }

    @property
    def names(self) -> list[str]:
        """Every panel's name."""
        return [*self._simple, *self._by_season, "today"]

    async def answer(self, name: str, season: int | None = None) -> dict[str, Any]:
        """A panel as JSON: the fields of ``Answer``, with data None before the first answer. Raises UnknownPanel."""
        if name == "today":
            return as_json(await self._today())
        if name in self._by_season:
            return as_json(await self._of_season(name, season))
        if name not in self._simple:
            raise UnknownPanel(name)
        return as_json(await self._cache.get(name, self._simple[name]))

    async def _of_season(self, name: str, season: int | None) -> Answer:
        seasons = await self._cache.get("seasons", self._seasons, SEASONS_SECONDS)
        known = [row["season"] for row in seasons.data or []]
        if season is None:
            season = known[0] if known else date_status.season_of(self._today_there())
        elif season not in known and seasons.data is not None:
            raise UnknownPanel(f"season {season}")
        elif seasons.data is None:
            return seasons
        answer = await self._cache.get((name, season), partial(self._by_season[name], season))
        if answer.data is None:
            return answer
        data = {**answer.data, "season": season, "seasons": known or [season]}
        return replace(answer, data=data, stale_because=answer.stale_because or seasons.stale_because)

    async def _today(self) -> Answer:
        calendar = await self._of_season("calendar", None)
        open_findings = await self._cache.get("findings", self._findings)
        if calendar.data is None:
            return calendar
        today = self._today_there()
        focus = date_status.focus_of(calendar.data["days"], today)
        count = len(open_findings.data) if open_findings.data is not None else None
        data = {
            "sentence": date_status.sentence(focus, today, count),
            "day": focus,
            "findings": count,
            "next_step": _next_step(focus, open_findings.data or []),
        }
        asked_for = calendar.is_asked_for or open_findings.is_asked_for
        return Answer(data, calendar.as_of, calendar.stale_because or open_findings.stale_because, asked_for)

    def _seasons(self) -> list[dict[str, Any]]:
        return self._rows("page/list_seasons", {"first": EARLIEST, "last": self._today_there() + timedelta(days=PREDICTED_DAYS_AHEAD)})

    def _calendar(self, season: int) -> dict[str, Any]:
        first, last = date_status.season_range(season)
        today = self._today_there()
        bound = self._settings.grading_complete_minutes
        rows = self._rows("page/summarize_season", {"first": first, "last": last, "complete_minutes": bound})
        shown = [{**row, "state": date_status.state_of(row, today), "ungraded": date_status.ungraded_of(row)} for row in rows]
        return {"first": first, "last": max([row["game_date"] for row in rows], default=first), "today": today, "days": shown}

    def _systems(self, season: int) -> dict[str, Any]:
        first, last = date_status.season_range(season)
        return time_series.systems(self._rows("page/list_system_days", {"first": first, "last": last}))

    def _market(self, season: int) -> dict[str, Any]:
        return market.market(self._rows("page/list_market", {"last": date_status.season_range(season)[1]}))

    def _calibration(self, season: int) -> dict[str, Any]:
        first, last = date_status.season_range(season)
        return market.calibration(self._rows("page/list_calibration", {"first": first, "last": last}))

    def _watchlist(self) -> list[dict[str, Any]]:
        return self._rows("page/list_watchlist", {"since": self._today_there() - timedelta(days=WATCHLIST_DAYS)})

    def _findings(self) -> list[dict[str, Any]]:
        return [findings.shown(row) for row in self._rows("page/list_findings")]

    def _runs(self) -> list[dict[str, Any]]:
        return self._rows("page/list_runs", {"since": self._sources.now() - timedelta(days=RUN_DAYS), "most": RUNS})

    def _leases(self) -> list[dict[str, Any]]:
        settings = self._settings
        records = list_leases(self._sources.leases().store)
        return [
            {
                "lease": str(record.key),
                "operation": record.key.operation,
                "game_date": record.key.game_date,
                "holder_id": record.holder_id,
                "dag_id": record.owner.get("dag_id"),
                "run_id": record.owner.get("run_id"),
                "task_id": record.owner.get("task_id"),
                "hostname": record.owner.get("hostname"),
                "held_s": record.held_s,
                "silent_s": record.age_s,
                "remaining_s": record.lease_s + settings.lease_grace_seconds - record.age_s,
                "verdict": classify_lease(record, settings.lease_grace_seconds, settings.lease_stuck_seconds, settings.lease_long_held_seconds),
            }
            for record in sorted(records, key=lambda record: -record.held_s)
        ]

    def _since(self, query: str, back_days: int) -> list[dict[str, Any]]:
        return self._rows(query, {"since": self._sources.now() - timedelta(days=back_days)})

    def _rows(self, query: str, params: Params | None = None) -> list[dict[str, Any]]:
        return self._sources.warehouse().query_file(query, params)

    def _today_there(self) -> date:
        return self._sources.now().astimezone(NEW_YORK).date()


def _next_step(focus: date_status.Day | None, open_findings: list[dict[str, Any]]) -> str:
    """The first thing to do: for the date if it needs something, else for the worst finding."""
    if focus is not None and focus["state"] not in ("graded", "none"):
        return date_status.STATES[focus["state"]].next_step
    if open_findings:
        return f"{open_findings[0]['title']}: {open_findings[0]['next_step'] or 'see the finding below.'}"
    return date_status.STATES["graded"].next_step if focus else "Load predictions, or wait for the first batch."


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as JSON values: dates and times in ISO format, decimals as floats."""
    return {field.name: plain(getattr(answer, field.name)) for field in fields(answer)}


def plain(value: Any) -> Any:
    """A value as JSON: dates and times in ISO format, decimals as floats."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
