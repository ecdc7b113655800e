"""What the commands share on a terminal: one console, and user errors as sentences with exit code 1 instead of tracebacks."""

from __future__ import annotations

import signal
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from commands.airflow_api import AirflowApiError
from commands.stack_config import StackError
from nba_grading.settings import SettingsError, get_settings
from nba_grading.warehouse.client import LOST_CONNECTION, AssertionRefused, StatementFailed, Warehouse

# A file or a pipe has no width: wide enough there that no table breaks its words.
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
errors = Console(stderr=True, highlight=False, soft_wrap=True, style="red")


RETRY_SECONDS = 30


class CommandError(Exception):
    """A user's mistake or a missing service; the message is the sentence to show."""


@dataclass
class Outcome:
    """The exit code a command ends with."""

    code: int = 0


@contextmanager
def sentences() -> Iterator[Outcome]:
    """Run a command's body; errors a user can mend become a sentence on stderr and exit code 1, Ctrl-C and SIGTERM 130."""
    outcome = Outcome()
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield outcome
    except (CommandError, StackError, SettingsError, AirflowApiError) as error:
        errors.print(str(error), markup=False)
        outcome.code = 1
    except (StatementFailed, AssertionRefused, GoogleAPICallError, GoogleAuthError, *LOST_CONNECTION) as error:
        errors.print(f"BigQuery did not do it: {error}", markup=False)
        outcome.code = 1
    except (OSError, xmlrpc.client.Error, subprocess.CalledProcessError) as error:
        errors.print(f"It could not be done: {error}", markup=False)
        outcome.code = 1
    except KeyboardInterrupt:
        errors.print("interrupted")
        outcome.code = 130
    finally:
        signal.signal(signal.SIGTERM, previous)


def warehouse_of(client: bigquery.Client) -> Warehouse:
    """A warehouse for a person who waits: it gives up after half a minute of errors that may pass."""
    return Warehouse(client, maximum_bytes_billed=get_settings().grading_max_bytes_billed, retry_seconds=RETRY_SECONDS)


def progress_bar() -> Progress:
    """A progress bar with counts and elapsed time; silent where there is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
