"""Staging tables and backups, grouped by name: one entry per batch, per table written, and per backup."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

ORPHANED_AFTER = timedelta(days=7)
_BATCH = re.compile(r"^_staging_batch_(?P<batch>[A-Za-z0-9]+)_")
_WRITE = re.compile(r"^_staging_(?P<table>[a-z_]+)_\d{8}_[0-9a-f]{32}$")
_BACKUP = re.compile(r"^_backup_(?P<table>[a-z_]+)_\d{14}$")


def group(rows: Iterable[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Rows of ``list_orphans`` as ``staging``, oldest first, and ``backups``, newest first.

    A backup has ``name``, ``table``, ``taken_at`` and ``expires_at``, None if it is kept for ever. A staging entry has ``of`` (its source),
    ``tables`` (their number), ``example``, ``oldest_at``, and ``old``: whether the daily cleanup considers it.
    """
    staging: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    backups = []
    for row in rows:
        name = str(row["table_name"])
        if backup := _BACKUP.match(name):
            backups.append({"name": name, "table": backup["table"], "taken_at": row["creation_time"], "expires_at": row["expires_at"]})
        else:
            staging[_kind(name)].append(row)
    entries = [
        {
            "of": kind,
            "tables": len(tables),
            "example": tables[0]["table_name"],
            "oldest_at": tables[0]["creation_time"],
            "old": now - tables[0]["creation_time"] > ORPHANED_AFTER,
        }
        for kind, tables in staging.items()
    ]
    backups.sort(key=lambda entry: entry["taken_at"], reverse=True)
    return {"staging": sorted(entries, key=lambda entry: entry["oldest_at"]), "backups": backups}


def _kind(name: str) -> str:
    if batch := _BATCH.match(name):
        return f"batch {batch['batch']}"
    if write := _WRITE.match(name):
        return f"writes of {write['table']}"
    return "unknown"
