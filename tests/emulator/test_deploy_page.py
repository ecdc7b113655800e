"""The program of docs/deploy.md, run on the emulator: there both publishes succeed, one after the other. About 5 s."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

from commands.stack_config import ROOT, StackConfig
from tests.emulator.small_date import ROWS


def test_the_first_test_on_a_real_project_runs_as_printed(small_date: date, emulators: StackConfig, tmp_path: Path) -> None:
    [program] = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    script = tmp_path / "race.py"
    script.write_text(program, encoding="utf-8")
    environment = {**os.environ, **emulators.client_environment(), "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])}
    command = [sys.executable, str(script), str(small_date)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rows before: 0" in done.stdout
    assert f"{{'n': {ROWS}, 'runs': 1}} surplus: []" in done.stdout
