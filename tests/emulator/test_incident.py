"""The incident replayed in small, as a person starts it."""

from __future__ import annotations

import re
import subprocess
import sys

from commands.stack_config import ROOT


def test_the_old_recipe_duplicates_the_date_and_ours_does_not() -> None:
    command = [sys.executable, "-m", "proofs.incident", "--keys", "1212"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    matched = re.fullmatch(r"incident: old_duplicates=(\d+) duplicates=0 seconds=\d+", done.stdout.strip().splitlines()[-1])
    assert matched, done.stdout
    assert int(matched.group(1)) == 1212
