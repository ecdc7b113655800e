"""Write the pages of docs/ that are generated from the code: settings.md, dags.md, alerts.md and the table of checks in quality.md.

Usage: python -m commands.docs [--check]      (--check writes nothing and fails when a page is out of date)
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from typing import Annotated, Any

import typer

from commands.console import CommandError, command, console
from commands.stack_config import ROOT
from nba_grading.settings import Settings

HEAD = "<!-- Written by `make docs`; change the source instead. -->\n"

TABLE_MARK = "<!-- The table below is written by `make docs` from include/sql/quality. -->"
ALERTS_INTRO = """The messages in Slack, rendered from the payloads of the tests (`tests/alert_examples.py`); `alerts/delivery.py` sends them.

- The same finding on the same subject is one **incident** and one thread. Occurrences are counted in its first message, and reported in the
  thread once in `GRADING_ALERT_REPEAT_MINUTES`, or at once when the severity changes.
- An incident of a failed task is named by the DAG, what identifies the run's work (date, batch, table and range, backup) and the task. A
  success of that task for the same work resolves it. A run that is refused for its parameters opens none: the task's log says why.
- An ERROR or CRITICAL that is open for `GRADING_ALERT_ESCALATE_HOURS` is **escalated** once: a reply shown in the channel too, with
  `GRADING_SLACK_MENTION`, and a message in the channel for CRITICAL where that is another one.
- Its **resolution** is a reply shown in the channel too, and the first message shows it.
- The channel is `GRADING_SLACK_CHANNEL`, or that of the severity in `GRADING_SLACK_CHANNELS`.
- What Slack did not take is in `nba_predictions.incidents` and on the Grading page, and is sent by `deliver_alerts`, every 10 minutes.
  A message is sent at least once: if a process dies between Slack's answer and its record of it, it is sent twice. If BigQuery is down
  too, the log line `alert_lost` has it.

The connection `GRADING_SLACK_CONN_ID` is of type `slack`: a bot token with `chat:write`, of a bot that is in the channels. Incoming
webhooks have no threads."""


def settings_page() -> str:
    """docs/settings.md: a row per environment variable."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "a third of LEASE_SECONDS" if name == "lease_renew_seconds" else f"`{field.default}`".replace("``", "empty")
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


def alerts_page() -> str:
    """docs/alerts.md: each alert as Slack shows it, and a thread from its first message to its resolution; from the tests' examples."""
    from tests.alert_examples import all_alerts, timelines

    parts = [HEAD, "# Alerts", "", ALERTS_INTRO, ""]
    for alert in all_alerts():
        blocks = timelines(alert)["opened"]
        parts += [f"## {alert.title}", "", f"`{alert.name}`, {alert.severity}", "", *_quoted(blocks), "", *_payload(blocks), ""]
    parts += ["## A thread", ""]
    for moment, blocks in timelines(all_alerts()[0]).items():
        parts += [f"**{moment}**", "", *_quoted(blocks), ""]
    return "\n".join(parts)


def checks_page() -> str:
    """docs/quality.md: the text above its table as it is, and a row for each check."""
    from nba_grading.quality.daily_checks import load_checks

    path = ROOT / "docs" / "quality.md"
    above = path.read_text(encoding="utf-8").partition(TABLE_MARK)[0]
    rows = ["| check | what | unit | warns | fails | next step |", "|---|---|---|---|---|---|"]
    for check in load_checks({}):
        limits = [
            " or ".join(f"{word} {check.limits[f'{kind}_{word}']}" for word in ("below", "above") if f"{kind}_{word}" in check.limits)
            for kind in ("warn", "fail")
        ]
        needs = "; not without games" if check.needs_games else ""
        rows.append(f"| `{check.name}` | {check.title.rstrip('.')}{needs} | {check.unit} | {limits[0]} | {limits[1]} | {check.next_step} |")
    return above + TABLE_MARK + "\n\n" + "\n".join(rows) + "\n"


def _quoted(blocks: list[dict[str, Any]]) -> list[str]:
    from commands.slack_sink import text_of

    return ["```text", *text_of({"blocks": blocks}).replace("```", "`").splitlines(), "```"]


def _payload(blocks: list[dict[str, Any]]) -> list[str]:
    return ["<details><summary>payload</summary>", "", "```json", json.dumps(blocks, indent=1), "```", "", "</details>"]


@command()
def main(check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a page is out of date.")] = False) -> None:
    """Command line; exit code 1 when --check finds a page out of date."""
    makers = {"settings": settings_page, "dags": dags_page, "alerts": alerts_page, "quality": checks_page}
    pages = {ROOT / "docs" / f"{name}.md": make() for name, make in makers.items()}
    stale = [path.relative_to(ROOT) for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if check and stale:
        raise CommandError(f"{', '.join(map(str, stale))} out of date: run `make docs` and commit the result.")
    if not check:
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
    console.print(f"{len(pages)} generated pages, {len(stale)} {'stale' if check else 'changed'}")


if __name__ == "__main__":
    sys.exit(main())
