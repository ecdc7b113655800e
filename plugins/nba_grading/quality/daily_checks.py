"""The daily checks of the data: each a SELECT in ``include/sql/quality``, its figure held against thresholds, its result stored.

A check is one file, ``<number>_<name>.sql``. Its header is its title, then ``-- key: value`` lines:

- ``unit``: what the figure counts;
- ``warn_below``, ``warn_above``, ``fail_below``, ``fail_above``: the thresholds; GRADING_QUALITY_THRESHOLDS overrides them;
- ``needs_games: yes``: on a day without games the check is not made;
- ``measures: rows``: the SELECT gives the offending rows, and the figure is their number. Otherwise it gives one row with ``figure`` and,
  if it likes, ``detail`` (text), ``first_date`` and ``last_date``;
- ``next``: what to do; ``command``, or ``trigger``: what to type, or the DAG to trigger and its params (with <day>, <first_date>,
  <last_date>); ``runbook``: the anchor.

The SELECT may use ``@day`` (DATE, the day looked at), ``@week_start`` (DATE, six days before) and ``@as_of`` (TIMESTAMP, the moment of the
check). A user adds a check by adding such a file. docs/quality.md shows how.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from nba_grading.events import get_logger
from nba_grading.settings import Limit
from nba_grading.warehouse.client import Params, Warehouse
from nba_grading.warehouse.sql import SQL_DIR, load_sql, render_sql

log = get_logger(__name__)

Status = Literal["passed", "warned", "failed", "no_games", "broken"]
OFF: tuple[Status, ...] = ("broken", "failed", "warned")
LIMITS = ("warn_below", "warn_above", "fail_below", "fail_above")
KEYS = {"unit", *LIMITS, "needs_games", "measures", "next", "command", "trigger", "runbook"}
DETAIL_CHARACTERS = 1000

_HEADER = re.compile(r"^-- ([a-z_]+): (.+)$")
_NAME = re.compile(r"^\d\d_([a-z][a-z0-9_]*)$")


class QualityCheckError(ValueError):
    """A check's file or the thresholds setting cannot be used; the message names it, and says what would do."""


@dataclass(frozen=True)
class Check:
    """A check as its file says it. ``limits`` has those of LIMITS that it has."""

    name: str
    title: str
    unit: str
    limits: Mapping[str, Decimal]
    needs_games: bool
    counts_rows: bool
    next_step: str
    command: str | None
    trigger: str | None
    runbook: str
    text: str

    def judge(self, figure: Decimal | None) -> Status:
        """What a figure is worth; NULL, nothing to measure, passes."""
        for status in ("failed", "warned"):
            kind = status.removesuffix("ed")
            below, above = self.limits.get(f"{kind}_below"), self.limits.get(f"{kind}_above")
            if figure is not None and ((below is not None and figure < below) or (above is not None and figure > above)):
                return "failed" if status == "failed" else "warned"
        return "passed"


@dataclass(frozen=True)
class Result:
    """What came of a check. ``figure`` is None when there was nothing to measure, or the check is broken: ``detail`` says why."""

    check: Check
    status: Status
    figure: Decimal | None = None
    detail: str | None = None
    dates: Mapping[str, str] = field(default_factory=dict)
    duration_ms: int = 0

    @property
    def command(self) -> str | None:
        """What the next step types, with the dates filled in."""
        text = _trigger(self.check.trigger) if self.check.trigger else self.check.command
        for name, value in self.dates.items():
            text = text.replace(f"<{name}>", value) if text else text
        return text

    @property
    def told(self) -> str:
        """The figure against the threshold that it is over or under, for people."""
        if self.status == "broken":
            return f"the check did not run: {self.detail}"
        figure = "nothing" if self.figure is None else f"{self.figure.normalize():,f}"
        kind = "fail" if self.status == "failed" else "warn"
        limits = [
            f"{word} {self.check.limits[f'{kind}_{word}'].normalize():,f}" for word in ("below", "above") if f"{kind}_{word}" in self.check.limits
        ]
        return f"{figure} {self.check.unit} ({kind} {' or '.join(limits)})" + (f": {self.detail}" if self.detail else "")


