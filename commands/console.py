"""What the commands share on a terminal: one console, and user errors as sentences with exit code 1 instead of tracebacks."""

from __future__ import annotations

import signal
import subprocess
import sys
import xmlrpc.client
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol

import typer
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from commands.airflow_api import AirflowApiError
from commands.stack_config import StackError
from nba_grading.settings import SettingsError, get_settings
from nba_grading.warehouse.client import Warehouse
from nba_grading.warehouse.errors import LOST_CONNECTION, RowsStillStreaming, StatementFailed

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
    """Run a command's body; errors a user can fix become a sentence on stderr and exit code 1, Ctrl-C and SIGTERM 130."""
    outcome = Outcome()
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield outcome
    except (CommandError, StackError, SettingsError, AirflowApiError) as error:
        errors.print(str(error), markup=False)
        outcome.code = 1
    except (StatementFailed, RowsStillStreaming, GoogleAPICallError, GoogleAuthError, *LOST_CONNECTION) as error:
        errors.print(f"BigQuery request failed: {error}", markup=False)
        outcome.code = 1
    except (OSError, xmlrpc.client.Error, subprocess.CalledProcessError) as error:
        errors.print(f"Command failed: {error}", markup=False)
        outcome.code = 1
    except KeyboardInterrupt as interrupt:
        errors.print(str(interrupt) or "Interrupted.", markup=False)
        outcome.code = 130
    finally:
        signal.signal(signal.SIGTERM, previous)


class Main(Protocol):
    """A command line: takes the arguments, the process's own when None, and returns the exit code."""

    def __call__(self, arguments: Sequence[str] | None = None) -> int:
        """Run it."""


def command(**settings: Any) -> Callable[[Callable[..., int | None]], Main]:
    """Make a function the ``main`` of its module: its parameters are the options, by typer, its module's docstring is the help.

    The exit code is what the function returns (None is 0), that of ``sentences``, or 2 for a usage error. ``settings`` are typer's
    context_settings.
    """

    def decorate(function: Callable[..., int | None]) -> Main:
        module = sys.modules[function.__module__]
        name = module.__spec__.name if module.__spec__ else function.__module__
        # \b keeps the lines of a paragraph as they are written.
        text = "\n\n".join(f"\b\n{paragraph}" for paragraph in str(module.__doc__).strip().split("\n\n"))
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

        @app.command(help=text, context_settings=settings)
        @wraps(function)
        def run(*arguments: Any, **options: Any) -> None:
            with sentences() as outcome:
                outcome.code = function(*arguments, **options) or 0
            raise typer.Exit(outcome.code)

        def main(arguments: Sequence[str] | None = None) -> int:
            try:
                app(arguments, prog_name=f"python -m {name}")
            except SystemExit as end:
                return int(end.code or 0)
            return 0

        return main

    return decorate


def warehouse_of(client: bigquery.Client) -> Warehouse:
    """A warehouse for a person who waits: it gives up after half a minute of errors that may pass."""
    return Warehouse(client, maximum_bytes_billed=get_settings().grading_max_bytes_billed, retry_seconds=RETRY_SECONDS)


def count_of(number: int, noun: str) -> str:
    """``1 date``, ``2 dates``, ``1,200 dates``: for nouns whose plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
