"""The peak memory of processes, sampled twenty times a second while a proof runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import psutil

INTERVAL_SECONDS = 0.05
MIB = 1024 * 1024


class PeakMemory:
    """``peaks_mib`` is the largest resident set of each process by its name, in MiB; a name may be used several times."""

    def __init__(self) -> None:
        self.peaks_mib: dict[str, float] = {}

    @contextmanager
    def watch(self, pids: Mapping[str, int]) -> Iterator[None]:
        """Watch these processes until the context ends; one that has ended is skipped."""
        stopped = threading.Event()
        thread = threading.Thread(target=self._look, args=(pids, stopped), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def _look(self, pids: Mapping[str, int], stopped: threading.Event) -> None:
        while True:
            for name, pid in pids.items():
                with suppress(psutil.Error):
                    self.peaks_mib[name] = max(self.peaks_mib.get(name, 0.0), psutil.Process(pid).memory_info().rss / MIB)
            if stopped.wait(INTERVAL_SECONDS):
                return
