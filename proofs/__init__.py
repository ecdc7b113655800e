"""Programs that prove what the project promises: the incident, the stress run, the repair at its true size, the benchmarks.

None of it runs in production. They use the project's own functions, and statements of their own in ``proofs/sql``.
"""

from __future__ import annotations

from pathlib import Path

from nba_grading.warehouse.sql import SqlFolder

PROOFS_SQL = SqlFolder(Path(__file__).parent / "sql")
