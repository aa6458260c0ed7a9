"""docker-compose.yml, the Dockerfiles and .dockerignore against what they name: files, stages, settings, commands, versions.

What an engine would do with them is tried by tests/images/build_images.sh, as far as that goes without one.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
import yaml

from cluster.releases import REFERENCE
from cluster.workspace import CHECKOUT
from scripts.cli import main
from sidecar.config import Settings

COMPOSE = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILES = [CHECKOUT / "opensearch" / "Dockerfile", CHECKOUT / "sidecar" / "Dockerfile"]
POM = ElementTree.parse(CHECKOUT / "opensearch" / "plugin" / "pom.xml").getroot()
LASTING = [name for name, service in SERVICES.items() if service["restart"] != "no"]

dockerfiles = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
services = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def instructions(dockerfile: Path) -> list[tuple[str, list[str]]]:
    """Every instruction with its words; continued lines are one."""
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split()[1:]) for line in lines]


def copies(dockerfile: Path) -> list[list[str]]:
    return [words for name, words in instructions(dockerfile) if name == "COPY"]


def stages(dockerfile: Path) -> set[str]:
    return {words[2] for name, words in instructions(dockerfile) if name == "FROM" and len(words) == 3}


def argument(dockerfile: Path, name: str) -> str:
    """The default of a build argument."""
    values = dict(words[0].split("=", 1) for kind, words in instructions(dockerfile) if kind == "ARG")
    return values[name]


def of_pom(name: str) -> str:
    found = POM.find(f".//{{http://maven.apache.org/POM/4.0.0}}{name}")
    assert found is not None
    return str(found.text)


def setup_commands() -> list[list[str]]:
    """The `rerank` lines of the set-up service, with the defaults of their variables."""
    script = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", SERVICES["setup"]["command"][-1])
    return [shlex.split(line.partition(" > ")[0])[1:] for line in script.splitlines() if line.startswith("rerank ")]


@dockerfiles
def test_every_copied_file_exists(dockerfile: Path) -> None:
    sources = [source for words in copies(dockerfile) if not words[0].startswith("--from=") for source in words[:-1]]

    assert sources
    assert [source for source in sources if not (CHECKOUT / source).exists()] == []


@dockerfiles
def test_every_copied_file_is_let_in_by_dockerignore(dockerfile: Path) -> None:
    lines = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    kept_out = {line for line in lines if line and line[0] not in "!#*"}
    sources = [source for words in copies(dockerfile) if not words[0].startswith("--from=") for source in words[:-1]]

    assert {source.split("/")[0] for source in sources} <= let_in
    assert [source for source in sources if any(Path(source).is_relative_to(path) for path in kept_out)] == []


@dockerfiles
def test_files_come_from_stages_that_exist(dockerfile: Path) -> None:
    named = {words[0].removeprefix("--from=") for words in copies(dockerfile) if words[0].startswith("--from=")}

    assert named
    assert named <= stages(dockerfile)


@dockerfiles
def test_base_images_are_pinned_to_more_than_a_major_version(dockerfile: Path) -> None:
    bases = [words[0] for name, words in instructions(dockerfile) if name == "FROM" and words[0] not in stages(dockerfile)]
    tags = [argument(dockerfile, base.strip("${}")).partition(":")[2] for base in bases]

    assert tags
    assert all(re.match(r"\d+\.\d+", tag) for tag in tags)


@services
def test_what_is_built_names_a_dockerfile_and_a_stage_that_exist(service: dict[str, Any]) -> None:
    build = service.get("build")
    if build is None:
        assert re.search(r":\d+\.\d+\.\d+$", service["image"])
        return
    dockerfile = CHECKOUT / build["dockerfile"]

    assert dockerfile in DOCKERFILES
    assert build.get("target", "plugin") in stages(dockerfile)


def test_opensearch_dashboards_and_plugin_are_of_the_reference_release() -> None:
    assert argument(DOCKERFILES[0], "OPENSEARCH_IMAGE") == f"opensearchproject/opensearch:{REFERENCE}"
    assert SERVICES["dashboards"]["image"] == f"opensearchproject/opensearch-dashboards:{REFERENCE}"
    assert of_pom("opensearch.version") == REFERENCE


def test_the_plugin_is_built_by_a_jdk_that_knows_its_release() -> None:
    jdk = argument(DOCKERFILES[0], "MAVEN_IMAGE").rpartition("-")[2]

    assert int(jdk) >= int(of_pom("maven.compiler.release"))


def test_every_variable_of_the_sidecar_is_a_setting() -> None:
    of_image = {
        word.partition("=")[0] for dockerfile in DOCKERFILES for name, words in instructions(dockerfile) if name == "ENV" for word in words
    }
    named = {name for name in of_image | SERVICES["sidecar"]["environment"].keys() if name.startswith("RERANK_")}

    assert named
    assert {name.removeprefix("RERANK_").lower() for name in named} <= set(Settings.model_fields)


def test_the_sidecar_runs_as_a_numbered_ordinary_user_without_privileges_on_a_read_only_root() -> None:
    (user,) = [words[0] for name, words in instructions(DOCKERFILES[1]) if name == "USER"]
    sidecar = SERVICES["sidecar"]

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert sidecar["read_only"] is True
    assert sidecar["tmpfs"] == ["/tmp"]
    assert sidecar["cap_drop"] == ["ALL"]


def test_the_sidecar_has_limits_and_its_health_is_whether_it_is_ready() -> None:
    sidecar = SERVICES["sidecar"]

    assert {"cpus", "mem_limit", "pids_limit"} <= sidecar.keys()
    assert "/ready" in " ".join(sidecar["healthcheck"]["test"])


def test_the_sidecar_is_given_longer_to_stop_than_it_takes() -> None:
    assert int(SERVICES["sidecar"]["stop_grace_period"].removesuffix("s")) > Settings.model_fields["stop_timeout_s"].default


def test_with_security_off_every_port_is_published_on_the_loopback_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert SERVICES["opensearch"]["environment"]["DISABLE_SECURITY_PLUGIN"] == "true"
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


@services
def test_every_service_has_a_memory_limit(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_service_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_the_set_up_waits_for_both_and_runs_once() -> None:
    setup = SERVICES["setup"]

    assert setup["depends_on"] == {name: {"condition": "service_healthy"} for name in ("opensearch", "sidecar")}
    assert setup["restart"] == "no"


@pytest.mark.parametrize("words", setup_commands(), ids=lambda words: words[0])
def test_the_set_up_calls_commands_as_they_are(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)
    command: click.Command = main
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found

    context = command.make_context(name, words)

    assert context.params["index"] == "products"


def test_the_set_up_has_the_files_that_its_commands_read() -> None:
    copied = {words[0] for words in copies(DOCKERFILES[1])}

    assert {"cluster", "scripts", "sidecar", "mappings", "samples", "opensearch/pipelines", "requirements/ops.txt"} <= copied


def test_dashboards_start_only_when_asked_for() -> None:
    assert SERVICES["dashboards"]["profiles"] == ["dashboards"]
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["dashboards"]


def test_every_variable_of_the_file_has_a_default_and_is_listed_at_its_top() -> None:
    text = (CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{(\w+)", text))
    with_default = set(re.findall(r"\$\{(\w+):-[^}]+\}", text))
    (listed,) = re.findall(r"all optional: (.*)\.", text)

    assert used == with_default == set(listed.split(", "))
