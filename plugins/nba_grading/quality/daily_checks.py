"""The daily checks of the data: each is a SELECT in ``include/sql/quality`` whose value is compared with thresholds and stored.

A check is one file, ``<number>_<name>.sql``. Its leading comment lines, up to ``-- Params:``, are YAML with the keys of ``Header``. The SELECT
may use ``@day`` (DATE, the day that is checked), ``@week_start`` (DATE, six days before), ``@as_of`` (TIMESTAMP, the moment of the check)
and ``@complete_minutes`` (INT64, the setting GRADING_COMPLETE_MINUTES). A user adds a check by adding such a file; docs/quality.md shows how.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from nba_grading.events import get_logger
from nba_grading.settings import Limit, get_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.params import Params
from nba_grading.warehouse.sql import SQL_DIR, SqlFolder, load_sql, render_sql

log = get_logger(__name__)

Status = Literal["passed", "warned", "failed", "no_games", "broken"]
OFF: tuple[Status, ...] = ("broken", "failed", "warned")
LIMITS: tuple[Limit, ...] = ("warn_below", "warn_above", "fail_below", "fail_above")
DETAIL_CHARACTERS = 1000

_NAME = re.compile(r"^\d\d_([a-z][a-z0-9_]*)$")


class QualityCheckError(ValueError):
    """A check's file or the thresholds setting is invalid; the message names it and says what is valid."""


