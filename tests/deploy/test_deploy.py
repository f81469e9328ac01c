"""The container files name what exists: variables, paths, port, command and pins. Nothing here starts a container."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import AliasChoices

from orchestrator.cli.main import app
from orchestrator.settings import Settings

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
OWN_VARIABLE = re.compile(r"\b(?:CCOE_[A-Z_]+|REDIS_URL)\b")


def instructions(keyword: str) -> list[str]:
    return [line.removeprefix(keyword).strip() for line in DOCKERFILE.splitlines() if line.startswith(keyword + " ")]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def setting_variables() -> set[str]:
    """The environment variables that Settings reads."""
    variables: set[str] = set()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias or f"CCOE_{name.upper()}"]
        variables |= {choice for choice in choices if isinstance(choice, str)}
    return variables


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml"])
def test_every_variable_is_a_setting(name: str) -> None:
    variables = set(OWN_VARIABLE.findall((ROOT / "deploy" / name).read_text(encoding="utf-8")))
    assert "CCOE_DATA_DIR" in variables
    assert variables - setting_variables() == set()


def test_the_image_copies_what_exists_and_every_package() -> None:
    copied = [source for line in instructions("COPY") for source in line.split()[:-1]]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert {"experts", "graphs", "orchestrator", "pyproject.toml", "constraints.txt"} <= set(copied)


def test_the_image_starts_a_command_with_options_that_exist() -> None:
    program, command, *arguments = json.loads(instructions("ENTRYPOINT")[0])
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts[program] == "orchestrator.cli.main:main"
    serve = typer.main.get_group(app).commands[command]
    known = {option for parameter in serve.params for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("--")} <= known


def test_one_port_everywhere() -> None:
    port = str(Settings.model_fields["port"].default)
    assert instructions("EXPOSE") == [port]
    assert f":{port}/healthz" in instructions("HEALTHCHECK")[0]
    assert COMPOSE["services"]["ccoe"]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_the_image_is_built_on_the_pinned_torch_and_python() -> None:
    assert re.findall(r"torch==(\S+)", DOCKERFILE) == [pins()["torch"]]
    assert instructions("FROM") == ["python:3.11-slim"]


def test_the_image_does_not_run_as_root() -> None:
    assert instructions("USER") == ["ccoe"]
    assert DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nENTRYPOINT ")


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[\[<>=~! ;]", requirement)[0].lower() for group in groups for requirement in group}
    assert names - {name.lower() for name in pins()} == set()


def test_compose_waits_for_a_durable_store() -> None:
    services = COMPOSE["services"]
    assert services["ccoe"]["depends_on"] == {"valkey": {"condition": "service_healthy"}}
    assert services["ccoe"]["environment"]["REDIS_URL"].startswith("redis://valkey:")
    assert "healthcheck" in services["valkey"]
    command = services["valkey"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_compose_builds_this_dockerfile_and_declares_its_volumes() -> None:
    services = COMPOSE["services"]
    build = services["ccoe"]["build"]
    assert (ROOT / "deploy" / build["context"] / build["dockerfile"]).resolve() == ROOT / "deploy" / "Dockerfile"
    mounts = [mount.split(":") for service in services.values() for mount in service["volumes"]]
    assert {volume for volume, _ in mounts} == set(COMPOSE["volumes"])
    assert set(json.loads(instructions("VOLUME")[0])) == {mount.split(":")[1] for mount in services["ccoe"]["volumes"]}
