"""docker-compose.yaml and its images, checked without Docker: against the specification's schema, and for rules that a schema cannot express."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from commands.stack_config import StackConfig
from nba_grading.settings import PREFIXES, read_settings

AIRFLOW_SERVICES = {
    "airflow-init",
    "airflow-apiserver",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "airflow-worker",
}
ONE_SHOT = {"airflow-init"}
AIRFLOW_IMAGE = "nba-grading-airflow"

# Imports the first argument while the modules of the other arguments are missing, as in an image.
IMPORT_WITHOUT = """
import importlib, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2:]:
            raise ModuleNotFoundError(f"{name} is not installed in the image", name=name)

sys.meta_path.insert(0, Missing())
importlib.import_module(sys.argv[1])
"""


@pytest.fixture
def compose(repository: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((repository / "docker-compose.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """The variables with a value in the file; the others come from .env, or are not set."""
    return {name: str(value) for name, value in service.get("environment", {}).items() if value is not None}


@pytest.fixture
def env_example(repository: Path) -> str:
    return (repository / ".env.example").read_text(encoding="utf-8")


def test_it_follows_the_compose_specification(repository: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(repository / "docker-compose.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_it_has_the_services_of_the_project_and_no_others(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == AIRFLOW_SERVICES | {"postgres", "redis", "bigquery", "firestore", "slack"}
    assert {name for name, service in services.items() if service["image"] == AIRFLOW_IMAGE} == AIRFLOW_SERVICES


def test_every_long_running_service_has_a_health_check_and_restarts(services: dict[str, dict[str, Any]]) -> None:
    for name in set(services) - ONE_SHOT:
        assert services[name]["healthcheck"]["test"], name
        assert services[name]["restart"] == "unless-stopped", name


def test_services_wait_only_for_services_that_can_become_ready(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, dependency in service.get("depends_on", {}).items():
            assert name in services
            assert dependency["condition"] == ("service_completed_successfully" if name in ONE_SHOT else "service_healthy")


def test_an_image_is_built_by_one_service_and_never_pulled(services: dict[str, dict[str, Any]]) -> None:
    built = [service["image"] for service in services.values() if "build" in service]
    assert sorted(built) == [AIRFLOW_IMAGE, "nba-grading-emulator"]
    for service in services.values():
        if service["image"] in built:
            assert service["pull_policy"] == ("build" if "build" in service else "never")


def test_the_images_are_built_from_the_locked_requirements(repository: Path, services: dict[str, dict[str, Any]]) -> None:
    [version] = re.findall(r"^apache-airflow==(\S+)", (repository / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    [tag] = re.findall(r"^FROM apache/airflow:(\S+)$", (repository / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert tag == f"{version}-python3.11"
    assert services["airflow-init"]["build"] == "."
    assert "requirements-emulator.txt" in (repository / services["bigquery"]["build"]["dockerfile"]).read_text(encoding="utf-8")


def test_mounts_are_files_of_the_checkout_read_only_or_declared_volumes(
    repository: Path, compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    for mount in (mount for service in services.values() for mount in service.get("volumes", [])):
        source, _, rest = mount.partition(":")
        if source.startswith("."):
            assert (repository / source).exists(), mount
            assert rest.endswith(":ro"), mount
        else:
            assert source in compose["volumes"], mount


def test_ports_are_open_only_to_this_machine_and_are_those_of_the_local_stack(services: dict[str, dict[str, Any]]) -> None:
    config = StackConfig(state=Path("unused"), base=8080)
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    names = {"airflow-apiserver": "airflow", "bigquery": "bigquery", "firestore": "firestore", "slack": "slack"}
    assert published == {service: [f"127.0.0.1:{config.port(name)}:{config.port(name)}"] for service, name in names.items()}


def test_addresses_are_those_the_services_listen_on(services: dict[str, dict[str, Any]]) -> None:
    ports = {name: {port.rpartition(":")[2] for port in service["ports"]} for name, service in services.items() if "ports" in service}
    ports |= {"redis": {"6379"}}
    texts = "\n".join(f"{environment_of(service)} {service.get('healthcheck')}" for service in services.values())
    addresses = re.findall(rf"\b({'|'.join(services)}):(\d+)", texts)
    assert {host for host, _ in addresses} == set(ports)
    assert all(port in ports[host] for host, port in addresses)


def test_the_settings_are_accepted(services: dict[str, dict[str, Any]]) -> None:
    for name in AIRFLOW_SERVICES:
        environment = environment_of(services[name])
        assert any(variable.startswith(PREFIXES) for variable in environment)
        settings = read_settings(environment)
        assert (settings.grading_project, settings.lease_store) == ("nba-local", "firestore")


def test_the_emulator_is_set_as_in_the_local_stack(services: dict[str, dict[str, Any]]) -> None:
    [bigquery] = (program for program in StackConfig(state=Path("unused"), base=8080).emulators() if program.name == "bigquery")
    local = dict(part.split("=", 1) for part in bigquery.command if part.startswith("BQEMU_"))
    ours = environment_of(services["bigquery"])
    assert ours.keys() == local.keys()
    assert {name: value for name, value in ours.items() if local[name] != value} == {"BQEMU_GCS_LOCAL_ROOT": "/data/buckets"}


def test_keys_are_shared_by_all_airflow_services_and_come_from_outside(services: dict[str, dict[str, Any]]) -> None:
    for key in ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY"):
        [value] = {environment_of(services[name])[key] for name in AIRFLOW_SERVICES}
        assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{key} needs a value that `docker compose` refuses to start without"
    assert "${POSTGRES_PASSWORD:?" in environment_of(services["airflow-init"])["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_the_ui_needs_a_login(services: dict[str, dict[str, Any]]) -> None:
    environment = environment_of(services["airflow-apiserver"])
    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"
    assert environment["ADMIN_PASSWORD"].startswith("${AIRFLOW_ADMIN_PASSWORD:?")
    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] in services["airflow-apiserver"]["command"][-1]


def test_the_example_of_env_names_exactly_the_variables_that_the_file_interpolates(repository: Path, env_example: str) -> None:
    interpolated = re.findall(r"(?<!\$)\$\{(\w+)", (repository / "docker-compose.yaml").read_text(encoding="utf-8"))
    assert sorted(re.findall(r"^(\w+)=", env_example, re.MULTILINE)) == sorted(set(interpolated))


def test_no_value_of_the_example_works_by_accident(repository: Path, env_example: str) -> None:
    assert re.findall(r"^\w+=.+", env_example, re.MULTILINE) == []
    compose_file = (repository / "docker-compose.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"^(\w+)=$", env_example, re.MULTILINE):
        assert f"${{{name}:?" in compose_file, f"{name} may be empty, and `docker compose` would start"


def test_the_command_of_the_example_fills_in_values_that_airflow_takes(tmp_path: Path, env_example: str) -> None:
    [command] = re.findall(r"^#   (.+ > \.env\))$", env_example, re.MULTILINE)
    (tmp_path / ".env.example").write_text(env_example, encoding="utf-8")
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    filled = dict(re.findall(r"^(\w+)=(.*)$", (tmp_path / ".env").read_text(encoding="utf-8"), re.MULTILINE))
    assert filled.keys() == set(re.findall(r"^(\w+)=$", env_example, re.MULTILINE))
    Fernet(filled.pop("AIRFLOW_FERNET_KEY"))
    assert all(re.fullmatch(r"[0-9a-f]{24,}", value) for value in filled.values())
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


def test_the_optional_settings_of_the_example_are_passed_on_with_their_defaults(services: dict[str, dict[str, Any]], env_example: str) -> None:
    optional = dict(re.findall(r"^# ([A-Z_]+)=(.+)$", env_example, re.MULTILINE))
    for name in AIRFLOW_SERVICES:
        assert {variable for variable, value in services[name]["environment"].items() if value is None} == set(optional), name
    given = {name: value.strip("'") for name, value in optional.items()}
    assert read_settings(given) == read_settings({})


def test_git_ignores_the_passwords(repository: Path) -> None:
    assert ".env" in (repository / ".gitignore").read_text(encoding="utf-8").split()


def test_init_migrates_then_imports_the_pools_then_creates_the_tables(repository: Path, services: dict[str, dict[str, Any]]) -> None:
    script = services["airflow-init"]["command"][-1]
    steps = [script.index(step) for step in ("airflow db migrate", "airflow pools import", "python -m commands.schema")]
    assert steps == sorted(steps)
    [pools] = re.findall(r"airflow pools import (\S+)", script)
    [source] = (mount.split(":")[0] for mount in services["airflow-init"]["volumes"] if pools.startswith(mount.split(":")[1] + "/"))
    assert (repository / source / Path(pools).name).exists()


@pytest.mark.parametrize(
    ("module", "lock"),
    [
        ("commands.schema", "requirements.txt"),
        ("airflow.providers.celery.executors.celery_executor", "requirements.txt"),
        ("commands.slack_sink", "requirements-emulator.txt"),
    ],
)
def test_a_container_starts_with_only_the_packages_of_its_image(repository: Path, tmp_path: Path, module: str, lock: str) -> None:
    locked = {canonical(name) for name in re.findall(r"^([\w.-]+)==", (repository / lock).read_text(encoding="utf-8"), re.MULTILINE)}
    missing = [top for top, owners in packages_distributions().items() if locked.isdisjoint(map(canonical, owners))]
    command = [sys.executable, "-c", IMPORT_WITHOUT, module, *missing]
    environment = {"PYTHONPATH": f"{repository / 'plugins'}:{repository}", "AIRFLOW_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
