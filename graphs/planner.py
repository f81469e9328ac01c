"""The planner writes the text of a step, scores the experts for it, and goes on until it closes the plan."""

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from graphs.errors import GenerationError
from graphs.events import EventSink, Planned, PlanToken
from graphs.generation import Generation, Question, ask
from graphs.grammar import CLOSING, OPENING, TEXT_END, json_body, next_step, quotable, step_grammar
from graphs.plan import MAX_STEPS, REFERENCE, Plan, Step
from graphs.plan_review import faults, without_repeats
from graphs.protocols import GENERAL, GREEDY, Constraint, ExpertClient, Prompt, Sampling, Tool
from graphs.replanning import continued, finished_steps
from graphs.state import Results
from graphs.turn import Turn, said

PLANNER = "planner"
DRAFTS = (GREEDY, Sampling(0.5, seed=1), Sampling(0.8, seed=2), Sampling(1.0, seed=3))
"""How the first draft of a plan and those after it are drawn."""
RECOGNISED = {True: math.log(10), None: 0.0, False: -math.log(10)}
"""What it adds to an expert's log-probability whether its tool recognises the step."""


@dataclass(slots=True)
class _Draft:
    """A plan while it is being written; `written` is its JSON so far, in the segments that training rows have too."""

    task: str
    sink: EventSink
    number: int = 1
    sampling: Sampling = GREEDY
    written: list[str] = field(default_factory=lambda: [OPENING])
    steps: list[Step] = field(default_factory=list[Step])
    warnings: list[str] = field(default_factory=list[str])
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    turns: tuple[Turn, ...] = ()

    @property
    def next_id(self) -> int:
        return len(self.steps) + 1

    @property
    def prompt(self) -> Prompt:
        return Prompt(task=self.task, forced=tuple(self.written), turns=self.turns)

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


