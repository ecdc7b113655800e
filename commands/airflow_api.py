"""Airflow's REST API, the few calls that the commands need. 409 and 503 are tried again: another backfill runs, or SQLite was busy."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import httpx
import tenacity

FINISHED = ("success", "failed")


class AirflowApiError(RuntimeError):
    """Airflow refused a call or did not answer; the message says which and why."""


@dataclass(frozen=True)
class DagRun:
    """A run of a DAG: its id, type and state, and the date of its data interval's start (None for a manual run)."""

    run_id: str
    run_type: str
    state: str
    logical_date: datetime | None


class AirflowApi:
    """A client of one Airflow; ``AIRFLOW_API_TOKEN``, or ``AIRFLOW_API_USER`` and ``AIRFLOW_API_PASSWORD``, log it in."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=30)
        self._logged_in = False

    def has_dag(self, dag_id: str) -> bool:
        """Whether the DAG is known and parsed."""
        return self._send("GET", f"/api/v2/dags/{dag_id}", ok=(200, 404)).status_code == httpx.codes.OK

    def import_errors(self) -> list[str]:
        """DAG files that cannot be loaded, each with the end of its traceback."""
        entries = self._send("GET", "/api/v2/importErrors").json()["import_errors"]
        return [f"{entry['filename']}: {entry['stack_trace'].strip().splitlines()[-1]}" for entry in entries]

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a manual run with params; returns its run id."""
        answer = self._send("POST", f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        return str(answer.json()["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """One run."""
        return _dag_run(self._send("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").json())

    def runs_between(self, dag_id: str, first: datetime, last: datetime) -> list[DagRun]:
        """Runs whose logical date is in the range, both ends included."""
        params: dict[str, Any] = {"logical_date_gte": first.isoformat(), "logical_date_lte": last.isoformat(), "limit": 100, "offset": 0}
        found: list[DagRun] = []
        while True:
            page = self._send("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=params).json()
            found += [_dag_run(entry) for entry in page["dag_runs"]]
            params["offset"] = len(found)
            if len(found) >= page["total_entries"] or not page["dag_runs"]:
                return found

    def result(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any] | None:
        """What a task returned, or None while it has not."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        answer = self._send("GET", path, params={"deserialize": "false"}, ok=(200, 404))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        value = answer.json()["value"]
        if isinstance(value, str):
            import json

            value = json.loads(value)
        return dict(value)

    def create_backfill(self, dag_id: str, first: datetime, last: datetime, *, reprocess: str, wait_s: float, on_wait: Callable[[str], None]) -> None:
        """Create a backfill, waiting up to ``wait_s`` for another one of the DAG to end; ``on_wait`` gets why it waits."""
        body = {"dag_id": dag_id, "from_date": first.isoformat(), "to_date": last.isoformat(), "reprocess_behavior": reprocess, "max_active_runs": 16}
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, _TryAgain)),
            wait=tenacity.wait_random(1, 3),
            stop=tenacity.stop_after_delay(wait_s),
            before_sleep=lambda state: on_wait(str(state.outcome and state.outcome.exception())),
            reraise=True,
        )
        retrying(self._create_backfill, body)

    def _create_backfill(self, body: dict[str, Any]) -> None:
        answer = self._send("POST", "/api/v2/backfills", json=body, ok=(200, 201, 409, 503))
        if answer.status_code in (httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE):
            raise _TryAgain(_detail(answer))

    def _send(self, method: str, path: str, *, ok: tuple[int, ...] = (200, 201), **kwargs: Any) -> httpx.Response:
        try:
            if not self._logged_in:
                self._log_in()
            answer = self._client.request(method, path, **kwargs)
        except httpx.HTTPError as error:
            raise AirflowApiError(f"Airflow at {self._url} does not answer ({error}): is it running? `make up` starts the local one.") from error
        if answer.status_code not in ok:
            raise AirflowApiError(f"Airflow at {self._url} refused {method} {path} with {answer.status_code}: {_detail(answer)}")
        return answer

    def _log_in(self) -> None:
        token, user = os.environ.get("AIRFLOW_API_TOKEN"), os.environ.get("AIRFLOW_API_USER")
        if not token:
            credentials = {"username": user, "password": os.environ.get("AIRFLOW_API_PASSWORD", "")} if user else None
            answer = self._client.post("/auth/token", json=credentials) if credentials else self._client.get("/auth/token")
            if not answer.is_success:
                raise AirflowApiError(
                    f"Airflow at {self._url} did not log us in ({answer.status_code}): set AIRFLOW_API_TOKEN, or AIRFLOW_API_USER and "
                    "AIRFLOW_API_PASSWORD."
                )
            token = str(answer.json()["access_token"])
        self._client.headers["Authorization"] = f"Bearer {token}"
        self._logged_in = True


class _TryAgain(AirflowApiError):
    pass


def _detail(answer: httpx.Response) -> str:
    try:
        detail = answer.json().get("detail", answer.text)
    except ValueError:
        detail = answer.text
    return str(detail)[:500]


def _dag_run(entry: dict[str, Any]) -> DagRun:
    logical_date = datetime.fromisoformat(entry["logical_date"]) if entry.get("logical_date") else None
    return DagRun(run_id=entry["dag_run_id"], run_type=entry["run_type"], state=entry["state"], logical_date=logical_date)


def day(moment: datetime) -> date:
    """The New York date of a moment."""
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo("America/New_York")).date()
