"""SQL files of include/sql, loaded by name and rendered where an identifier varies.

Values are query parameters, with two exceptions, which are validated and rendered: identifiers (from ``tables``, or the name of a
staging table), and the literals of the only script, as BigQuery's emulator does not accept parameters in scripts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import dropwhile
from pathlib import Path


def _include() -> Path:
    """The folder ``include``: inside the installed package, or beside plugins/ in a checkout."""
    package = Path(str(files("nba_grading")))
    return package / "include" if (package / "include").is_dir() else package.parents[1] / "include"


INCLUDE_DIR = _include()
SQL_DIR = INCLUDE_DIR / "sql"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_COMMENT = re.compile(r"--.*")
_PLAIN_STRING = re.compile(r"[A-Za-z0-9_.:+-]*")


@dataclass(frozen=True)
class SqlFolder:
    """A folder of SQL files, one statement each."""

    path: Path

    def load(self, name: str) -> str:
        """The statement in ``<name>.sql``, without its header comment."""
        return _read(self.path / f"{name}.sql")

    def render(self, name: str, **parts: str) -> str:
        """The file with its ``{part}`` placeholders replaced by validated text."""
        return self.load(name).format(**parts)


@cache
def _read(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(dropwhile(lambda line: line.startswith("--"), lines))


_STATEMENTS = SqlFolder(SQL_DIR)
# Statements of include/sql, by area and name, as in "grading/grade_predictions".
load_sql = _STATEMENTS.load
render_sql = _STATEMENTS.render


def identifier(name: str) -> str:
    """``name`` if it is ``table`` or ``dataset.table`` in plain characters; ValueError otherwise."""
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain SQL identifier")
    return name


def identifiers(names: tuple[str, ...]) -> str:
    """A comma-separated list of validated identifiers."""
    return ", ".join(identifier(name) for name in names)


def literal(value: date | int | str) -> str:
    """A typed GoogleSQL literal of a date, an integer or a plain string; ValueError for any other."""
    if isinstance(value, bool):
        raise ValueError("a boolean cannot be rendered into SQL")
    if isinstance(value, date):
        return f"DATE '{value:%Y-%m-%d}'"
    if isinstance(value, int):
        return str(value)
    if not _PLAIN_STRING.fullmatch(value):
        raise ValueError(f"{value!r} has characters that cannot be rendered into SQL")
    return f"'{value}'"


def tables_named(text: str, datasets: tuple[str, ...]) -> tuple[str, ...]:
    """The tables and views of these datasets that a SELECT names, as ``dataset.table``, sorted and without repeats."""
    named = re.compile(rf"\b(?:{'|'.join(map(re.escape, datasets))})\.\w+")
    return tuple(sorted(set(named.findall(_COMMENT.sub("", text)))))
