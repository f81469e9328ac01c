"""The card of an expert: who it is, what it was made from, how it is prompted."""

import json
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from experts.errors import CheckpointError

CARD_FILE = "card.json"
NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,47}$"
PERSON = "person"
"""No expert has this name: in a plan it stands for people."""
RESERVED_NAMES = ("general", PERSON)
"""What no expert of a user is called."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LowRank(_Frozen):
    """Low-rank form: W + (alpha / rank) B A for each projection (LoRA, arXiv 2106.09685)."""

    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)


class TrainingData(_Frozen):
    """One data set that the expert was trained on."""

    name: str
    source: str
    licence: str
    attribution: str = ""
    row_ids: tuple[str, ...] = ()


class Metric(_Frozen):
    """One figure on a dev set, beside the general expert's on the same rows."""

    dataset: str
    metric: str
    num_rows: int
    value: float
    general: float
    difference_low: float
    """Lower end of the 95 % bootstrap interval of value - general."""
    difference_high: float
    majority: float | None = None
    """For classification: the rate of the label that most of these rows have, whatever is asked."""
    majority_low: float | None = None
    """Lower end of the 95 % bootstrap interval of value - majority."""
    majority_high: float | None = None


class GateRules(_Frozen):
    """Rule-based gating: what a text looks like that this expert should get."""

    keywords: tuple[str, ...] = ()
    """Whole words, in any case."""
    patterns: tuple[str, ...] = ()
    """Regular expressions of Python's `re`, in any case."""

    @field_validator("keywords", "patterns")
    @classmethod
    def _says_something(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        if not all(rule.strip() for rule in rules):
            raise ValueError("a rule is empty; remove it")
        return rules

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error}); correct it") from error
        return patterns


class ExpertCard(_Frozen):
    """Everything about an expert but its weights."""

    name: str = Field(pattern=NAME_PATTERN)
    domain: str
    description: str
    version: str
    """Hash of the content: weights, backbone, prompt suffix and tool."""
    backbone_hash: str
    num_shared_layers: int
    num_layers: int
    form: Literal["full", "low_rank", "backbone"]
    """`backbone` is the general expert: the backbone's own upper layers."""
    low_rank: LowRank | None = None
    suffix: str = ""
    """The expert's own instruction, last in the prompt."""
    tool: str | None = None
    max_tokens: int = Field(default=256, ge=1)
    gate: GateRules = GateRules()
    training_data: tuple[TrainingData, ...] = ()
    training: dict[str, str | int | float] = Field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()

    @field_validator("name")
    @classmethod
    def _is_no_person(cls, name: str) -> str:
        if name == PERSON:
            raise ValueError(f"{PERSON!r} stands for the people whom a run asks; choose another name")
        return name

    @property
    def key(self) -> tuple[str, str]:
        """Name and version."""
        return self.name, self.version

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the card in a directory. Raises CheckpointError naming the field that is wrong."""
        path = directory / CARD_FILE
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise CheckpointError(directory, f"no {CARD_FILE} there; name the directory of an expert") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise CheckpointError(path, f"not JSON ({error}); the file is damaged") from error
        except ValidationError as error:
            fault = error.errors()[0]
            raise CheckpointError(path, f"field {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error

    def save(self, directory: Path) -> None:
        """Write the card into a directory."""
        (directory / CARD_FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
