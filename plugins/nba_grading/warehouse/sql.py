"""SQL files of include/sql, loaded by name and, where an identifier varies, rendered.

Values never pass through here: they are query parameters. Two exceptions are rendered, both checked: identifiers (from
``tables`` or a staging name built there), and the literals of the one script, which BigQuery's emulator gives no parameters.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from itertools import dropwhile
from pathlib import Path

SQL_DIR = Path(__file__).resolve().parents[2] / "include" / "sql"

_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$")
_COMMENT = re.compile(r"--.*")
_PLAIN_STRING = re.compile(r"^[A-Za-z0-9_.:+-]*$")


@cache
def load_sql(name: str) -> str:
    """The statement in ``include/sql/<name>.sql``, without its header comment."""
    lines = (SQL_DIR / f"{name}.sql").read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(dropwhile(lambda line: line.startswith("--"), lines))


def identifier(name: str) -> str:
    """``name`` if it is ``table`` or ``dataset.table`` in plain characters; ValueError otherwise."""
    if not _IDENTIFIER.match(name):
        raise ValueError(f"{name!r} is not a plain SQL identifier")
    return name


def identifiers(names: tuple[str, ...]) -> str:
    """A comma-separated list of checked identifiers."""
    return ", ".join(identifier(name) for name in names)


def literal(value: date | int | str) -> str:
    """A typed GoogleSQL literal of a date, an integer or a plain string; ValueError for any other."""
    if isinstance(value, bool):
        raise ValueError("a boolean is not rendered into SQL")
    if isinstance(value, date):
        return f"DATE '{value:%Y-%m-%d}'"
    if isinstance(value, int):
        return str(value)
    if not _PLAIN_STRING.match(value):
        raise ValueError(f"{value!r} has characters that are not rendered into SQL")
    return f"'{value}'"


def tables_read(text: str, datasets: tuple[str, ...]) -> tuple[str, ...]:
    """The tables of these datasets that a SELECT names, as ``dataset.table``, each once and in order."""
    named = re.compile(rf"\b(?:{'|'.join(map(re.escape, datasets))})\.\w+")
    return tuple(sorted(set(named.findall(_COMMENT.sub("", text)))))


def render_sql(name: str, **parts: str) -> str:
    """The file with its ``{part}`` placeholders filled in by checked text."""
    return load_sql(name).format(**parts)
