"""Examine an Airflow from outside: what keeps it from grading, in one sentence each.

Usage: python -m commands.doctor [--url URL] [--json]

Reads Airflow's REST API alone, so it can run by cron on a machine that has no Airflow. --url, or AIRFLOW_API_URL, says which Airflow (the
local stack by default); AIRFLOW_API_TOKEN, or AIRFLOW_API_USER and AIRFLOW_API_PASSWORD, log in. Exit code 0 when nothing is wrong, 1 with
the findings, one a line. That Airflow does not answer is a finding; it gets about a minute to answer a call.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from commands.airflow_api import AirflowApi, AirflowApiError
from commands.console import CommandError, command, console, count_of
from commands.stack_config import ROOT
from nba_grading.game_dates import NEW_YORK, is_in_season

GRADING_DAG = "grade_predictions"
LONGEST_SILENCE = timedelta(hours=30)
# A run that has waited for box scores as long as it may ends 30 hours after the one of the day before, and has still to grade.
GRADING_TIME = timedelta(minutes=30)
LONGEST_QUEUED = timedelta(minutes=30)
LONGEST_SHOWN = 300


def find_processes(api: AirflowApi) -> Iterator[str]:
    """Parts of Airflow that are not healthy."""
    for name, state in api.health().items():
        # A part that is not run has no status: a deployment without a triggerer says null.
        if state.get("status") != "healthy":
            heartbeat = next((value for key, value in state.items() if key.startswith("latest_") and value), None)
            since = f"; its last heartbeat was at {heartbeat}" if heartbeat else ""
            yield f"{name} is {state.get('status') or 'not running'}{since}: start it, and see its log."


def find_import_errors(api: AirflowApi) -> Iterator[str]:
    """DAG files that cannot be imported."""
    for error in api.import_errors():
        yield f"a DAG file cannot be imported: {error[:LONGEST_SHOWN]}"


def find_dags(api: AirflowApi) -> Iterator[str]:
    """DAGs of this project that are missing or paused."""
    known = api.dags()
    for dag_id in sorted(path.stem for path in (ROOT / "dags").glob("*.py")):
        if dag_id not in known:
            yield f"the DAG {dag_id} is missing: deploy dags/{dag_id}.py, and see the import errors."
        elif known[dag_id]:
            yield f"the DAG {dag_id} is paused, so it never runs: `airflow dags unpause {dag_id}`."


def find_pools(api: AirflowApi) -> Iterator[str]:
    """Pools that are missing or too small: a task that finds no slot waits for ever, without a word."""
    pools = api.pools()
    for name, wanted in json.loads((ROOT / "include" / "pools.json").read_text(encoding="utf-8")).items():
        if name not in pools:
            yield f"the pool {name} is missing, so its tasks never start: `airflow pools set {name} {wanted['slots']} ''`."
        elif pools[name] < 1:
            yield f"the pool {name} has {count_of(pools[name], 'slot')}, so its tasks never start: give it {wanted['slots']}."
        elif pools[name] < wanted["slots"]:
            yield f"the pool {name} has {count_of(pools[name], 'slot')}, so fewer dates are written at a time: give it {wanted['slots']}."


def find_silence(api: AirflowApi) -> Iterator[str]:
    """No successful run of the daily grading for too long, in the season; and runs that are queued and do not start."""
    now = datetime.now(tz=UTC)
    newest = api.newest_success(GRADING_DAG)
    if is_in_season(now.astimezone(NEW_YORK).date()) and (newest is None or now - newest > LONGEST_SILENCE + GRADING_TIME):
        hours = f"{LONGEST_SILENCE / timedelta(hours=1):.0f} hours"
        since = "yet" if newest is None else f"since {newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC, for more than {hours}"
        yield f"no run of {GRADING_DAG} has succeeded {since}: open its newest run."
    stuck = [run_id for run_id, queued_at in api.queued_since(GRADING_DAG) if now - queued_at > LONGEST_QUEUED]
    if stuck:
        yield f"{count_of(len(stuck), 'run')} of {GRADING_DAG} queued for more than 30 minutes, the first is {stuck[0]}: is the scheduler running?"


CHECKS: tuple[Callable[[AirflowApi], Iterator[str]], ...] = (find_processes, find_import_errors, find_dags, find_pools, find_silence)


def examine(api: AirflowApi) -> list[str]:
    """The findings of every check. One that could not be made is a finding too; raises AirflowApiError if Airflow does not answer at all."""
    api.health()
    findings: list[str] = []
    for check in CHECKS:
        try:
            findings += check(api)
        except (AirflowApiError, LookupError, TypeError, ValueError, AttributeError) as error:
            # An answer of another version may lack what is read from it.
            reason = str(error) if isinstance(error, AirflowApiError) else f"its answer is not Airflow 3.3's ({type(error).__name__}: {error})"
            findings.append(f"{check.__name__.replace('find_', '').replace('_', ' ')} could not be examined: {reason}")
    # A finding is one line, for a log and for grep.
    return [" ".join(finding.split()) for finding in findings]


@command()
def main(
    url: Annotated[str, typer.Option(metavar="URL", help="Airflow's address; AIRFLOW_API_URL or the local stack by default.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Command line; exit code 0, or 1 with the findings."""
    address = url or os.environ.get("AIRFLOW_API_URL") or _local_url()
    try:
        findings = examine(AirflowApi(address))
    except AirflowApiError as error:
        findings = [" ".join(str(error).split())]
    if as_json:
        console.print_json(json.dumps(findings))
    if findings:
        raise CommandError("\n".join([*findings, f"{count_of(len(findings), 'finding')} at {address}."]))
    if not as_json:
        console.print(f"Nothing is wrong at {address}.", markup=False)


def _local_url() -> str:
    # Not at the top: with an address, neither a local stack nor Airflow has to be installed.
    from commands.stack import local_stack

    return local_stack().config.url("airflow")


if __name__ == "__main__":
    sys.exit(main())