def load_checks(thresholds: Mapping[str, Mapping[Limit, Decimal]], directory: Path = SQL_DIR / "quality") -> list[Check]:
    """Every check, in the order of its files' numbers, with the setting's thresholds. Raises QualityCheckError."""
    checks = [_read(path) for path in sorted(directory.glob("*.sql"))]
    names = [check.name for check in checks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise QualityCheckError(f"{directory.name}: {', '.join(twice)} is the name of more than one file; give each a name of its own")
    unknown = sorted(set(thresholds) - set(names))
    if unknown:
        raise QualityCheckError(f"GRADING_QUALITY_THRESHOLDS names no check {', '.join(unknown)}. Checks: {', '.join(names)}")
    return [_with_limits(check, {str(key): limit for key, limit in thresholds.get(check.name, {}).items()}) for check in checks]


def check_day(warehouse: Warehouse, checks: Sequence[Check], day: date, as_of: datetime) -> Iterator[Result]:
    """The result of each check, as it comes. One that cannot run is broken, never passed; only the count of games raises."""
    [games] = warehouse.query_file("quality/results/count_games", {"day": day})
    for check in checks:
        if check.needs_games and not games["games"]:
            result = Result(check, "no_games", detail=f"no games on {day}: neither a box score nor a prediction")
        else:
            result = _run(warehouse, check, day, as_of)
        log.log(
            logging.INFO if result.status not in OFF else logging.WARNING if result.status == "warned" else logging.ERROR,
            "quality_checked",
            day=day,
            check=check.name,
            status=result.status,
            figure=result.figure,
            ms=result.duration_ms,
            told=result.detail,
        )
        yield result


def record_results(warehouse: Warehouse, run_id: str, day: date, checked_at: datetime, results: Sequence[Result]) -> None:
    """Write the results of one run, all at once; again, it changes nothing else."""
    rows = [
        {
            "check_name": result.check.name,
            "status": result.status,
            "figure": result.figure,
            "unit": result.check.unit,
            **{name: result.check.limits.get(name) for name in LIMITS},
            "detail": result.detail,
            "duration_ms": result.duration_ms,
        }
        for result in results
    ]
    params: Params = {"run_id": run_id, "checked_at": checked_at, "day": day, "results": json.dumps(rows, default=str)}
    warehouse.dml(load_sql("quality/results/merge_results"), params)


def _run(warehouse: Warehouse, check: Check, day: date, as_of: datetime) -> Result:
    started = time.monotonic()
    available: Params = {"day": day, "week_start": day - timedelta(days=6), "as_of": as_of}
    text = render_sql("quality/results/count_rows", check=check.text) if check.counts_rows else check.text
    try:
        rows = warehouse.query(text, {name: value for name, value in available.items() if re.search(rf"@{name}\b", text)})
        if len(rows) != 1 or "figure" not in rows[0]:
            raise QualityCheckError(f"{check.name} gave {len(rows)} rows; it should give one, with a column figure, or say measures: rows")
        [row] = rows
        figure = None if row["figure"] is None else Decimal(str(row["figure"]))
    except Exception as error:
        # Whatever it was, the other checks are made, and this one is told as broken.
        return Result(check, "broken", detail=f"{type(error).__name__}: {error}"[:DETAIL_CHARACTERS], duration_ms=_ms(started))
    dates = {"day": str(day), **{name: str(row[name]) for name in ("first_date", "last_date") if row.get(name)}}
    detail = str(row["detail"])[:DETAIL_CHARACTERS] if row.get("detail") else None
    return Result(check, check.judge(figure), figure, detail, dates, _ms(started))


def _ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _read(path: Path) -> Check:
    name = _NAME.match(path.stem)
    if not name:
        raise QualityCheckError(f"{path.name}: a check's file is named by two digits and its name, as 11_my_check.sql")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("--")]
    title = lines[0].removeprefix("-- ") if lines and not _HEADER.match(lines[0]) else ""
    found = {match[1]: match[2].strip() for match in map(_HEADER.match, lines) if match}
    unknown = sorted(set(found) - KEYS)
    if unknown:
        raise QualityCheckError(f"{path.name}: the header has no key {', '.join(unknown)}. Keys: {', '.join(sorted(KEYS))}")
    missing = [key for key in ("unit", "next") if key not in found] + ([] if title else ["a title in the first line"])
    if missing:
        raise QualityCheckError(f"{path.name}: the header lacks {', '.join(missing)}")
    check = Check(
        name=name[1],
        title=title,
        unit=found["unit"],
        limits={},
        needs_games=_choice(path, found, "needs_games", "no", "yes"),
        counts_rows=_choice(path, found, "measures", "figure", "rows"),
        next_step=found["next"],
        command=found.get("command"),
        trigger=found.get("trigger"),
        runbook=found.get("runbook", "data-quality"),
        text=load_text(path),
    )
    check = _with_limits(check, {key: _number(path, key, found[key]) for key in LIMITS if key in found})
    if not check.limits:
        raise QualityCheckError(f"{path.name}: the header has no threshold; give one of {', '.join(LIMITS)}")
    return check


def load_text(path: Path) -> str:
    """The SELECT of a check's file, without comments at its head and the semicolon at its end."""
    lines = path.read_text(encoding="utf-8").splitlines()
    while lines and lines[0].startswith("--"):
        lines.pop(0)
    return "\n".join(lines).rstrip().rstrip(";")


def _with_limits(check: Check, limits: Mapping[str, Decimal]) -> Check:
    return replace(check, limits={**check.limits, **limits})


def _choice(path: Path, found: Mapping[str, str], key: str, default: str, other: str) -> bool:
    value = found.get(key, default)
    if value not in (default, other):
        raise QualityCheckError(f"{path.name}: {key} is {value!r}; it can be {default} or {other}")
    return value == other


def _number(path: Path, key: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise QualityCheckError(f"{path.name}: {key} is {text!r}; it should be a number") from None


def _trigger(text: str) -> str:
    dag_id, *params = text.split()
    conf = {name: {"true": True, "false": False}.get(value, value) for name, _, value in (param.partition("=") for param in params)}
    return f"airflow dags trigger {dag_id} --conf '{json.dumps(conf)}'"
