"""Commands as a shell sees them: exit codes, and one sentence on stderr in place of a traceback."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer

from commands import load, stack
from commands.console import CommandError, command, count_of


@command()
def main(path: str, code: Annotated[int, typer.Option(help="The exit code.")] = 0, fail: Annotated[str, typer.Option()] = "") -> int:
    """Not shown: the help is the module's docstring."""
    if fail == "interrupt":
        raise KeyboardInterrupt("Interrupted, Airflow continues.")
    if fail:
        raise {"user": CommandError, "system": OSError}[fail](f"{path} is wrong")
    return code


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["file"], 0, ""),
        (["file", "--code", "7"], 7, ""),
        (["file", "--fail", "user"], 1, "file is wrong\n"),
        (["file", "--fail", "system"], 1, "Command failed: file is wrong\n"),
        (["file", "--fail", "interrupt"], 130, "Interrupted, Airflow continues.\n"),
    ],
)
def test_the_exit_code_and_the_sentence_say_how_a_command_ended(
    arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize("arguments", [[], ["file", "--code", "many"], ["file", "--no-such-option"]])
def test_a_usage_error_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Usage: " in capsys.readouterr().err


def test_the_help_is_the_modules_docstring_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert load.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "  Usage: python -m commands.load DIRECTORY | --sample [--local] [--strict]\n" in shown
    assert "Into the running local stack." in shown


def test_what_follows_run_is_the_commands_own_options_included(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    class Done:
        returncode = 3

    def run(arguments: list[str], **_: object) -> Done:
        seen.append(arguments)
        return Done()

    monkeypatch.setattr(stack.subprocess, "run", run)
    monkeypatch.setattr(stack, "local_stack", lambda: stack.Stack(stack.default_config()))
    monkeypatch.setattr(stack.StackConfig, "environment", lambda self, inherited: {})
    assert stack.main(["run", "airflow", "dags", "list", "--output", "json", "--help"]) == 3
    assert seen == [["airflow", "dags", "list", "--output", "json", "--help"]]


def test_one_is_singular_and_thousands_have_a_comma() -> None:
    assert [count_of(number, "date") for number in (0, 1, 2, 1200)] == ["0 dates", "1 date", "2 dates", "1,200 dates"]
