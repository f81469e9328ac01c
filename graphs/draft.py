"""A plan while it is being written. A step is committed when its expert is chosen, before anybody may begin it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphs.events import Drafted, EventSink, PlanToken, StepPlanned
from graphs.generation import Generation
from graphs.grammar import OPENING, TEXT_END, json_body, next_step
from graphs.plan import MAX_GIVEN_STEPS, Step
from graphs.plan_review import without_repeats
from graphs.protocols import GREEDY, Prompt, Sampling
from graphs.turn import Turn


@dataclass(frozen=True, slots=True)
class Beginning:
    """What all drafts of a round have in common: the task, and the finished steps that they go on behind."""

    task: str
    kept: tuple[Step, ...] = ()
    round: int = 1
    turns: tuple[Turn, ...] = ()
    """Earlier ones of the thread."""

    @property
    def digest(self) -> str:
        """Of the finished steps; empty without any."""
        kept = json.dumps([(step.text, step.expert) for step in self.kept])
        return hashlib.sha256(kept.encode()).hexdigest() if self.kept else ""


@dataclass(slots=True)
class Draft:
    """`written` is the plan's JSON so far, in the segments that training rows have too."""

    beginning: Beginning
    sink: EventSink
    number: int = 1
    sampling: Sampling = GREEDY
    steps: list[Step] = field(init=False)
    written: list[str] = field(init=False)
    warnings: list[str] = field(default_factory=list[str])
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    is_closed: bool = False
    """Nothing may follow the steps that are there."""
    is_whole: bool = False
    """An earlier planner has written it to its end."""
    _recalled: list[StepPlanned] = field(default_factory=list[StepPlanned])

    def __post_init__(self) -> None:
        self.steps = list(self.beginning.kept)
        self.written = forced(self.steps)

    @property
    def task(self) -> str:
        return self.beginning.task

    @property
    def next_id(self) -> int:
        return len(self.steps) + 1

    @property
    def prompt(self) -> Prompt:
        """It goes before all steps: those that are begun early are not to delay the plan."""
        written = tuple(self.written)
        return Prompt(task=self.task, forced=written, priority=MAX_GIVEN_STEPS, turns=self.beginning.turns)

    def recall(self, events: Sequence[StepPlanned | Drafted]) -> None:
        """Go on behind what an earlier planner has committed of this draft."""
        for event in events:
            if isinstance(event, StepPlanned):
                self._recalled.append(event)
                self.steps.append(event.step)
                self.is_closed = event.is_last
            else:
                self.is_whole = True
                self.steps = list(without_repeats(self.steps))
            self.warnings = list(event.warnings)
            self.num_prompt_tokens, self.num_output_tokens = event.num_prompt_tokens, event.num_output_tokens
        self.written = forced(self.steps)

    async def begin(self) -> None:
        """Show what is there already, and hand its steps on."""
        await self.show("".join(self.written))
        for event in self._recalled:
            await self.sink.emit(event)

    async def force(self, text: str) -> None:
        """Append what needs no decoding."""
        self.written.append(text)
        await self.show(text)

    async def show(self, text: str) -> None:
        await self.sink.emit(PlanToken(text=text, draft=self.number))

    def count(self, generation: Generation) -> None:
        beginning = next_step(self.next_id) if self.steps else ""
        self.written += [part for part in (beginning, generation.text.removeprefix(beginning)) if part]
        self.num_prompt_tokens += generation.num_prompt_tokens
        self.num_output_tokens += generation.num_output_tokens

    async def commit_step(self) -> None:
        """Its last step is written: whoever listens keeps it, then may begin it."""
        await self.sink.emit(
            StepPlanned(
                step=self.steps[-1],
                is_last=self.is_closed,
                draft=self.number,
                round=self.beginning.round,
                behind=self.beginning.digest,
                warnings=tuple(self.warnings),
                num_prompt_tokens=self.num_prompt_tokens,
                num_output_tokens=self.num_output_tokens,
            )
        )

    async def end(self) -> None:
        """It is written to its end, and reviewed."""
        await self.sink.emit(
            Drafted(
                draft=self.number,
                round=self.beginning.round,
                behind=self.beginning.digest,
                warnings=tuple(self.warnings),
                num_prompt_tokens=self.num_prompt_tokens,
                num_output_tokens=self.num_output_tokens,
            )
        )


def forced(steps: Sequence[Step]) -> list[str]:
    """The beginning of a plan with these steps, in the segments that writing it would have made."""
    segments = [OPENING]
    for step in steps:
        beginning = [next_step(step.id)] if step.id > 1 else []
        segments += [*beginning, json_body(step.text) + TEXT_END, f'{step.expert}"']
    return segments