class Header(BaseModel):
    """The header of a check's file.

    ``unit`` is what the value counts. GRADING_QUALITY_THRESHOLDS overrides the thresholds. A check that ``needs_games`` is skipped on a
    day without. The SELECT returns one row with ``value`` and, optionally, ``detail`` (text), ``first_date`` and ``last_date``; or, with
    ``measures: rows``, the offending rows, whose number is the value. ``command`` is what a person types, ``trigger`` the DAG to trigger
    and its params (with <day>, <first_date>, <last_date>), ``runbook`` an anchor of the runbook.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    unit: str
    warn_below: Decimal | None = None
    warn_above: Decimal | None = None
    fail_below: Decimal | None = None
    fail_above: Decimal | None = None
    needs_games: bool = False
    measures: Literal["value", "rows"] = "value"
    next_step: str
    command: str | None = None
    trigger: str | None = None
    runbook: str = "data-quality"

    @model_validator(mode="after")
    def _has_a_threshold(self) -> Header:
        if all(getattr(self, name) is None for name in LIMITS):
            raise ValueError(f"there is no threshold; give one of {', '.join(LIMITS)}")
        return self


class Check(Header):
    """A check: its header, its name and its SELECT."""

    name: str
    text: str

    @property
    def limits(self) -> dict[str, Decimal]:
        """The thresholds that it has."""
        return {name: limit for name in LIMITS if (limit := getattr(self, name)) is not None}

    def judge(self, value: Decimal | None) -> Status:
        """The status that a value gets; NULL, nothing to measure, passes."""
        if value is None:
            return "passed"
        crossed = {name.partition("_")[0] for name, limit in self.limits.items() if (value < limit if name.endswith("below") else value > limit)}
        return "failed" if "fail" in crossed else "warned" if crossed else "passed"


@dataclass(frozen=True)
class Result:
    """The result of a check. ``value`` is None when there was nothing to measure, or the check is broken: ``detail`` says why."""

    check: Check
    status: Status
    value: Decimal | None = None
    detail: str | None = None
    dates: Mapping[str, str] = field(default_factory=dict)
    duration_ms: int = 0

    @property
    def command(self) -> str | None:
        """The command of the next step, with the dates filled in."""
        text = _trigger(self.check.trigger) if self.check.trigger else self.check.command
        for name, value in self.dates.items():
            text = text.replace(f"<{name}>", value) if text else text
        return text

    @property
    def summary(self) -> str:
        """The value and the thresholds of its status, for people."""
        if self.status == "broken":
            return f"the check did not run: {self.detail}"
        value = "nothing" if self.value is None else f"{self.value.normalize():,f}"
        kind = "fail" if self.status == "failed" else "warn"
        limits = [f"{name.partition('_')[2]} {limit.normalize():,f}" for name, limit in self.check.limits.items() if name.startswith(kind)]
        return f"{value} {self.check.unit} ({kind} {' or '.join(limits)})" + (f": {self.detail}" if self.detail else "")


def load_checks(thresholds: Mapping[str, Mapping[Limit, Decimal]], directory: Path = SQL_DIR / "quality") -> list[Check]:
    """Every check, in the order of the files' numbers, with the setting's thresholds. Raises QualityCheckError."""
    checks = [_read(path) for path in sorted(directory.glob("*.sql"))]
    names = [check.name for check in checks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise QualityCheckError(f"{directory.name}: {', '.join(twice)} is the name of more than one file; give each file another name")
    unknown = sorted(set(thresholds) - set(names))
    if unknown:
        raise QualityCheckError(f"GRADING_QUALITY_THRESHOLDS names no check {', '.join(unknown)}. Checks: {', '.join(names)}")
    return [check.model_copy(update={str(key): limit for key, limit in thresholds.get(check.name, {}).items()}) for check in checks]


def check_day(warehouse: Warehouse, checks: Sequence[Check], day: date, as_of: datetime) -> Iterator[Result]:
    """Run the checks and yield each result. A check that cannot run is broken, never passed; only the count of games raises."""
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
            value=result.value,
            ms=result.duration_ms,
            detail=result.detail,
        )
        yield result


def record_results(warehouse: Warehouse, run_id: str, day: date, checked_at: datetime, results: Sequence[Result]) -> None:
    """Store the results of one run in one statement. Storing them again replaces them."""
    rows = [
        {
            "check_name": result.check.name,
            "status": result.status,
            "value": result.value,
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
    bound = get_settings().grading_complete_minutes
    available: Params = {"day": day, "week_start": day - timedelta(days=6), "as_of": as_of, "complete_minutes": bound}
    text = render_sql("quality/results/count_rows", check=check.text) if check.measures == "rows" else check.text
    try:
        rows = warehouse.query(text, {name: value for name, value in available.items() if re.search(rf"@{name}\b", text)})
        if len(rows) != 1 or "value" not in rows[0]:
            raise QualityCheckError(f"{check.name} returned {len(rows)} rows; it should return one, with a column value, or say measures: rows")
        [row] = rows
        value = None if row["value"] is None else Decimal(str(row["value"]))
    except Exception as error:
        # Whatever the error is, this check is reported as broken and the other checks run.
        return Result(check, "broken", detail=f"{type(error).__name__}: {error}"[:DETAIL_CHARACTERS], duration_ms=_ms(started))
    dates = {"day": str(day), **{name: str(row[name]) for name in ("first_date", "last_date") if row.get(name)}}
    detail = str(row["detail"])[:DETAIL_CHARACTERS] if row.get("detail") else None
    return Result(check, check.judge(value), value, detail, dates, _ms(started))


def _ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _read(path: Path) -> Check:
    name = _NAME.match(path.stem)
    if not name:
        raise QualityCheckError(f"{path.name}: a check's file is named by two digits and its name, as 21_my_check.sql")
    lines = takewhile(lambda line: line.startswith("--") and not line.startswith("-- Params:"), path.read_text(encoding="utf-8").splitlines())
    try:
        header = Header.model_validate(yaml.safe_load("\n".join(line.removeprefix("--").removeprefix(" ") for line in lines)))
    except yaml.YAMLError as error:
        raise QualityCheckError(f"{path.name}: its header is not YAML, where a text with a colon needs quotes: {error}") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'header'}: {each['msg']}" for each in error.errors())
        raise QualityCheckError(f"{path.name}: {problems}. The keys of a header are {', '.join(Header.model_fields)}.") from None
    text = SqlFolder(path.parent).load(path.stem).rstrip().rstrip(";")
    return Check(**dict(header), name=name[1], text=text)


def _trigger(text: str) -> str:
    dag_id, *params = text.split()
    conf = {name: {"true": True, "false": False}.get(value, value) for name, _, value in (param.partition("=") for param in params)}
    return f"airflow dags trigger {dag_id} --conf '{json.dumps(conf)}'"
