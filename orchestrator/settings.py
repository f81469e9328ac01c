"""Settings, read once at the edge. The only module that looks at the environment."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from experts.config import DecodeWeights, ExpertForm
from graphs.budget import Budget
from graphs.limits import MAX_ROUNDS
from graphs.plan import MAX_GIVEN_STEPS, MAX_STEPS, MAX_TEXT_CHARS
from graphs.policies import StepPolicy
from orchestrator.api_key import KeyPolicy, key_name_in
from orchestrator.errors import SettingsInvalidError
from orchestrator.retention import DAY, RetentionTimes, TraceLimits
from orchestrator.tools_file import ToolsFile, read_tools_file
from orchestrator.webhook import Webhook, WebhookRetry, WebhookSecret, WebhookUrl

_EXAMPLES = {
    "databases": '{"shop": "/data/shop.sqlite"}',
    "limits": '{"seconds": 60, "tokens": 20000}',
    "webhook_retry": '{"max_attempts": 5}',
    "retention": '{"finished": "30d", "traces": "7d", "recent": "1d"}',
    "step_policy": '{"timeout": 30, "on_failure": "general"}',
}


def _platform_directory(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable, "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / fallback) / "ccoe"


class Settings(BaseSettings):
    """Each field is read from `CCOE_<NAME>`, `redis_url` from `REDIS_URL`."""

    model_config = SettingsConfigDict(env_prefix="CCOE_", frozen=True, populate_by_name=True, hide_input_in_errors=True)

    data_dir: Path = Field(default_factory=lambda: _platform_directory("XDG_DATA_HOME", ".local/share"))
    """State: the embedded Valkey, pushed experts, lock files."""
    cache_dir: Path = Field(default_factory=lambda: _platform_directory("XDG_CACHE_HOME", ".cache"))
    """What can be made again: converted weights, boundary activations."""
    redis_url: SecretStr | None = Field(default=None, validation_alias="REDIS_URL")
    """None: an embedded Valkey in the data directory."""
    host: str = "127.0.0.1"
    port: int = Field(default=8321, ge=0, le=65535)
    require_key: KeyPolicy | None = None
    """What a key is needed for; None: `experts` on a loopback address, `all` elsewhere."""
    api_key: SecretStr | None = None
    """What the command line shows a running service; None: the token in its data directory."""
    backbone: str = "embedded"
    """`embedded`, a local path or a Hugging Face name."""
    databases: Annotated[Mapping[str, Path], NoDecode] = Field(default_factory=dict[str, Path])
    """SQLite files by name, as a JSON object; a task never names a file."""
    database: str | None = None
    """The database that SQL steps ask; without it the first one."""
    planner_url: str | None = None
    """An OpenAI-compatible server whose model writes the plans; None: the expert `planner`."""
    planner_model: str = Field(default="", validate_default=True)
    planner_key: SecretStr | None = None
    tools: Path | None = None
    """The tools file: databases, MCP servers, hosts, what programs may use."""
    workflows: Path | None = None
    """The directory of the workflows that runs may name."""
    data: Path | None = None
    """The directory of the training data."""
    tenant: str = Field(default="default", pattern=r"^[a-z0-9_-]{1,64}$")
    max_task_chars: int = Field(default=MAX_TEXT_CHARS, ge=1, le=MAX_TEXT_CHARS)
    max_steps: int = Field(default=MAX_STEPS, ge=1, le=MAX_GIVEN_STEPS)
    """Of any plan; the planner writes 12 at most."""
    max_rounds: int = Field(default=1, ge=1, le=MAX_ROUNDS)
    """Of planning: another one where no final step of the last one has a result."""
    limits: Annotated[Budget, NoDecode] = Budget()
    """What any run may spend, as a JSON object; a run may ask for less."""
    step_policy: Annotated[StepPolicy, NoDecode] = StepPolicy()
    """Of the steps that bring none, as a JSON object."""
    speculate: bool = False
    """Steps without effects begin while the plan is still being written."""
    step_cache_seconds: int = Field(default=0, ge=0)
    """How long other runs find what a step has found that would find the same again; 0: every run asks anew."""
    direct: Literal["auto", "off"] = "auto"
    """Whether a task that the gate's expert surely suffices for is planned all the same; a run may say so itself."""
    max_concurrent_runs: int = Field(default=4, ge=1)
    max_attempts: int = Field(default=5, ge=1)
    """How often a run is taken up, its worker dying, before another of its steps is finished."""
    retention: Annotated[RetentionTimes, NoDecode] = RetentionTimes()
    """How long what expires is kept, by class, as a JSON object; its `finished` goes before `run_ttl_seconds`."""
    run_ttl_seconds: int = Field(default=30 * DAY, ge=1, validate_default=True)
    """How long a finished run is kept."""
    webhook_url: WebhookUrl | None = None
    """Who is told of every run."""
    webhook_secret: WebhookSecret | None = Field(default=None, validate_default=True)
    """Signs what goes there, and to webhooks of runs that bring no secret."""
    webhook_private: bool = False
    """Whether a webhook may have an address that is not public."""
    webhook_retry: Annotated[WebhookRetry, NoDecode] = WebhookRetry()
    """How often a delivery is tried, as a JSON object."""
    max_trace_entries: int = Field(default=TraceLimits().max_entries, ge=1)
    """From this length of a trace on, text that is being written is left out of it."""
    expert_form: ExpertForm = "merged"
    """In memory: each expert's own upper layers, or deltas beside layers that all share."""
    decode_weights: DecodeWeights = "full"
    """What reads the layers that all share for up to four rows: their full weights, or a copy in four bits."""
    expert_bytes: int | None = Field(default=None, ge=1)
    """Of experts in memory; the least recently used ones make room. None keeps all that were used."""
    num_threads: int | None = Field(default=None, ge=1)
    """Threads of the engine; None leaves the choice to it."""

    @field_validator("databases", "limits", "retention", "step_policy", "webhook_retry", mode="before")
    @classmethod
    def _decode(cls, value: object, field: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            example = _EXAMPLES[field.field_name or ""]
            raise ValueError(f"it must be a JSON object such as {example} ({error})") from error

    @field_validator("run_ttl_seconds")
    @classmethod
    def _of_the_class(cls, value: int, field: ValidationInfo) -> int:
        retention: RetentionTimes | None = field.data.get("retention")
        return retention.finished or value if retention else value

    @field_validator("redis_url")
    @classmethod
    def _known_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("it must begin with redis://, rediss:// or unix://")
        return value

    @field_validator("api_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if key_name_in(value.get_secret_value()) is None:
            raise ValueError("it is not what `ccoe keys create` shows, ccoe_NAME_ and 64 hexadecimal digits")
        return value

    @field_validator("webhook_url", "webhook_secret", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("webhook_secret")
    @classmethod
    def _signs_what_is_sent(cls, value: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if value is None and others.data.get("webhook_url"):
            raise ValueError("CCOE_WEBHOOK_URL is set and nothing signs; `ccoe webhooks secret` makes one")
        return value

    @field_validator("planner_url")
    @classmethod
    def _is_plain_url(cls, value: str | None) -> str | None:
        if value and (not value.startswith(("http://", "https://")) or "@" in value):
            raise ValueError("it must be like http://127.0.0.1:8000/v1; a key goes into CCOE_PLANNER_KEY")
        return value or None

    @field_validator("planner_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not (value.get_secret_value().isascii() and value.get_secret_value().isprintable()):
            raise ValueError("it must be one line of ASCII, as it is sent in a header")
        return value or None

    @field_validator("planner_model")
    @classmethod
    def _is_named(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("planner_url") and not value:
            raise ValueError("it must name a model of the server at CCOE_PLANNER_URL")
        return value

    @model_validator(mode="after")
    def _database_is_known(self) -> Self:
        if self.database is not None and self.database not in self.databases:
            raise ValueError(f"CCOE_DATABASE is {self.database!r}, which CCOE_DATABASES does not name")
        return self

    @property
    def default_database(self) -> str | None:
        """The database that SQL steps ask."""
        return self.database or next(iter(self.databases), None)

    @property
    def webhook(self) -> Webhook | None:
        """Who is told of every run."""
        return Webhook(url=self.webhook_url) if self.webhook_url else None

    def check_webhook(self, webhook: Webhook) -> None:
        """Raises RunRefusedError if a run cannot have this webhook here."""
        webhook.check(has_default_secret=self.webhook_secret is not None, allows_private=self.webhook_private)

    @property
    def trace_limits(self) -> TraceLimits:
        """How far a trace grows, and how long it stays."""
        return TraceLimits(self.max_trace_entries, self.retention.traces)

    @property
    def experts_dir(self) -> Path:
        """Where pushed experts are kept."""
        return self.data_dir / "experts"

    @property
    def index_path(self) -> Path:
        """The index of the user's files."""
        return self.data_dir / "passages.sqlite"

    def read_tools(self) -> ToolsFile:
        """The content of the tools file. Raises ToolsFileError."""
        return read_tools_file(self.tools, os.environ)


def read_settings(**overrides: object) -> Settings:
    """Settings from the environment; an override that is None is left out.

    Raises SettingsInvalidError naming the first variable whose value cannot be used.
    """
    try:
        return Settings.model_validate({name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "database"
        variable = name if name.isupper() else f"CCOE_{name.upper()}"
        raise SettingsInvalidError(variable, first["msg"].removeprefix("Value error, ")) from error
