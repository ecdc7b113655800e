"""Where BigQuery and Firestore clients are made for commands and tests; tasks get theirs from Airflow connections.

An emulator comes in by BIGQUERY_EMULATOR_HOST (a URL) and FIRESTORE_EMULATOR_HOST (host:port), as Google's libraries read
them; without the first, Application Default Credentials are used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, firestore

if TYPE_CHECKING:
    from nba_grading.settings import Settings


def make_bigquery_client(settings: Settings) -> bigquery.Client:
    """A BigQuery client of the settings' project and location."""
    credentials = AnonymousCredentials() if os.environ.get("BIGQUERY_EMULATOR_HOST") else None  # type: ignore[no-untyped-call]
    return bigquery.Client(project=settings.grading_project, location=settings.grading_location, credentials=credentials)


def make_firestore_client(settings: Settings) -> firestore.Client:
    """A Firestore client of the settings' project and lease database."""
    return firestore.Client(project=settings.grading_project, database=settings.lease_firestore_database)
