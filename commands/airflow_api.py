"""The part of Airflow's REST API that the commands use. 503 and a database error (SQLite was busy) are retried."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import tenacity

FINISHED = ("success", "failed")
BUSY_SECONDS = 60.0


class AirflowApiError(RuntimeError):
    """Airflow refused a call or did not answer; the message says which and why."""


@dataclass(frozen=True)
class DagRun:
    """A run of a DAG: its id, type and state, the date of its data interval's start (None for a manual run), and its parameters."""

    run_id: str
    run_type: str
    state: str
    logical_date: datetime | None
    conf: dict[str, Any] = field(default_factory=dict)


class AirflowApi:
    """A client of one Airflow; ``AIRFLOW_API_TOKEN``, or ``AIRFLOW_API_USER`` and ``AIRFLOW_API_PASSWORD``, log it in."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=30, transport=transport)
        self._logged_in = False

    def dag_files(self) -> set[str]:
        """The paths of the files that define the known DAGs."""
        return {entry["fileloc"] for entry in self._pages("/api/v2/dags", "dags")}

    def health(self) -> dict[str, dict[str, Any]]:
        """The state of each part of Airflow: status, and the time of its last heartbeat."""
        found: dict[str, dict[str, Any]] = self._get("/api/v2/monitor/health").json()
        return found

    def dags(self) -> dict[str, bool]:
        """The known DAGs, each with whether it is paused."""
        return {entry["dag_id"]: bool(entry["is_paused"]) for entry in self._pages("/api/v2/dags", "dags")}

    def pools(self) -> dict[str, int]:
        """Slots by pool."""
        return {entry["name"]: int(entry["slots"]) for entry in self._pages("/api/v2/pools", "pools")}

    def newest_success(self, dag_id: str) -> datetime | None:
        """When the newest successful run of a DAG ended; None without one."""
        runs = self._get(f"/api/v2/dags/{dag_id}/dagRuns", params={"state": ["success"], "order_by": "-end_date", "limit": 1}).json()["dag_runs"]
        return datetime.fromisoformat(runs[0]["end_date"]) if runs else None

    def queued_since(self, dag_id: str) -> list[tuple[str, datetime]]:
        """The queued runs of a DAG, each with when it was queued. Those of a backfill are left out: most of a long one wait in the queue."""
        runs = self._pages(f"/api/v2/dags/{dag_id}/dagRuns", "dag_runs", state=["queued"])
        return [(run["dag_run_id"], datetime.fromisoformat(run["queued_at"])) for run in runs if run["queued_at"] and run["run_type"] != "backfill"]

    def is_paused(self, dag_id: str) -> bool:
        """Whether the DAG is paused, so that its runs are created and not started. Raises AirflowApiError for an unknown DAG."""
        return bool(self._get(f"/api/v2/dags/{dag_id}").json()["is_paused"])

    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause a DAG, or let its runs start again."""
        self._retrying()(self._send, "PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": paused})

    def import_errors(self) -> list[str]:
        """DAG files that cannot be loaded, each with the end of its traceback."""
        entries = self._get("/api/v2/importErrors").json()["import_errors"]
        return [f"{entry['filename']}: {entry['stack_trace'].strip().splitlines()[-1]}" for entry in entries]

    def pool_slots(self, name: str) -> int:
        """Slots of a pool; raises AirflowApiError for an unknown one."""
        return int(self._get(f"/api/v2/pools/{name}").json()["slots"])

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a manual run with params; returns its run id. The id is chosen here, so that a retry cannot start a second run."""
        run_id = f"manual__{datetime.now(tz=UTC).isoformat()}__{uuid.uuid4().hex[:8]}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        answer = self._retrying()(self._send, "POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body, ok=(200, 201, 409))
        return str(answer.json()["dag_run_id"]) if answer.status_code != httpx.codes.CONFLICT else run_id

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """One run."""
        return _dag_run(self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").json())

    def task_state(self, dag_id: str, run_id: str, task_id: str) -> str | None:
        """State of a task of a run, such as deferred; None before it has one."""
        state: str | None = self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}").json()["state"]
        return state

    def task_seconds(self, dag_id: str, run_id: str) -> dict[str, float]:
        """How long the process of each task of a run took, in seconds; 0 for one that had none."""
        entries = self._pages(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances")
        return {entry["task_id"]: float(entry["duration"] or 0) for entry in entries}

    def active_runs(self, dag_id: str) -> int:
        """Runs of a DAG that are queued or running."""
        return int(self._get(f"/api/v2/dags/{dag_id}/dagRuns", params={"state": ["queued", "running"], "limit": 1}).json()["total_entries"])

    def runs(self, dag_id: str, *states: str) -> list[DagRun]:
        """The runs of a DAG in these states, or all."""
        return [_dag_run(entry) for entry in self._pages(f"/api/v2/dags/{dag_id}/dagRuns", "dag_runs", **({"state": states} if states else {}))]

    def _pages(self, path: str, key: str, **filters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self._get(path, params={**filters, "limit": 100, "offset": len(found)}).json()
            found += page[key]
            if len(found) >= page["total_entries"] or not page[key]:
                return found

    def result(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """What a task returned, or left under another key; None before it did."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        answer = self._get(path, params={"deserialize": "false", "map_index": map_index}, ok=(200, 404))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        value = answer.json()["value"]
        return json.loads(value) if isinstance(value, str) else value

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            wait=tenacity.wait_random(0.5, 2),
            stop=tenacity.stop_after_delay(BUSY_SECONDS),
            reraise=True,
        )

    def _get(self, path: str, *, ok: tuple[int, ...] = (200,), **kwargs: Any) -> httpx.Response:
        return self._retrying()(self._send, "GET", path, ok=ok, **kwargs)

    def _send(self, method: str, path: str, *, ok: tuple[int, ...] = (200, 201), **kwargs: Any) -> httpx.Response:
        try:
            if not self._logged_in:
                self._log_in()
            answer = self._client.request(method, path, **kwargs)
        except httpx.ReadTimeout as error:
            raise _TryAgain(f"Airflow at {self._url} did not answer in time") from error
        except httpx.HTTPError as error:
            raise AirflowApiError(f"Airflow at {self._url} does not answer ({error}): is it running? `make up` starts the local one.") from error
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE or "Database error" in answer.text[:200]:
            raise _TryAgain(f"Airflow at {self._url} was busy: {_detail(answer)}")
        if answer.status_code not in ok:
            raise AirflowApiError(f"Airflow at {self._url} refused {method} {path} with {answer.status_code}: {_detail(answer)}")
        self._check_json(answer)
        return answer

    def _log_in(self) -> None:
        token, user = os.environ.get("AIRFLOW_API_TOKEN"), os.environ.get("AIRFLOW_API_USER")
        if not token:
            credentials = {"username": user, "password": os.environ.get("AIRFLOW_API_PASSWORD", "")} if user else None
            answer = self._client.post("/auth/token", json=credentials) if credentials else self._client.get("/auth/token")
            if not answer.is_success:
                raise AirflowApiError(
                    f"Airflow at {self._url} refused the login ({answer.status_code}): set AIRFLOW_API_TOKEN, or AIRFLOW_API_USER and "
                    "AIRFLOW_API_PASSWORD."
                )
            token = self._check_json(answer, "access_token")["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        self._logged_in = True

    def _check_json(self, answer: httpx.Response, *keys: str) -> dict[str, Any]:
        # A proxy in front of Airflow answers with its own page, and 200.
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict) or not found.keys() >= set(keys):
            raise AirflowApiError(
                f"{self._url} answered {answer.request.method} {answer.request.url.path} with something that is not Airflow's: "
                "is the address right, and does nothing in front of it ask for a login of its own?"
            )
        return found


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
    return DagRun(entry["dag_run_id"], entry["run_type"], entry["state"], logical_date, entry.get("conf") or {})
