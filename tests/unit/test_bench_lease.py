from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from pathlib import Path

import pytest

from proofs import bench_lease
from proofs.bench_lease import main
from proofs.contention import Turn, summarize
from proofs.figures import FLOOR, Contention, Figures, Recovery, Spread, jain_index, operation_costs, overtakers, percentile, targets

CONTENTION = Contention(waiters=50, served=50, seconds=3.1, unary_rpcs=395, waits_s=(1.0,) * 50, overtaken=(0,) * 50)
COSTS = {FLOOR: [0.020, 0.021, 0.022], "acquire": [0.021] * 3, "renew": [0.0215] * 3, "release": [0.0205] * 3}
FIGURES = Figures(
    operations=[*operation_costs(COSTS, 20), *operation_costs({name: [0.001] for name in COSTS}, 0)],
    handoff_ms=Spread.of([18.0, 17.0, 30.0]),
    polled_handoff_ms=Spread.of([2500.0]),
    contentions=[CONTENTION, dataclasses.replace(CONTENTION, seconds=9.0, unary_rpcs=900), CONTENTION],
    recovery=Recovery(Spread.of([3.5, 3.55]), promised_s=3.5),
)


def test_percentiles_are_interpolated_between_the_samples() -> None:
    values = [float(value) for value in range(101)]
    assert [percentile(values, share) for share in (0.01, 0.5, 0.95, 0.99)] == [1, 50, 95, 99]
    assert percentile([0.0, 10.0], 0.95) == pytest.approx(9.5)
    assert percentile([7.0], 0.95) == 7
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 0.5)


def test_a_ratio_is_median_by_median_and_p95_by_p95_of_the_same_run() -> None:
    floor, acquire, *_ = operation_costs({FLOOR: [0.01, 0.02, 0.04], "acquire": [0.03, 0.03, 0.06]}, round_trip_ms=20)
    assert (floor.ratio_p50, floor.ratio_p95) == (1, 1)
    assert acquire.ratio_p50 == pytest.approx(1.5)
    assert acquire.ratio_p95 == pytest.approx(57 / 38)
    assert (acquire.ms.n, acquire.ms.p50, acquire.ms.max) == (3, pytest.approx(30), pytest.approx(60))


def test_jains_index_is_one_for_equal_shares_and_one_nth_when_one_has_all() -> None:
    assert jain_index([2, 2, 2, 2]) == pytest.approx(1)
    assert jain_index([0, 0, 0, 8]) == pytest.approx(0.25)
    assert jain_index([0, 0]) == 1


def test_a_waiter_is_overtaken_by_those_that_came_later_and_were_served_earlier() -> None:
    assert overtakers(arrivals=[1, 2, 3, 4], grants=[9, 5, 6, 7]) == [3, 0, 0, 0]
    assert overtakers(arrivals=[1, 1], grants=[3, 2]) == [0, 0]


def test_waiters_never_served_count_neither_as_served_nor_in_the_waits() -> None:
    contention = summarize([Turn(10.0, 10.5, 11.0), Turn(10.1, None, None), Turn(10.2, 11.2, 12.0)], unary_rpcs=12)
    assert (contention.waiters, contention.served, contention.seconds) == (3, 2, pytest.approx(2.0))
    assert contention.waits_s == pytest.approx((0.5, 1.0))
    assert contention.rpcs_per_grant == 6
    assert contention.grants_per_s == pytest.approx(1.0)
    nobody = summarize([Turn(10.0, None, None)], unary_rpcs=3)
    assert (nobody.served, nobody.rpcs_per_grant, nobody.grants_per_s, nobody.jain) == (0, float("inf"), 0, 0)


def test_the_last_line_has_the_ratios_of_the_longest_round_trip() -> None:
    assert FIGURES.line() == "bench-lease: acquire=1.00x renew=1.02x release=0.98x handoff_p50_ms=18 served=50/50 rpcs_per_grant=7.9"


def test_figures_within_their_bounds_meet_every_target() -> None:
    assert [target for target in targets(FIGURES) if not target.met] == []
    assert [str(target).split()[0] for target in targets(FIGURES)] == ["met"] * 7


@pytest.mark.parametrize(
    ("worse", "promise"),
    [
        ({"operations": operation_costs({**COSTS, "acquire": [0.0223]}, 20)}, "acquire"),
        ({"operations": operation_costs({**COSTS, "renew": [0.03]}, 20)}, "renew"),
        ({"operations": operation_costs({**COSTS, "release": [0.03]}, 20)}, "release"),
        ({"handoff_ms": Spread.of([25.1])}, "handoff"),
        ({"contentions": [dataclasses.replace(CONTENTION, seconds=3.6)]}, "50 waiters"),
        ({"contentions": [dataclasses.replace(CONTENTION, served=49, unary_rpcs=392)]}, "50 waiters"),
        ({"contentions": [dataclasses.replace(CONTENTION, unary_rpcs=451)]}, "≤ 9 calls a grant"),
        ({"recovery": Recovery(Spread.of([3.5, 3.61]), promised_s=3.5)}, "a crashed holder"),
    ],
)
def test_a_figure_beyond_its_bound_misses_its_target_alone(worse: dict[str, object], promise: str) -> None:
    missed = [target for target in targets(dataclasses.replace(FIGURES, **worse)) if not target.met]  # type: ignore[arg-type]
    assert len(missed) == 1
    assert missed[0].promise.startswith(promise)
    assert str(missed[0]).startswith("missed")
    assert "too many" in missed[0].figure or "49/50" in missed[0].figure


@pytest.mark.parametrize(
    ("handoff_ms", "options", "code", "shown"),
    [
        (24.0, [], 0, "met     handoff in ≤ 25 ms, median: 24.0 ms\n"),
        (26.5, [], 1, "missed  handoff in ≤ 25 ms, median: 26.5 ms, 1.5 ms too many\n"),
        (26.5, ["--no-check"], 0, "missed  handoff in ≤ 25 ms, median: 26.5 ms, 1.5 ms too many\n"),
    ],
)
def test_a_missed_target_fails_the_command_unless_it_is_not_checked(
    handoff_ms: float, options: list[str], code: int, shown: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = dataclasses.replace(FIGURES, handoff_ms=Spread.of([handoff_ms]))
    monkeypatch.setattr(bench_lease, "firestore_emulator", lambda _state: nullcontext(0))
    monkeypatch.setattr(bench_lease, "measure", lambda *_arguments: figures)
    for name in ("preload", "hide_lease_warnings"):
        monkeypatch.setattr(bench_lease, name, lambda: None)
    assert main([*options, "--out", str(tmp_path / "bench.json")]) == code
    assert shown in capsys.readouterr().out


def test_arguments_that_cannot_work_are_refused_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--operations", "0"]) == 2
    assert "greater than or equal to 1" in capsys.readouterr().err


def test_without_gcloud_or_java_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert main([]) == 1
    assert "needs gcloud and Java" in capsys.readouterr().err
