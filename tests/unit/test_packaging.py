"""Packaging: the wheel's files, dependencies and licences, and the workflow that calls .ci/run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from commands.stack_config import ROOT
from commands.vendor import VERSION

PACKAGE = ROOT / "plugins" / "nba_grading"
SQL = ROOT / "include" / "sql"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    loaded: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return loaded


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = out.glob("*.whl")
    with ZipFile(path) as opened:
        yield opened


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_the_wheel_has_the_package_its_sql_and_the_pools_and_nothing_else(wheel: ZipFile) -> None:
    package = {f"nba_grading/{path.relative_to(PACKAGE)}" for path in files_below(PACKAGE)}
    sql = {f"nba_grading/include/sql/{path.relative_to(SQL)}" for path in files_below(SQL)}
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped == package | sql | {"nba_grading/include/pools.json"}
    assert {"nba_grading/py.typed", "nba_grading/page/static/index.html"} <= shipped


def test_the_wheel_carries_the_licences_of_the_project_and_of_what_it_vendors(wheel: ZipFile) -> None:
    licences = {name.rpartition("/")[2] for name in wheel.namelist() if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE", "uPlot.LICENSE"}
    assert f"uPlot {VERSION}" in (ROOT / "NOTICE").read_text(encoding="utf-8")


def imported_modules() -> set[str]:
    """Every module that the package or a plugin imports, lazily too, except its own and the standard library's."""
    found: set[str] = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module == "google.cloud":
                found |= {f"google.cloud.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    return {name for name in found if name.partition(".")[0] not in {*sys.stdlib_module_names, "nba_grading"}}


@cache
def distributions() -> Mapping[str, list[str]]:
    """The packages of each top-level module; a look through everything that is installed, half a second."""
    return packages_distributions()


def distributions_of(module: str) -> set[str]:
    """The packages on PyPI that may contain a module; a namespace is divided by its second to fourth part."""
    parts = module.split(".")
    if module.startswith("airflow.providers.common."):
        return {f"apache-airflow-providers-common-{parts[3]}"}
    if module.startswith("airflow.providers."):
        return {f"apache-airflow-providers-{parts[2]}"}
    if module.startswith("google.cloud."):
        return {f"google-cloud-{parts[2]}"}
    if parts[0] == "google":
        return {canonicalize_name(f"google-{parts[1]}")}
    if parts[0] == "airflow":
        return {"apache-airflow"}
    return {canonicalize_name(name) for name in distributions().get(parts[0], [])}


def test_everything_the_package_imports_is_a_dependency(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"].values()
    declared = {canonicalize_name(Requirement(line).name) for lines in (project["dependencies"], *extras) for line in lines}
    assert sorted(module for module in imported_modules() if declared.isdisjoint(distributions_of(module))) == []


def test_the_dependencies_are_locked_for_production_within_their_bounds(project: dict[str, Any]) -> None:
    lines = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    locked = {canonicalize_name(name): version for name, version in lines}
    for requirement in map(Requirement, project["dependencies"]):
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_airflow_has_the_same_bounds_in_the_wheel_and_in_the_requirements(project: dict[str, Any]) -> None:
    texts = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    wanted = {entry.name: entry.specifier for entry in map(Requirement, (text for text in texts if text and not text.startswith("#")))}
    declared = {entry.name: entry.specifier for entry in map(Requirement, project["dependencies"])}
    assert declared["apache-airflow"] == wanted["apache-airflow"]


def test_the_workflow_follows_its_schema_and_runs_what_ci_run_does() -> None:
    path = ROOT / ".github" / "workflows" / "ci.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    [job] = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    assert workflow["permissions"] == {"contents": "read"}
    assert job["timeout-minutes"] == 60


def test_the_workflow_has_the_firestore_emulator_of_the_compose_file() -> None:
    [image] = re.findall(r"google-cloud-cli:([\d.]+)-emulators", (ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
    assert f"version: {image}\n" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-emulator.txt"])
def test_every_requirement_is_pinned_by_version_and_hash(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text(encoding="utf-8").strip())
    assert len(entries) > 20
    assert [entry for entry in entries if not re.match(r"[\w.-]+(\[[\w,.-]+\])?==\S+", entry) or "--hash=sha256:" not in entry] == []
