"""The wheel in an environment without the checkout: DAGs and plugin files in folders of their own, as in Cloud Composer. About 6 s."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from commands.stack_config import ROOT
from nba_grading.warehouse.sql import load_sql

SCRIPT = """
import json, sys
from pathlib import Path

import nba_grading
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.plugins_manager import _get_plugins
from nba_grading.airflow.triggers import LeaseFreeTrigger
from nba_grading.warehouse.sql import load_sql

bag = BundleDagBag(dag_folder="dags", bundle_path=Path("dags"), bundle_name="dags-folder")
plugins, errors = _get_plugins()
print(json.dumps({
    "package": nba_grading.__file__,
    "dags": sorted(bag.dags),
    "import_errors": bag.import_errors,
    "plugins": sorted(plugin.name for plugin in plugins if plugin.name.startswith("nba_grading")),
    "plugin_errors": errors,
    "pools": list(json.loads(sys.modules[next(name for name in sys.modules if name.endswith("pool_plugin"))].POOLS_FILE.read_text())),
    "trigger": LeaseFreeTrigger.__module__,
    "statement": load_sql("grading/grade_predictions"),
}))
"""


def run(*command: object, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """What the command printed; its errors are shown when it fails."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What SCRIPT finds in an environment that has the wheel and, from this one, the packages of the requirements."""
    home = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", home / "dist", ROOT, cwd=home)
    run(sys.executable, "-m", "venv", home / "venv", cwd=home)
    python = home / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", *(home / "dist").glob("*.whl"), cwd=home)
    [site] = (home / "venv" / "lib").glob("python*/site-packages")
    (site / "requirements.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    for folder in ("dags", "plugins"):
        (home / folder).mkdir()
        for path in (ROOT / folder).glob("*.py"):
            shutil.copy(path, home / folder)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "GRADING_PROJECT": "nba-cloud",
    }
    found: dict[str, Any] = json.loads(run(python, "-c", SCRIPT, cwd=home, environment=environment).splitlines()[-1])
    assert Path(found["package"]).is_relative_to(site)
    return found


def test_every_dag_and_plugin_loads_without_the_checkout(installed: dict[str, Any]) -> None:
    assert (installed["import_errors"], installed["plugin_errors"]) == ({}, {})
    assert installed["dags"] == sorted(path.stem for path in (ROOT / "dags").glob("*.py"))
    assert installed["plugins"] == ["nba_grading_page", "nba_grading_pools"]


def test_triggers_statements_and_pools_come_from_the_wheel(installed: dict[str, Any]) -> None:
    assert installed["trigger"] == "nba_grading.airflow.triggers"
    assert installed["statement"] == load_sql("grading/grade_predictions")
    assert installed["pools"] == ["grading"]
