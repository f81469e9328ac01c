"""What the graphs need from the outside: somebody who generates, and somebody who listens."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from graphs.events import Drafted, StepPlanned, StepResult
from graphs.person import PERSON as PERSON
from graphs.turn import Turn

GENERAL = "general"
"""The expert that is always there."""
PLANNER = "planner"
"""The expert that writes plans; no step is for it."""


@dataclass(frozen=True, slots=True)
class ExpertProfile:
    """What a plan may know of an expert."""

    name: str
    version: str
    domain: str
    description: str
    tool: str | None = None
    max_tokens: int = 128
    backbone: str | None = None
    """The hash of the layers below it; None if what it has answered once need not come again, as on a remote server."""


@dataclass(frozen=True, slots=True)
class StepInput:
    """A result that a later prompt reads.

    Token ids are carried so that no merge across a joint breaks a shared prefix.
    """

    id: int
    text: str
    result: str
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """The parts of a prompt in their fixed order: task, inputs by step, the step, its tool's context, what is forced.

    Earlier turns of the thread stand before the task.

    The expert's own suffix comes behind the context; `forced` is the beginning of the answer, already decided, in
    segments that are tokenised apart as they were in training.
    """

    task: str
    inputs: tuple[StepInput, ...] = ()
    step: str = ""
    context: str = ""
    forced: tuple[str, ...] = ()
    priority: int = 0
    """No text: how many steps wait behind this one, one after another. A longer way goes first."""
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the answer must match; the kinds are those of the engine."""

    kind: Literal["json_schema", "lark", "regex", "choice"]
    value: Any
    is_tried_without: bool = False
    """The tool can compute more than this allows: what is written without it counts if the tool has no doubt."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; temperature 0 is greedy. The draws of a seed can be repeated."""

    temperature: float = 0.0
    seed: int = 0


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Generated:
    """A piece of an answer: its text and the tokens of that text, without the end token.

    The last one has a finish reason ("stop" or "length") and the usage.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: str | None = None
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0


class ExpertClient(Protocol):
    """The experts, wherever they are."""

    def profiles(self) -> Sequence[ExpertProfile]:
        """The experts that can be asked now; `general` is always among them, `planner` if there is one."""
        ...

    def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        """Stream the expert's answer; closing the iterator cancels it.

        Raises graphs.errors.GenerationError on every failure of its own: an unknown expert, a prompt past the context,
        an engine that is gone. That ends the step, not the run.
        """
        ...

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """The log-probability of each whole candidate as the continuation of the prompt.

        Raises graphs.errors.GenerationError as `generate` does.
        """
        ...


class Gate(Protocol):
    """Says of a text alone which expert it is for."""

    async def scores(self, text: str) -> Mapping[str, float]:
        """By expert, together 1; an expert that it does not know is missing. Empty if it can say nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model on another server wrote, and its usage."""

    text: str
    is_whole: bool
    num_prompt_tokens: int
    num_output_tokens: int


class PlanModel(Protocol):
    """A model on another server that writes plans as JSON."""

    async def complete(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Reply:
        """Its answer to a chat of `role` and `content`, held to the JSON Schema if the server does that.

        Raises graphs.errors.GenerationError if the server fails or refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool computed: data for later steps, never an order.

    `warnings` and `doubts` say why it may not be what was asked; whoever wrote the call is asked anew, so a tool with
    effects has none.
    """

    text: str
    data: Any = None
    warnings: tuple[str, ...] = field(default=())
    doubts: tuple[str, ...] = ()
    """Such as an expert that is sure of its call need not share: they are of words, not of data."""
    sources: tuple[str, ...] = ()
    """Where in the user's files it stands, as the answer cites it."""


class Tool(Protocol):
    """What an expert with this tool writes for, and what computes it."""

    @property
    def name(self) -> str:
        """As a card or a step names it."""
        ...

    @property
    def description(self) -> str:
        """What it does, for whoever chooses."""
        ...

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The JSON Schema of its arguments, an object."""
        ...

    @property
    def max_seconds(self) -> float:
        """How long one call may take."""
        ...

    @property
    def has_effects(self) -> bool:
        """Whether a call may change anything outside. If so, it is never made before a plan has the step."""
        ...

    @property
    def version(self) -> str | None:
        """Of what it computes, its configuration included; None if a result depends on more than call and step."""
        ...

    def recognises(self, text: str) -> bool | None:
        """Whether the text names what this tool works on; None if that cannot be said."""
        ...

    def context(self, step: str) -> str:
        """Text for the prompt, e.g. the tables of the database; may be empty."""
        ...

    def constraint(self, step: str) -> Constraint | None:
        """The grammar of the tool's input, made for this step: its own, or the schema of its arguments."""
        ...

    async def run(self, call: str, step: str) -> ToolResult:
        """Compute what an expert wrote under the constraint. Raises ToolError with the reason and the remedy."""
        ...

    async def call(self, arguments: Mapping[str, Any]) -> ToolResult:
        """Compute from arguments that fit the schema, for a caller that holds the limits: `graphs.tools.invocation`.

        Raises ToolError.
        """
        ...


@dataclass(frozen=True, slots=True)
class StepKey:
    """Which execution of a step: its place in the run, and a digest of what it was given."""

    step: int
    digest: str
    round: int = 1
    iteration: int = 0
    sample: int = 0


class StepMemo(Protocol):
    """What finished steps left; a step found here is not run again."""

    async def load(self, key: StepKey) -> StepResult | None: ...

    async def commit(self, key: StepKey, result: StepResult) -> None: ...

    async def answered(self, key: StepKey) -> StepResult:
        """Return when a person has answered this step: what `load` then finds."""
        ...


class StepCache(Protocol):
    """What attempts at steps have found in any run, by their keys. It may forget, and raises nothing of its own."""

    async def load(self, key: str) -> StepResult | None: ...

    async def keep(self, key: str, result: StepResult) -> None: ...


class PlanMemo(Protocol):
    """What an earlier planner of the run has written; the sink of these events commits them."""

    async def drafts(self, round_number: int, behind: str) -> Sequence[StepPlanned | Drafted]:
        """Of a round that goes on behind the same steps, in the order in which they were emitted."""
        ...
