"""What a process that is to die works with: a warehouse and a lease store that kill it, or stop it, at the step they are told.

The steps are the statements that it sends and its writes of leases, each counted from 1. A killed process gets a real SIGKILL from itself:
no clean-up of Python, of the lease or of the connection comes after it.
"""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from google.cloud import bigquery

from nba_grading.leases.store import LeaseKey, WriteResult
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from nba_grading.warehouse.client import BeforeSubmit, Params, Warehouse

When = Literal["before", "after", "inside", "stop", "leased"]


@dataclass(frozen=True)
class Fault:
    """What befalls a process at its Nth statement: death before, inside or after it, or a stop before it until SIGCONT.

    Inside is once the statement is submitted, before it is answered. ``leased`` is death after the Nth write of a lease.
    """

    when: When
    number: int


class FaultyWarehouse(Warehouse):
    """A warehouse whose process meets its fault; it counts its statements."""

    fault: Fault | None = None
    statements = 0

    def _run(self, text: str, params: Params | None, job_name: str | None, before_submit: BeforeSubmit = lambda job_id: None) -> Any:
        self.statements += 1
        if self._meets("before"):
            die()
        if self._meets("stop"):
            os.kill(os.getpid(), signal.SIGSTOP)
        result = super()._run(text, params, job_name, before_submit)
        if self._meets("after"):
            die()
        return result

    def _submit_or_adopt(self, text: str, config: bigquery.QueryJobConfig, job_id: str) -> bigquery.QueryJob:
        if self._meets("inside"):
            die_once_asked()
        return super()._submit_or_adopt(text, config, job_id)

    def _meets(self, when: When) -> bool:
        return self.fault == Fault(when, self.statements)


class FaultyLeaseStore(SqliteLeaseStore):
    """A lease store in a file whose process meets its fault; it counts its writes. Its clock is ``late_s`` seconds ahead."""

    fault: Fault | None = None
    writes = 0

    def __init__(self, path: Path, *, rpc_seconds: float, late_s: float = 0) -> None:
        super().__init__(path, rpc_seconds=rpc_seconds, now_us=lambda: (time.time_ns() // 1000) + round(late_s * 1e6))

    def create(self, key: LeaseKey, fields: Mapping[str, Any]) -> WriteResult:
        """See LeaseStore."""
        written = super().create(key, fields)
        self._wrote()
        return written

    def replace(self, key: LeaseKey, version: Any, fields: Mapping[str, Any]) -> WriteResult:
        """See LeaseStore."""
        written = super().replace(key, version, fields)
        self._wrote()
        return written

    def delete(self, key: LeaseKey, version: Any) -> None:
        """See LeaseStore."""
        super().delete(key, version)
        self._wrote()

    def _wrote(self) -> None:
        self.writes += 1
        if self.fault == Fault("leased", self.writes):
            die()


def die() -> NoReturn:
    """End this process as the kernel ends one that is out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(10)
    raise AssertionError("unreachable: nobody survives SIGKILL")


def die_once_asked() -> None:
    """Send the next request of this process whole, and die where its answer would be read."""
    http.client.HTTPConnection.getresponse = lambda _connection: die()  # type: ignore[method-assign,assignment]
