"""Open incidents as the page shows them: the parts of the alert, whether it was sent to Slack, and links."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

TEXTS = ("title", "detail", "impact", "next_step", "command")
SEVERITIES = ("CRITICAL", "ERROR", "WARNING")


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``list_findings`` with its alert parsed. Without a readable alert, the row's own detail is shown."""
    alert = _alert(row["alert"])
    run = alert.get("run") if isinstance(alert.get("run"), dict) else {}
    facts = alert.get("facts") if isinstance(alert.get("facts"), dict) else {}
    texts = {name: str(alert[name]) if alert.get(name) else None for name in TEXTS}
    severity = str(row["severity"] or alert.get("severity") or "")
    return {
        **texts,
        "name": row["name"],
        "kind": str(row["name"]).partition("/")[0],
        "subject": str(row["name"]).partition("/")[2],
        "title": texts["title"] or row["name"],
        "detail": texts["detail"] or row["detail"],
        "severity": severity if severity in SEVERITIES else "WARNING",
        "facts": {str(label): str(text) for label, text in (facts or {}).items()},
        "game_date": row["game_date"],
        "opened_at": row["opened_at"],
        "occurrences": row["occurrences"],
        "last_seen_at": row["last_seen_at"],
        "is_undelivered": bool(row["is_undelivered"]),
        "dag_id": _text(run, "dag_id"),
        "run_id": _text(run, "run_id"),
    }


def _alert(text: str | None) -> dict[str, Any]:
    try:
        alert = json.loads(text or "{}")
    except ValueError:
        return {}
    return alert if isinstance(alert, dict) else {}


def _text(mapping: Any, name: str) -> str | None:
    value = (mapping or {}).get(name)
    return str(value) if value else None
