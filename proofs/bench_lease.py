"""Measure the lease on Firestore's emulator: each operation beside a raw commit, handoff, contention, and recovery after a crash.

Usage: python -m proofs.bench_lease [--operations 200] [--round-trip-ms 20] [--waiters 50] [--no-check] [--out FILE.json]

Starts an emulator of its own and takes about three minutes. Operations are measured behind a proxy that delays every call by the
round trip, where the number of calls decides, and without it, where the work of client and emulator does; each as a ratio to a
floor that is measured between its samples. Then, without delay: from a release to the next holder, by the watch and by polling
every 5 s; many waiters on one key; and a holder killed with SIGKILL. Prints every value, each target met or missed, and ends with
``bench-lease: acquire=… renew=… release=… handoff_p50_ms=… served=… rpcs_per_grant=…``, whose ratios are those behind the round
trip. ``handoff_p50_ms`` is the handoff in place, to a waiting process. A deferred Airflow task is resumed through the triggerer and the
scheduler, which takes seconds and is not measured. Exit code 1 when a target is missed, unless --no-check is given.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import grpc  # type: ignore[import-untyped]
import typer
from google.api_core.exceptions import GoogleAPICallError
from rich.progress import Progress
from rich.table import Table

from commands.console import CommandError, command, console, progress_bar
from commands.stack_config import ROOT
from nba_grading.leases.errors import LeaseHeld, LeaseStoreUnavailable
from proofs.contention import POLL_SECONDS, PROCESSES, measure_contention, measure_handoff, measure_polled_handoff, measure_recovery, preload
from proofs.emulator import client_of, firestore_emulator, hide_lease_warnings
from proofs.figures import Figures, OperationCost, Spread, Target, exit_code, operation_costs, targets
from proofs.operations import measure_operations
from proofs.proxies import delay_proxy

STATE = ROOT / ".local" / "bench-lease"
HANDOFF_SAMPLES = 200
# Rounds of many waiters vary: seconds and calls differ by a third from one to the next.
ROUNDS = 5
LIBRARIES = ("google-cloud-firestore", "google-api-core", "grpcio", "protobuf")


def measure(port: int, operations: int, round_trip_ms: float, waiters: int, progress: Progress) -> Figures:
    """Measure everything, in sequence, on the emulator at this port."""

    def task(name: str, total: int) -> Callable[[], None]:
        number = progress.add_task(name, total=total)
        return lambda: progress.advance(number)

    costs: list[OperationCost] = []
    for delay_ms in sorted({round_trip_ms, 0.0}, reverse=True):
        with delay_proxy(port, delay_ms / 2000) if delay_ms else nullcontext(port) as way:
            seconds = measure_operations(client_of(way), operations, task(f"operations, round trip {delay_ms:g} ms", operations))
        costs += operation_costs(seconds, delay_ms)
    handoff = measure_handoff(port, HANDOFF_SAMPLES, task("handoff", HANDOFF_SAMPLES + 1))
    done = task("handoff by polling", 1)
    polled = measure_polled_handoff(client_of(port))
    done()
    advance = task(f"{waiters} waiters, {ROUNDS} rounds", ROUNDS * min(waiters, PROCESSES))
    contentions = [measure_contention(port, waiters, advance) for _ in range(ROUNDS)]
    done = task("recovery after a crash", 1)
    recovery = measure_recovery(port)
    done()
    return Figures(costs, handoff, polled, contentions, recovery)


def operations_table(costs: Sequence[OperationCost]) -> Table:
    """A row for each operation and round trip."""
    table = Table("round trip", "operation", "samples", "median ms", "p95 ms", "median, x raw", "p95, x raw", title="operations")
    for column in table.columns[2:]:
        column.justify = "right"
    for number, cost in enumerate(costs):
        ends = number + 1 < len(costs) and costs[number + 1].round_trip_ms != cost.round_trip_ms
        shown = (f"{cost.ms.n:,}", f"{cost.ms.p50:.2f}", f"{cost.ms.p95:.2f}", f"{cost.ratio_p50:.2f}x", f"{cost.ratio_p95:.2f}x")
        table.add_row(f"{cost.round_trip_ms:g} ms" if cost.round_trip_ms else "loopback", cost.name, *shown, end_section=ends)
    return table


def waiting_table(figures: Figures) -> Table:
    """A row for each kind of wait, on loopback."""
    table = Table("wait", "samples", "median", "p95", "max", title="waiting")
    for column in table.columns[1:]:
        column.justify = "right"
    contentions = figures.contentions
    waits = [wait for each in contentions for wait in each.waits_s]
    rows: list[tuple[str, Spread, str]] = [
        ("release → waiter in place holds, ms", figures.handoff_ms, ".1f"),
        (f"the same, polling every {POLL_SECONDS:g} s, ms", figures.polled_handoff_ms, ",.0f"),
        ("last renewal → waiter holds after a crash, s", figures.recovery.seconds, ".3f"),
    ]
    if waits:
        rows.append((f"wait of {contentions[0].waiters} on one key, s", Spread.of(waits), ".2f"))
        rows.append(("overtaken by later arrivals", Spread.of([count for each in contentions for count in each.overtaken]), ".0f"))
    for name, spread, form in rows:
        table.add_row(name, str(spread.n), *(format(value, form) for value in (spread.p50, spread.p95, spread.max)))
    return table


def report_of(figures: Figures, results: Sequence[Target], load_before: Sequence[float]) -> dict[str, Any]:
    """The JSON report: results, targets, and the machine."""
    contentions = [
        {**asdict(each), "rpcs_per_grant": each.rpcs_per_grant, "grants_per_s": each.grants_per_s, "jain": each.jain} for each in figures.contentions
    ]
    return {
        "measured_at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "libraries": {name: version(name) for name in LIBRARIES},
            "load_average_before": list(load_before),
            "load_average_after": list(os.getloadavg()),
        },
        **asdict(figures),
        "contentions": contentions,
        "targets": [asdict(target) for target in results],
        "line": figures.line(),
    }


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn a failure of the emulator into a CommandError."""
    try:
        yield
    except (LeaseHeld, LeaseStoreUnavailable, GoogleAPICallError, grpc.RpcError) as error:
        raise CommandError(f"The Firestore emulator failed: {error}") from error
    except EOFError as error:
        raise CommandError("A process of the benchmark died; its error is above.") from error