class Planner:
    """Writes plans with the expert `planner`; without one, the task is one step for `general`."""

    def __init__(
        self,
        client: ExpertClient,
        tools: Mapping[str, Tool] | None = None,
        max_steps: int = MAX_STEPS,
        max_tokens: int = 512,
        turns: Sequence[Turn] = (),
    ) -> None:
        self._client, self._tools = client, tools or {}
        self._max_steps = max_steps
        self._max_tokens = max_tokens
        """Of one draft."""
        self._turns = tuple(turns)

    async def plan(self, task: str, sink: EventSink) -> Planned:
        """A valid plan for the task, with warnings for all that may be missing in it.

        A plan with warnings is drafted again, sampled; the draft with the fewest warnings is taken. Raises
        GenerationError if the planner fails.
        """
        return await self._plan(task, sink, first_draft=1)

    async def plan_again(self, task: str, sink: EventSink, before: Plan, results: Results) -> Planned | None:
        """The plan with another round of steps behind the finished ones; None if that brings nothing new.

        The drafts are sampled: a greedy one would be what has failed. Raises GenerationError if the planner fails.
        """
        if not self._has_planner:
            return None
        planned = await self._plan(task, sink, first_draft=2, kept=finished_steps(before, results))
        plan = continued(before, results, planned.plan.steps, before.num_rounds + 1)
        return planned.model_copy(update={"plan": plan}) if plan else None

    async def _plan(self, task: str, sink: EventSink, first_draft: int, kept: Sequence[Step] = ()) -> Planned:
        started = time.perf_counter()
        drafts: list[_Draft] = []
        for number, sampling in list(enumerate(DRAFTS, 1))[first_draft - 1 :]:
            drafts.append(
                await self._draft(_Draft(task, sink, number, sampling, _forced(kept), list(kept), turns=self._turns))
            )
            if not drafts[-1].warnings or not self._has_planner:
                break
        best = min(drafts, key=lambda draft: len(draft.warnings))
        return Planned(
            plan=Plan(steps=tuple(best.steps)),
            num_prompt_tokens=sum(draft.num_prompt_tokens for draft in drafts),
            num_output_tokens=sum(draft.num_output_tokens for draft in drafts),
            seconds=time.perf_counter() - started,
            warnings=tuple(best.warnings),
            num_drafts=len(drafts),
        )

    @property
    def _has_planner(self) -> bool:
        return any(profile.name == PLANNER for profile in self._client.profiles())

    async def _draft(self, draft: _Draft) -> _Draft:
        """One plan, its repeated steps dropped, with a warning for each of its faults."""
        if not self._has_planner:
            draft.warnings.append("there is no planner; the task is one step for general")
            draft.steps.append(Step(id=1, text=quotable(draft.task), expert=GENERAL))
            return draft
        await self._write(draft, sorted(profile.name for profile in self._client.profiles() if profile.name != PLANNER))
        draft.steps = list(without_repeats(draft.steps))
        draft.warnings += faults(draft.task, draft.steps, said(draft.turns))
        return draft

    async def _write(self, draft: _Draft, experts: list[str]) -> None:
        await draft.show("".join(draft.written))
        while (step := await self._next_step(draft)) is not None:
            await self._choose(draft, step, experts)
        if not draft.steps:
            text = quotable(draft.task)
            draft.written = [OPENING]
            draft.warnings.append("the task is one step, because the planner wrote none that can be used")
            await draft.force(json_body(text) + TEXT_END)
            await self._choose(draft, Step(id=1, text=text, expert=GENERAL), experts)

    async def _next_step(self, draft: _Draft) -> Step | None:
        """The next step, its expert still open; None where the plan ends."""
        step, max_tokens = draft.next_id, self._max_tokens - draft.num_output_tokens
        if step > self._max_steps:
            draft.warnings.append(f"the plan reached its {self._max_steps} steps and may be unfinished")
            return None
        if max_tokens < 1:
            draft.warnings.append(f"the plan reached its {self._max_tokens} tokens and may be unfinished")
            return None
        constraint = Constraint("lark", step_grammar(draft.task, step, said(draft.turns)))
        generation = await ask(
            self._client, Question(PLANNER, draft.prompt, max_tokens, constraint, draft.sampling), draft.show
        )
        draft.count(generation)
        if not generation.is_whole:
            draft.warnings.append(f"step {step} was cut off and is left out; the plan may be unfinished")
            return None
        if step > 1 and generation.text == CLOSING:
            return None
        return self._read(draft, generation.text)

    def _read(self, draft: _Draft, written: str) -> Step | None:
        step = draft.next_id
        beginning = next_step(step) if step > 1 else ""
        if not (written.startswith(beginning) and written.endswith(TEXT_END)):
            raise GenerationError(PLANNER, f"it wrote {written!r}, which its grammar does not allow")
        try:
            text = json.loads(f'"{written[len(beginning) : -len(TEXT_END)]}"')
            if not re.search(r"\w", REFERENCE.sub("", text)):
                raise ValueError(f"{text!r} asks nothing")
            return Step(id=step, text=text, expert=GENERAL)
        except ValidationError as error:
            reason = "; ".join(details["msg"].removeprefix("Value error, ") for details in error.errors())
        except ValueError as error:
            reason = str(error)
        draft.warnings.append(f"step {step} is left out: {reason}; the plan may be unfinished")
        return None

    async def _choose(self, draft: _Draft, step: Step, experts: list[str]) -> None:
        """Score each expert's whole name with its closing quote, and force the best.

        What a tool recognises in the step is a prior for the experts that have it.
        """
        logprobs = await self._client.score(PLANNER, draft.prompt, [f'{name}"' for name in experts])
        of_tools = {name: tool.recognises(step.text) for name, tool in self._tools.items()}
        recognised = {profile.name: of_tools.get(profile.tool or "") for profile in self._client.profiles()}
        logprobs = [logprob + RECOGNISED[recognised[name]] for name, logprob in zip(experts, logprobs, strict=True)]
        scores = dict(zip(experts, _softmax(logprobs), strict=True))
        expert = max(experts, key=scores.__getitem__)
        if recognised[expert] is False:
            draft.warnings.append(f"step {step.id} names nothing that the tool of {expert} works on")
        draft.steps.append(step.model_copy(update={"expert": expert, "scores": scores}))
        await draft.force(f'{expert}"')


def _forced(steps: Sequence[Step]) -> list[str]:
    """The beginning of a plan with these steps, in the segments that writing it would have made."""
    forced = [OPENING]
    for step in steps:
        beginning = [next_step(step.id)] if step.id > 1 else []
        forced += [*beginning, json_body(step.text) + TEXT_END, f'{step.expert}"']
    return forced


def _softmax(logprobs: Sequence[float]) -> list[float]:
    highest = max(logprobs)
    weights = [math.exp(logprob - highest) for logprob in logprobs]
    return [weight / sum(weights) for weight in weights]
