"""Create every dataset and table of include/sql/schema, in the local stack or a real project; what exists is left as it is.

Usage: python -m commands.schema      (GRADING_PROJECT and GRADING_LOCATION say where; BIGQUERY_EMULATOR_HOST makes it local)
"""

from __future__ import annotations

import sys

from google.cloud import bigquery
from nba_grading.clients import make_bigquery_client
from nba_grading.settings import get_settings
from nba_grading.sql import SQL_DIR, load_sql

from commands.console import console, sentences


def create_schema(client: bigquery.Client) -> list[str]:
    """Run every file of include/sql/schema, datasets first; returns the names of the files."""
    names = sorted(path.stem for path in (SQL_DIR / "schema").glob("*.sql"))
    for name in names:
        client.query(load_sql(f"schema/{name}")).result()
    return names


def main() -> int:
    """Command line; exit code 0, or 1 with a sentence."""
    with sentences() as outcome:
        settings = get_settings()
        names = create_schema(make_bigquery_client(settings))
        console.print(f"{settings.grading_project}: {len(names)} datasets and tables are there")
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