@command()
def main(
    operations: Annotated[int, typer.Option(min=1, help="Samples of each operation.")] = 200,
    round_trip_ms: Annotated[float, typer.Option(min=0, help="Delay of every call, there and back; 0 for none.")] = 20,
    waiters: Annotated[int, typer.Option(min=1, help="Waiters on one key at once.")] = 50,
    out: Annotated[Path, typer.Option(help="File for the JSON report.")] = ROOT / ".local" / "bench-lease.json",
    no_check: Annotated[bool, typer.Option("--no-check", help="Exit code 0 although a target is missed: for a busy machine.")] = False,
) -> int:
    """Command line; exit code 1 when a target is missed, or with a sentence."""
    hide_lease_warnings()
    preload()
    load_before = os.getloadavg()
    with store_errors(), firestore_emulator(STATE) as port, progress_bar() as progress:
        figures = measure(port, operations, round_trip_ms, waiters, progress)
    results = targets(figures)
    console.print(operations_table(figures.operations))
    console.print(waiting_table(figures))
    for each in figures.contentions:
        console.print(
            f"{each.served}/{each.waiters} waiters served in {each.seconds:.2f} s: {each.grants_per_s:.1f} grants/s, "
            f"{each.rpcs_per_grant:.1f} calls a grant, longest wait {max(each.waits_s, default=0):.2f} s, Jain's index {each.jain:.2f}"
        )
    for target in results:
        console.print(str(target), style="green" if target.met else "red", markup=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report_of(figures, results, load_before), indent=2) + "\n", encoding="utf-8")
    console.print(f"written: {out}", style="dim", markup=False)
    console.print(figures.line(), markup=False)
    return exit_code(results, no_check=no_check)


if __name__ == "__main__":
    sys.exit(main())
