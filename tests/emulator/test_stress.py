"""The stress run in its quick size, as a person starts it: it finds nothing in ours, and the old recipe guilty."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from commands.stack_config import ROOT
from tests.sizes import FULL

CYCLES = 160


@pytest.mark.timeout(400)
def test_the_quick_stress_run_finds_no_violation_and_catches_the_old_recipe() -> None:
    # Each part in small; enough cycles that leases are renewed, and that the old recipe is caught.
    sizes = [] if FULL else ["--cycles", str(CYCLES), "--publishes", "2", "--waiters", "10"]
    command = [sys.executable, "-m", "proofs.stress", "--quick", *sizes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=380, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    line = done.stdout.strip().splitlines()[-1]
    matched = re.fullmatch(
        r"stress: cycles=(\d+) overlaps=0 token_regressions=0 duplicates=0 mixed_dates=0 stale_wins=0 stuck=0",
        line,
    )
    assert matched, line
    assert int(matched.group(1)) >= CYCLES


def test_a_size_that_cannot_be_is_refused_with_a_sentence() -> None:
    command = [sys.executable, "-m", "proofs.stress", "--cycles", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "greater than or equal to 1" in done.stderr
    assert "Traceback" not in done.stderr
