"""Create every dataset and table of include/sql/schema, in the local stack or a real project; what exists is left as it is.

Usage: python -m commands.schema [--local]

GRADING_PROJECT and GRADING_LOCATION say where; --local means the stack of `make up`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from google.cloud import bigquery

from commands.console import console, sentences, warehouse_of
from nba_grading.clients import make_bigquery_client
from nba_grading.settings import get_settings
from nba_grading.sql import SQL_DIR, load_sql


def create_schema(client: bigquery.Client) -> list[str]:
    """Run every file of include/sql/schema, datasets first; returns the names of the files."""
    names = sorted(path.stem for path in (SQL_DIR / "schema").glob("*.sql"))
    warehouse = warehouse_of(client)
    for name in names:
        warehouse.run(load_sql(f"schema/{name}"))
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit code 0, or 1 with a sentence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="the running local stack")
    given = parser.parse_args(arguments)
    with sentences() as outcome:
        if given.local:
            # Imported here, as the production image has no supervisor.
            from commands.stack import use_local_stack

            use_local_stack()
        settings = get_settings()
        names = create_schema(make_bigquery_client(settings))
        console.print(f"{settings.grading_project}: {len(names)} datasets and tables are there")
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
