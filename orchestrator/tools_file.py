"""The tools file: which tools there are beside the calculator, and what they may do. TOML, named by CCOE_TOOLS."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from orchestrator.errors import ToolsFileError

Seconds = Annotated[float, Field(gt=0, le=3600)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SqlSection(_Section):
    """Databases by name, as SQLAlchemy URLs; the first is what the tool `sql` asks, each is `sql.NAME` too."""

    databases: dict[Name, SecretStr] = Field(default_factory=dict[str, SecretStr])
    max_rows: int = Field(default=200, ge=1, le=10_000)
    max_seconds: Seconds = 2.0


class SearchSection(_Section):
    """Search over the files that `ccoe index` has read."""

    num_passages: int = Field(default=3, ge=1, le=10)
    max_seconds: Seconds = 30.0


class PythonSection(_Section):
    """Programs in a sandbox."""

    enabled: bool = False
    max_seconds: int = Field(default=5, ge=1, le=600)
    max_bytes: int = Field(default=512 * 2**20, ge=64 * 2**20)
    max_output_bytes: int = Field(default=100_000, ge=1)


class HostSection(_Section):
    """A host that may be asked."""

    name: str = Field(pattern=r"^(\*\.)?[A-Za-z0-9.-]+(:\d{1,5})?$")
    methods: tuple[Method, ...] = Field(default=("GET",), min_length=1)
    headers: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    private: bool = False


class HttpSection(_Section):
    """Requests to the hosts of the list; without a host there is no such tool."""

    hosts: tuple[HostSection, ...] = ()
    max_seconds: Seconds = 20.0
    max_bytes: int = Field(default=1_000_000, ge=1)


class McpSection(_Section):
    """A server: a program (`command`) or an address (`url`)."""

    command: tuple[str, ...] = ()
    environment: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    url: str | None = Field(default=None, pattern=r"^https?://")
    headers: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    tools: tuple[str, ...] | None = None
    """Those that may be used; without it all."""
    max_seconds: Seconds = 30.0
    optional: bool = False
    """The service starts without it if it does not answer."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give either command or url")
        return self


class ToolsFile(_Section):
    """The whole file. Each section may be missing."""

    sql: SqlSection = SqlSection()
    search: SearchSection = SearchSection()
    python: PythonSection = PythonSection()
    http: HttpSection = HttpSection()
    mcp: dict[Name, McpSection] = Field(default_factory=dict[str, McpSection])

    @model_validator(mode="after")
    def _names_are_apart(self) -> Self:
        if "sql" in self.mcp:
            raise ValueError("an MCP server cannot be named sql: sql.NAME is a database")
        return self


def read_tools_file(path: Path | None, environment: Mapping[str, str]) -> ToolsFile:
    """The file's content, with `${NAME}` in a text replaced by that environment variable; without a file the defaults.

    Raises ToolsFileError naming the file and the field.
    """
    if path is None:
        return ToolsFile()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ToolsFileError(path, "", str(error)) from error
    try:
        return ToolsFile.model_validate(_filled(content, (), path, environment))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ToolsFileError(path, place, first["msg"].removeprefix("Value error, ")) from error


def revealed(secrets: Mapping[str, SecretStr]) -> dict[str, str]:
    """The values themselves."""
    return {name: secret.get_secret_value() for name, secret in secrets.items()}


def _filled(value: Any, place: tuple[str, ...], path: Path, environment: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _REFERENCE.sub(lambda found: _variable(found[1], place, path, environment), value)
        case dict():
            fields = cast(dict[str, Any], value)
            return {name: _filled(one, (*place, name), path, environment) for name, one in fields.items()}
        case list():
            items = cast(list[Any], value)
            return [_filled(one, (*place, str(i)), path, environment) for i, one in enumerate(items)]
        case _:
            return value


def _variable(name: str, place: tuple[str, ...], path: Path, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise ToolsFileError(path, ".".join(place), f"the environment variable {name} is not set")
    return environment[name]
