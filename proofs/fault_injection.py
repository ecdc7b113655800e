"""A warehouse and a lease store that kill or stop their own process at a given step.

Steps are statements sent and tables dropped, and lease writes, each counted from 1. The process sends itself a real SIGKILL, so nothing is
cleaned up: not Python, not the lease, not the connection.
"""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from google.cloud import bigquery

from nba_grading.leases.store import LeaseKey, WriteResult
from nba_grading.leases.store_sqlite import SqliteLeaseStore
from nba_grading.warehouse.client import BeforeSubmit, Warehouse
from nba_grading.warehouse.params import Params

When = Literal["before", "after", "inside", "stop", "leased"]


@dataclass(frozen=True)
class Fault:
    """Kill the process before, inside or after its Nth statement, or stop it before the statement until SIGCONT.

    Inside means after the statement is submitted and before it is answered. ``leased``: kill after the Nth lease write.
    """

    when: When
    number: int


class FaultyWarehouse(Warehouse):
    """A warehouse that counts its statements and injects ``fault``."""

    fault: Fault | None = None
    statements = 0

    def _run(self, text: str, params: Params | None, job_name: str | None, before_submit: BeforeSubmit = lambda job_id: None) -> Any:
        with self._step():
            return super()._run(text, params, job_name, before_submit)

    def drop_table(self, name: str) -> None:
        """See Warehouse."""
        with self._step():
            if self._meets("inside"):
                die_before_answer()
            super().drop_table(name)

    def _submit_or_adopt(self, text: str, config: bigquery.QueryJobConfig, job_id: str) -> bigquery.QueryJob:
        if self._meets("inside"):
            die_before_answer()
        return super()._submit_or_adopt(text, config, job_id)

    @contextmanager
    def _step(self) -> Iterator[None]:
        self.statements += 1
        if self._meets("before"):
            die()
        if self._meets("stop"):
            os.kill(os.getpid(), signal.SIGSTOP)
        yield
        if self._meets("after"):
            die()

    def _meets(self, when: When) -> bool:
        return self.fault == Fault(when, self.statements)


class FaultyLeaseStore(SqliteLeaseStore):
    """A lease store in a file that counts its writes and injects ``fault``. Its clock is ``late_s`` seconds ahead."""

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
    """Kill this process as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(10)
    raise AssertionError("unreachable after SIGKILL")


def die_before_answer() -> None:
    """Make this process send its next request, and die before it reads the answer."""
    http.client.HTTPConnection.getresponse = lambda _connection: die()  # type: ignore[method-assign,assignment]
