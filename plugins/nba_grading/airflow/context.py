"""Clients from Airflow's connections, the leases of the settings, and links to a run, for tasks and the page."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.configuration import conf

from nba_grading.alerts.model import RunLink
from nba_grading.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context
    from google.cloud import bigquery, firestore

    from nba_grading.leases.manager import LeaseManager
    from nba_grading.warehouse.client import Warehouse

PAGE_STATEMENT_SECONDS = 20.0


def run_link(context: Context) -> RunLink:
    """The run of a task, for an alert."""
    dag_id, run_id = context["ti"].dag_id, context["ti"].run_id
    return RunLink(
        dag_id=dag_id, run_id=run_id, url=f"{base_url()}/dags/{dag_id}/runs/{quote(run_id, safe='')}", runbook_url=get_settings().grading_runbook_url
    )


def run_type(context: Context) -> str:
    """scheduled, manual, backfill or asset_triggered."""
    value = context["dag_run"].run_type
    return str(getattr(value, "value", value))


def run_facts(context: Context) -> dict[str, Any]:
    """The columns of grading_runs that identify the Airflow run: dag_id, run_id, run_type."""
    ti = context["ti"]
    return {"dag_id": ti.dag_id, "run_id": ti.run_id, "run_type": run_type(context)}


def lease_owner(context: Context) -> dict[str, Any]:
    """The fields of a lease that describe its holder to people."""
    ti = context["ti"]
    return {
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
        "task_id": ti.task_id,
        "try_number": ti.try_number,
        "hostname": socket.gethostname(),
        "log_url": getattr(ti, "log_url", None),
    }


def make_warehouse(context: Context, deadline: float = float("inf")) -> Warehouse:
    """BigQuery with the credentials of the Airflow connection, impersonation and proxies included. ``deadline``: see ``Warehouse``."""
    from nba_grading.warehouse.client import Warehouse

    settings, ti = get_settings(), context["ti"]
    return Warehouse(
        client=_make_bigquery(),
        maximum_bytes_billed=settings.grading_max_bytes_billed,
        labels={"airflow-dag": _label(ti.dag_id), "airflow-task": _label(ti.task_id)},
        retry_seconds=settings.grading_conflict_seconds,
        deadline=deadline,
    )


def make_page_warehouse() -> Warehouse:
    """BigQuery for the page Grading in the API server: its own byte cap, and short limits, as a reader waits."""
    from nba_grading.warehouse.client import Warehouse

    settings = get_settings()
    return Warehouse(
        client=_make_bigquery(),
        maximum_bytes_billed=settings.grading_page_max_bytes_billed,
        labels={"airflow-page": "grading"},
        retry_seconds=1,
        statement_seconds=PAGE_STATEMENT_SECONDS,
    )


def make_leases() -> LeaseManager:
    """The leases of the settings' store; Firestore uses the Airflow connection. Raises LeaseStoreUnavailable without credentials."""
    from nba_grading.leases.factory import make_lease_store
    from nba_grading.leases.manager import LeaseManager

    settings = get_settings()
    return LeaseManager(make_lease_store(settings.lease_store, settings.lease_rpc_seconds, _make_firestore), settings.lease_times)


def base_url() -> str:
    """The URL of Airflow's UI, without a trailing slash."""
    return str(conf.get("api", "base_url", fallback="http://localhost:8080")).rstrip("/")


def _make_bigquery() -> bigquery.Client:
    from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook

    settings = get_settings()
    hook = BigQueryHook(gcp_conn_id=settings.grading_gcp_conn_id, use_legacy_sql=False, location=settings.grading_location)
    return hook.get_client(project_id=settings.grading_project, location=settings.grading_location)


def _make_firestore() -> firestore.Client:
    from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook
    from google.cloud import firestore

    settings = get_settings()
    return firestore.Client(
        project=settings.grading_project,
        database=settings.lease_firestore_database,
        credentials=BigQueryHook(gcp_conn_id=settings.grading_gcp_conn_id, use_legacy_sql=False).get_credentials(),
    )


def _label(text: str) -> str:
    return text.lower().replace(".", "-")[:63]
