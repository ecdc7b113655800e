"""The history of the writers, as JSON lines in a file per process, and a checker for forbidden events.

Each line is one os.write to a file opened for appending, so a killed process leaves whole lines. All times are from the machine's
CLOCK_BOOTTIME, which runs while a process is stopped, so intervals of different processes can be compared.

    {"event": "claimed", "key": …, "holder": …, "token": …, "at": …, "valid_until": …}
    {"event": "renewed" | "adopted", "holder": …, "valid_until": …}
    {"event": "ended", "holder": …, "at": …, "how": "released" | "lost"}
    {"event": "wrote", "key": …, "holder": …, "token": …, "at": …, "updated": …, "rows": …, "keys": …, "runs": […], "holds_token": …,
     "replaced_token": …}                       the date after the write, and its fence's token before
    {"event": "fenced_out" | "gave_up" | "unavailable" | "unlocked", …}
    {"event": "died", "pid": …, "at": …}        written by the killer
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]
RENEWALS = ("renewed", "adopted")


class History:
    """Appends the events of this process to its file in a directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self._file = os.open(directory / f"{name}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def record(self, event: str, **facts: Any) -> None:
        """Append one event of this process."""
        os.write(self._file, (json.dumps({"event": event, "pid": os.getpid(), **facts}) + "\n").encode())


def read_history(directory: Path) -> list[Event]:
    """All events of all processes, in the order of each file."""
    return [json.loads(line) for path in sorted(directory.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Verdict:
    """Counts of forbidden events, of writes, and of other events."""

    writes: int
    overlaps: int
    token_regressions: int
    lost_updates: int
    duplicates: int
    mixed_dates: int
    stale_wins: int
    seen: Mapping[str, int]

    @property
    def cycles(self) -> int:
        """Finished cycles: a write, a refusal by the fence, or a lost lease."""
        return self.writes + self.seen["fenced_out"] + self.seen["lost"]

    @property
    def violations(self) -> int:
        """The number of forbidden events; 0 passes."""
        return self.overlaps + self.token_regressions + self.lost_updates + self.duplicates + self.mixed_dates + self.stale_wins


@dataclass(frozen=True)
class Holding:
    """The interval in which one claim believed that it held a key."""

    key: str
    holder: str
    token: int
    start: float
    end: float


def check_history(events: Sequence[Event], counters: Mapping[str, int]) -> Verdict:
    """Check all events. ``counters`` has the final counter of each key: one per write that was acknowledged or died in its commit."""
    holdings = _holdings(events)
    writes = [event for event in events if event["event"] == "wrote"]
    return Verdict(
        writes=len(writes),
        overlaps=sum(_overlaps(of_key) for of_key in _by_key(holdings).values()),
        token_regressions=sum(_regressions(of_key) for of_key in _by_key(holdings).values()),
        lost_updates=_lost_updates(writes, counters),
        duplicates=sum(write["rows"] > write["keys"] for write in writes),
        mixed_dates=sum(len(write["runs"]) > 1 for write in writes),
        stale_wins=sum(_is_stale(write) for write in writes),
        seen=Counter(event["event"] if event["event"] != "ended" else event["how"] for event in events),
    )


def _is_stale(write: Event) -> bool:
    """Whether a write replaced a newer one, or does not match the fence after it."""
    token = write["token"]
    return token is not None and not write["replaced_token"] <= token <= write["holds_token"]


def _holdings(events: Sequence[Event]) -> list[Holding]:
    valid_until: dict[str, float] = {}
    ended: dict[str, float] = {}
    for event in events:
        if event["event"] in ("claimed", *RENEWALS):
            valid_until[event["holder"]] = max(event["valid_until"], valid_until.get(event["holder"], 0.0))
        elif event["event"] == "ended":
            ended[event["holder"]] = event["at"]
    died = {event["victim"]: event["at"] for event in events if event["event"] == "died"}
    never = float("inf")
    return [
        Holding(
            event["key"],
            event["holder"],
            event["token"],
            event["at"],
            min(valid_until[event["holder"]], ended.get(event["holder"], never), died.get(event["pid"], never)),
        )
        for event in events
        if event["event"] == "claimed"
    ]


def _by_key(holdings: Iterable[Holding]) -> dict[str, list[Holding]]:
    found: defaultdict[str, list[Holding]] = defaultdict(list)
    for holding in sorted(holdings, key=lambda holding: holding.start):
        found[holding.key].append(holding)
    return found


def _overlaps(holdings: Sequence[Holding]) -> int:
    """The number of claims that began before an earlier one had ended."""
    found, latest_end = 0, float("-inf")
    for holding in holdings:
        found += holding.start < latest_end and holding.end > holding.start
        latest_end = max(latest_end, holding.end)
    return found


def _regressions(holdings: Sequence[Holding]) -> int:
    return sum(later.token <= earlier.token for earlier, later in pairwise(holdings) if earlier.end <= later.start)


def _lost_updates(writes: Sequence[Event], counters: Mapping[str, int]) -> int:
    """The number of writes that repeated a counter value, or are missing from the final counter."""
    written: defaultdict[str, list[int]] = defaultdict(list)
    for write in writes:
        if write["updated"] is not None:
            written[write["key"]].append(write["updated"])
    repeated = sum(len(numbers) - len(set(numbers)) for numbers in written.values())
    return repeated + sum(max(0, max(numbers) - counters.get(key, 0)) for key, numbers in written.items())
