"""Write the pages of docs/ that repeat what the code says: settings.md and dags.md.

Usage: python -m commands.docs [--check]      (--check writes nothing and fails when a page is out of date)
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Sequence

from commands.console import CommandError, console, sentences
from commands.stack_config import ROOT
from nba_grading.settings import Settings

HEAD = "<!-- Written by `make docs`; change the source instead. -->\n"


def settings_page() -> str:
    """docs/settings.md: a row per environment variable."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "a third of LEASE_SECONDS" if name == "lease_renew_seconds" else f"`{field.default}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    intro = "Read from the environment once, at start. An unknown name or an impossible value is refused by name."
    return "\n".join([HEAD, "# Settings", "", intro, "", "| variable | default | meaning |", "|---|---|---|", *rows, ""])


def dags_page() -> str:
    """docs/dags.md: each DAG's own documentation, as the UI shows it."""
    parts = [HEAD, "# DAGs", ""]
    for path in sorted((ROOT / "dags").glob("*.py")):
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if not doc:
            raise CommandError(f"{path.relative_to(ROOT)} has no docstring: it is the DAG's documentation.")
        parts += [f"## {path.stem}", "", inspect.cleandoc(doc), ""]
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit code 1 when --check finds a page out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    with sentences() as outcome:
        pages = {ROOT / "docs" / "settings.md": settings_page(), ROOT / "docs" / "dags.md": dags_page()}
        stale = [path.relative_to(ROOT) for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        if check and stale:
            raise CommandError(f"{', '.join(map(str, stale))} out of date: run `make docs` and commit the result.")
        if not check:
            for path, text in pages.items():
                path.write_text(text, encoding="utf-8")
        console.print(f"{len(pages)} generated pages, {len(stale)} {'stale' if check else 'changed'}")
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
