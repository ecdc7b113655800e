"""The results of the lease benchmark: summaries of samples, targets, and the closing line. No clock, no network."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FLOOR = "raw commit"
HANDOFF_MS = 25.0
RATIO = 1.05
SECONDS_PER_WAITER = 0.07
RPCS_PER_GRANT = 9.0
RECOVERY_SLACK_S = 0.1


def percentile(values: Sequence[float], share: float) -> float:
    """The interpolated percentile of the values; ``share`` is a whole percentage, 0.01 to 0.99. Raises ValueError without values."""
    if not values:
        raise ValueError("there are no samples")
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def jain_index(values: Sequence[float]) -> float:
    """Jain's fairness index of the shares, from 1/n (one has everything) to 1 (all equal)."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def overtakers(arrivals: Sequence[float], grants: Sequence[float]) -> list[int]:
    """For each waiter, how many that arrived after it were served before it."""
    waiters = list(zip(arrivals, grants, strict=True))
    return [sum(later > arrival and earlier < grant for later, earlier in waiters) for arrival, grant in waiters]


@dataclass(frozen=True)
class Spread:
    """A summary of samples, in their unit."""

    n: int
    p50: float
    p95: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarize the values; raises ValueError without any."""
        return cls(len(values), percentile(values, 0.50), percentile(values, 0.95), max(values))


@dataclass(frozen=True)
class OperationCost:
    """The cost of one operation in ms, and its ratio to the floor measured between its samples: median by median, p95 by p95."""

    name: str
    round_trip_ms: float
    ms: Spread
    ratio_p50: float
    ratio_p95: float


def operation_costs(seconds: Mapping[str, Sequence[float]], round_trip_ms: float) -> list[OperationCost]:
    """The costs of all operations, samples given in seconds; one of them is FLOOR."""
    spreads = {name: Spread.of([1000 * value for value in values]) for name, values in seconds.items()}
    floor = spreads[FLOOR]
    return [OperationCost(name, round_trip_ms, ms, ms.p50 / floor.p50, ms.p95 / floor.p95) for name, ms in spreads.items()]


@dataclass(frozen=True)
class Contention:
    """Waiters on one key, each served at most once. Waits and overtakers are those of the waiters served."""

    waiters: int
    served: int
    seconds: float
    unary_rpcs: int
    waits_s: tuple[float, ...]
    overtaken: tuple[int, ...]

    @property
    def rpcs_per_grant(self) -> float:
        """Calls other than watches, including those of waiters never served; infinite without a grant."""
        return self.unary_rpcs / self.served if self.served else float("inf")

    @property
    def grants_per_s(self) -> float:
        """Grants per second until the last release."""
        return self.served / self.seconds

    @property
    def jain(self) -> float:
        """Jain's index over the waiting times."""
        return jain_index(self.waits_s) if self.waits_s else 0.0


@dataclass(frozen=True)
class Recovery:
    """Seconds from the last renewal of a killed holder until a waiter held the lease, and the promised limit."""

    seconds: Spread
    promised_s: float


@dataclass(frozen=True)
class Figures:
    """All results."""

    operations: list[OperationCost]
    handoff_ms: Spread
    polled_handoff_ms: Spread
    contentions: list[Contention]
    recovery: Recovery

    def ratio(self, name: str) -> float:
        """The median ratio of an operation at the longest round trip measured."""
        return max((cost for cost in self.operations if cost.name == name), key=lambda cost: cost.round_trip_ms).ratio_p50

    @property
    def drain_s(self) -> float:
        """Seconds until all waiters were served: the median of the rounds."""
        return statistics.median(each.seconds for each in self.contentions)

    @property
    def rpcs_per_grant(self) -> float:
        """Unary calls per grant: the median of the rounds."""
        return statistics.median(each.rpcs_per_grant for each in self.contentions)

    @property
    def served(self) -> str:
        """Served of waiters, in the round that served the fewest."""
        worst = min(self.contentions, key=lambda each: each.served)
        return f"{worst.served}/{worst.waiters}"

    def line(self) -> str:
        """The closing line."""
        ratios = " ".join(f"{name}={self.ratio(name):.2f}x" for name in ("acquire", "renew", "release"))
        return f"bench-lease: {ratios} handoff_p50_ms={self.handoff_ms.p50:.0f} served={self.served} rpcs_per_grant={self.rpcs_per_grant:.1f}"


@dataclass(frozen=True)
class Target:
    """One target and its result."""

    promise: str
    figure: str
    met: bool

    def __str__(self) -> str:
        return f"{'met' if self.met else 'missed':6}  {self.promise}: {self.figure}"


def exit_code(results: Sequence[Target], *, no_check: bool) -> int:
    """A benchmark's exit code: 1 when a target is missed, unless the targets are not to be checked."""
    return 0 if no_check or all(target.met for target in results) else 1


def targets(figures: Figures) -> list[Target]:
    """Every target. Ratios are compared at the longest round trip measured, rounded to hundredths."""
    round_trip_ms = max(cost.round_trip_ms for cost in figures.operations)
    ratios = [
        Target(
            f"{name} ≤ {RATIO}x a raw commit, at a round trip of {round_trip_ms:g} ms",
            f"{ratio:.2f}x{_missed_by(round(ratio, 2) - RATIO, '.2f', 'x')}",
            round(ratio, 2) <= RATIO,
        )
        for name in ("acquire", "renew", "release")
        for ratio in [figures.ratio(name)]
    ]
    recovery, waiters = figures.recovery, figures.contentions[0].waiters
    limit_s, bound_s = SECONDS_PER_WAITER * waiters, recovery.promised_s + RECOVERY_SLACK_S
    return [
        *ratios,
        Target(
            f"handoff in ≤ {HANDOFF_MS:g} ms, median",
            f"{figures.handoff_ms.p50:.1f} ms{_missed_by(figures.handoff_ms.p50 - HANDOFF_MS, '.1f', ' ms')}",
            figures.handoff_ms.p50 <= HANDOFF_MS,
        ),
        Target(
            f"{waiters} waiters all served in ≤ {limit_s:.1f} s, median of {len(figures.contentions)} rounds",
            f"{figures.served} in {figures.drain_s:.2f} s{_missed_by(figures.drain_s - limit_s, '.2f', ' s')}",
            all(each.served == each.waiters for each in figures.contentions) and figures.drain_s <= limit_s,
        ),
        Target(
            f"≤ {RPCS_PER_GRANT:g} calls a grant there, median",
            f"{figures.rpcs_per_grant:.1f}{_missed_by(figures.rpcs_per_grant - RPCS_PER_GRANT, '.1f', '')}",
            figures.rpcs_per_grant <= RPCS_PER_GRANT,
        ),
        Target(
            f"a crashed holder's lease is held again ≤ {bound_s:.2f} s after its last renewal (lease + grace + {RECOVERY_SLACK_S} s)",
            f"{recovery.seconds.max:.3f} s at most, of {recovery.seconds.n}{_missed_by(recovery.seconds.max - bound_s, '.3f', ' s')}",
            recovery.seconds.max <= bound_s,
        ),
    ]


def _missed_by(over: float, form: str, unit: str) -> str:
    """How far a figure is beyond its limit; nothing when it is within."""
    return f", {over:{form}}{unit} too many" if over > 0 else ""
