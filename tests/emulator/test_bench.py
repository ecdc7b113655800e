"""The benchmark in small, as a person starts it: every part runs, the rows of both sides are compared, and the line can be read.

Two minutes, for a program that people run by hand: with FULL_TESTS=1 alone (`make test-full`).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from commands.stack_config import ROOT
from tests.sizes import FULL


@pytest.mark.skipif(not FULL, reason="with FULL_TESTS=1 alone, as in `make test-full`")
def test_a_quick_run_compares_all_rows_and_ends_with_its_line(tmp_path: Path) -> None:
    out, plot = tmp_path / "bench.json", tmp_path / "bench.svg"
    command = [sys.executable, "-m", "proofs.bench", "--quick", "--out", str(out), "--plot", str(plot)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    ratio = r"\d+\.\d\dx"
    line = rf"bench: grade={ratio} regrade_in_2k={ratio} dedup={ratio} consolidate={ratio} season={ratio} row_by_row={ratio}"
    assert re.fullmatch(line, done.stdout.strip().splitlines()[-1]), done.stdout
    report = json.loads(out.read_text(encoding="utf-8"))
    compared = {(each["operation"], each["rows"], each["held"]): each["compared_rows"] for each in report["measurements"]}
    assert compared.keys() >= {("grade", 606, 0), ("grade", 606, 2_000), ("regrade", 606, 2_000), ("dedup", 994, 0), ("consolidate", 606, 0)}
    assert all(compared.values())
    assert sum(each["different_rows"] for each in [*report["measurements"], *report["row_by_row"]]) == 0
    assert all(len(each["ours_samples"]) == len(each["floor_samples"]) == 1 for each in report["measurements"])
    assert report["memory_mib"].keys() == {"ours", "the emulator", "DuckDB itself", "row by row"}
    assert plot.exists()
