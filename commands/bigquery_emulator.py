"""The installation of the BigQuery emulator, in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess

from commands.stack_config import EMULATOR_HOME, EMULATOR_VENV, StackError


def prepare_emulator() -> None:
    """Make sure that the BigQuery emulator is installed and finds its extension. Raises StackError."""
    if not (EMULATOR_VENV / "bin" / "bqemulator").exists():
        raise StackError(f"The BigQuery emulator is not installed in {EMULATOR_VENV}: run `make setup`.")
    if not list(EMULATOR_HOME.rglob("spatial.duckdb_extension")):
        _plant_spatial_extension()


def _plant_spatial_extension() -> None:
    """Put DuckDB's spatial extension, which the emulator loads at start, where DuckDB looks, so that it is not downloaded."""
    script = "import duckdb; print(duckdb.__version__, duckdb.sql('PRAGMA platform').fetchone()[0])"
    done = subprocess.run([str(EMULATOR_VENV / "bin" / "python"), "-c", script], check=True, capture_output=True, text=True)
    version, platform = done.stdout.split()
    found = list(EMULATOR_VENV.rglob("spatial.duckdb_extension"))
    if not found:
        raise StackError(f"DuckDB's spatial extension is not in {EMULATOR_VENV}: run `make setup` again.")
    target = EMULATOR_HOME / ".duckdb" / "extensions" / f"v{version}" / platform
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(found[0], target)
