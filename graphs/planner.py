"""The planner writes the text of a step, scores the experts for it, and goes on until it closes the plan."""

import json
import re
import time
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from graphs.draft import Beginning, Draft
from graphs.errors import GenerationError, GrammarStopped
from graphs.events import EventSink, Planned
from graphs.expert_choice import ExpertChoice
from graphs.generation import Question, ask
from graphs.grammar import CLOSING, OPENING, TEXT_END, json_body, next_step, quotable, step_grammar
from graphs.plan import MAX_STEPS, REFERENCE, Plan, Step
from graphs.plan_review import faults, linked, without_repeats
from graphs.protocols import GENERAL, GREEDY, PLANNER, Constraint, ExpertClient, Gate, PlanMemo, Sampling, Tool
from graphs.replanning import continued, finished_steps
from graphs.state import Results
from graphs.turn import Turn, said

DRAFTS = (GREEDY, Sampling(0.5, seed=1), Sampling(0.8, seed=2), Sampling(1.0, seed=3))
"""How the first draft of a plan and those after it are drawn."""


class Planner:
    """Writes plans with the expert `planner`; without one, the task is one step for `general`."""

    def __init__(
        self,
        client: ExpertClient,
        tools: Mapping[str, Tool] | None = None,
        max_steps: int = MAX_STEPS,
        max_tokens: int = 512,
        gate: Gate | None = None,
        memo: PlanMemo | None = None,
        turns: Sequence[Turn] = (),
    ) -> None:
        self._client, self._choice, self._memo = client, ExpertChoice(client, tools or {}, gate), memo
        self._max_steps = max_steps
        self._max_tokens = max_tokens
        """Of one draft."""
        self._turns = tuple(turns)

    async def plan(self, task: str, sink: EventSink) -> Planned:
        """A valid plan for the task, with warnings for all that may be missing in it.

        A plan with warnings is drafted again, sampled; the draft with the fewest warnings is taken. Each step is handed
        to the sink when it is written, and what the memo has of the drafts is not written again. Raises GenerationError
        if the planner fails.
        """
        return await self._plan(Beginning(task, turns=self._turns), sink, first_draft=1)

    async def plan_again(self, task: str, sink: EventSink, before: Plan, results: Results) -> Planned | None:
        """The plan with another round of steps behind the finished ones; None if that brings nothing new.

        The drafts are sampled: a greedy one would be what has failed. Raises GenerationError if the planner fails.
        """
        if not self._has_planner:
            return None
        beginning = Beginning(task, finished_steps(before, results), before.num_rounds + 1, self._turns)
        planned = await self._plan(beginning, sink, first_draft=2)
        plan = continued(before, results, planned.plan.steps, beginning.round)
        return planned.model_copy(update={"plan": plan}) if plan else None

    async def _plan(self, beginning: Beginning, sink: EventSink, first_draft: int) -> Planned:
        started = time.perf_counter()
        memo = self._memo if self._has_planner else None
        events = await memo.drafts(beginning.round, beginning.digest) if memo else ()
        drafts: list[Draft] = []
        for number, sampling in list(enumerate(DRAFTS, 1))[first_draft - 1 :]:
            draft = Draft(beginning, sink, number, sampling)
            draft.recall([event for event in events if event.draft == number])
            drafts.append(await self._draft(draft))
            if not drafts[-1].warnings or not self._has_planner:
                break
        best = min(drafts, key=lambda draft: len(draft.warnings))
        tools = {profile.name: profile.tool for profile in self._client.profiles() if profile.tool}
        steps = linked(best.steps, tools)
        added = [
            f"step {one.id} takes the result of step {one.references[0]}" for one in steps if one not in best.steps
        ]
        return Planned(
            plan=Plan(steps=steps),
            num_prompt_tokens=sum(draft.num_prompt_tokens for draft in drafts),
            num_output_tokens=sum(draft.num_output_tokens for draft in drafts),
            seconds=time.perf_counter() - started,
            warnings=(*best.warnings, *added),
            num_drafts=len(drafts),
        )

    @property
    def _has_planner(self) -> bool:
        return any(profile.name == PLANNER for profile in self._client.profiles())

    async def _draft(self, draft: Draft) -> Draft:
        """One plan, its repeated steps dropped, with a warning for each of its faults."""
        if draft.is_whole:
            return draft
        if not self._has_planner:
            draft.warnings.append("there is no planner; the task is one step for general")
            draft.steps.append(Step(id=1, text=quotable(draft.task), expert=GENERAL))
            return draft
        await self._write(draft)
        draft.steps = list(without_repeats(draft.steps))
        draft.warnings += faults(draft.task, draft.steps, said(self._turns))
        await draft.end()
        return draft

    async def _write(self, draft: Draft) -> None:
        await draft.begin()
        while not draft.is_closed and (step := await self._next_step(draft)) is not None:
            await self._choose(draft, step)
            await draft.commit_step()
        if not draft.steps:
            text = quotable(draft.task)
            draft.written = [OPENING]
            draft.warnings.append("the task is one step, because the planner wrote none that can be used")
            await draft.force(json_body(text) + TEXT_END)
            await self._choose(draft, Step(id=1, text=text, expert=GENERAL))
            draft.is_closed = True
            await draft.commit_step()

    async def _next_step(self, draft: Draft) -> Step | None:
        """The next step, its expert still open; None where the plan ends."""
        step, max_tokens = draft.next_id, self._max_tokens - draft.num_output_tokens
        if step > self._max_steps:
            draft.warnings.append(f"the plan reached its {self._max_steps} steps and may be unfinished")
            return None
        if max_tokens < 1:
            draft.warnings.append(f"the plan reached its {self._max_tokens} tokens and may be unfinished")
            return None
        constraint = Constraint("lark", step_grammar(draft.task, step, said(self._turns)))
        question = Question(PLANNER, draft.prompt, max_tokens, constraint, draft.sampling)
        try:
            generation = await ask(self._client, question, draft.show)
        except GrammarStopped:
            draft.warnings.append(f"step {step} became too long to be checked; the plan may be unfinished")
            return None
        draft.count(generation)
        if not generation.is_whole:
            draft.warnings.append(f"step {step} was cut off and is left out; the plan may be unfinished")
            return None
        if step > 1 and generation.text == CLOSING:
            return None
        return self._read(draft, generation.text)

    def _read(self, draft: Draft, written: str) -> Step | None:
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

    async def _choose(self, draft: Draft, step: Step) -> None:
        """Score the experts for the step, and force the best."""
        choice = await self._choice.choose(draft.prompt, step.text)
        draft.warnings += [f"step {step.id} {warning}" for warning in choice.warnings]
        draft.steps.append(
            step.model_copy(
                update={
                    "expert": choice.expert,
                    "scores": choice.scores,
                    "planner_scores": choice.planner_scores,
                    "gate_scores": choice.gate_scores,
                }
            )
        )
        await draft.force(f'{choice.expert}"')
