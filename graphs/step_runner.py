"""Runs one step: its prompt, its expert, its tool, and an honest result."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from graphs.asked_step import AskedStep
from graphs.attempts import Attempts
from graphs.budget import Budget, Meter
from graphs.errors import BudgetExhausted, StepFailed, StepRequired, ToolError
from graphs.events import EventSink, StepFinished, StepResult, StepStarted, StepToken, ToolCalled
from graphs.generation import Generation, Question, ask
from graphs.numbers import foreign_numbers
from graphs.plan import REFERENCE, Plan, Step
from graphs.policies import StepPolicy
from graphs.protocols import (
    GREEDY,
    Constraint,
    ExpertClient,
    ExpertProfile,
    Prompt,
    Sampling,
    StepCache,
    StepInput,
    Tool,
)
from graphs.state import Results
from graphs.turn import Turn, said

Commit = Callable[[StepResult], Awaitable[None]]
MAX_INLINE_CHARS = 60
ATTEMPTS = (Sampling(0.5, seed=1), Sampling(0.8, seed=2), Sampling(1.0, seed=3), Sampling(1.0, seed=4))
"""How a call that its tool doubts is drawn anew."""
SURE = 0.98
"""From this confidence on a free call may go against the step's words: whoever learnt a database asks in its ways."""
UNSURE = "the expert was unsure"
MIN_CONFIDENCE = 0.5
"""Below it a result is shown as unverified. Answers in sentences are seldom above 0.9, labels seldom below 0.6."""


def filled_text(step: Step, results: Results, *, is_whole: bool = False) -> str:
    """The step's text with results in place of their `#k`; long ones stay references unless the text is to be whole."""

    def result_of(reference: str, step_id: int) -> str:
        result = results.get(step_id)
        if result is None or result.status != "success":
            return reference
        is_short = len(result.result) <= MAX_INLINE_CHARS and "\n" not in result.result
        return result.result if is_short or is_whole else reference

    return REFERENCE.sub(lambda match: result_of(match[0], int(match[1])), step.text)


class StepRunner:
    """Runs the steps of one plan. Events go to the sink; a failure is a result, not an exception."""

    def __init__(
        self,
        task: str,
        plan: Plan,
        client: ExpertClient,
        tools: Mapping[str, Tool],
        sink: EventSink,
        *,
        meter: Meter | None = None,
        policy: StepPolicy | None = None,
        is_early: bool = False,
        turns: Sequence[Turn] = (),
        cache: StepCache | None = None,
    ) -> None:
        """Steps that are run early count in the budget when they are taken over."""
        self._task = task
        self._steps, self._steps_behind = {step.id: step for step in plan.steps}, plan.steps_behind
        self._client = client
        self._tools = tools
        self._sink = sink
        self._meter = meter or Meter(Budget())
        self._policy = policy or StepPolicy()
        """Of the steps that bring none."""
        self._is_early = is_early
        self._turns = tuple(turns)
        self._cache = cache

    async def run(self, step: Step, results: Results, commit: Commit | None = None) -> StepResult:
        """The step's result: "error" with a true reason if it failed, "skipped" if what it needs has no result.

        A success is committed before anybody hears of it. Raises BudgetExhausted, and StepRequired if the step failed
        and the run is to fail with it.
        """
        started, policy = time.perf_counter(), step.policy or self._policy
        missing = [k for k in step.depends_on if results[k].status != "success"]
        if missing:
            reason = "; ".join(f"step {k}, which was {_outcome(results[k])}" for k in missing)
            result = StepResult(id=step.id, status="skipped", error=f"it needs {reason}")
        else:
            if not self._is_early:
                self._meter.start_step()
            attempts = Attempts(step.id, policy, partial(self.attempt, step, results))
            async with self._meter.in_time():
                result = await attempts.answer(step.expert)
        result = result.model_copy(update={"seconds": time.perf_counter() - started})
        if commit and result.status == "success":
            await commit(result)
        await self._sink.emit(StepFinished(result=result))
        if result.status == "error" and policy.on_failure == "fail":
            raise StepRequired(result)
        return result

    async def attempt(
        self, step: Step, results: Results, expert: str, sampling: Sampling = GREEDY, sample: int = 0
    ) -> StepResult:
        """One attempt at a step by an expert, without its policy; nobody is asked if the cache has its result.

        Raises BudgetExhausted.
        """
        try:
            asked = await self._prepare(step.model_copy(update={"expert": expert}), results, sample)
        except StepFailed as failure:
            return _failed(step, failure, None)
        if self._cache is None or (key := asked.cache_key(sampling)) is None:
            return await self._ask(asked, sampling)
        if known := await self._cache.load(key):
            return known.model_copy(update={"id": step.id, "is_cached": True, **_usage(())})
        found = await self._ask(asked, sampling)
        # an expert that was pushed meanwhile may have answered, or the best of calls in doubt be all that could be paid
        is_as_asked = self._profile(expert) == asked.profile and not self._meter.exhausted
        if found.status == "success" and is_as_asked:
            await self._cache.keep(key, found)
        return found

    async def _ask(self, asked: AskedStep, sampling: Sampling) -> StepResult:
        """The result of an attempt, with its tokens."""
        step = asked.step
        generation: Generation | None = None
        try:
            if asked.tool:
                constraint = await asyncio.to_thread(asked.tool.constraint, asked.text)
                freely = constraint and constraint.is_tried_without and not self._meter.limits_tool_calls
                if not freely or (done := await self._freely(asked, asked.tool, sampling)) is None:
                    generation = await self._generate(asked, sampling, constraint)
                    done = await self._from_calls(asked, asked.tool, constraint, generation)
                found, generation = done
            else:
                chosen = Constraint("choice", list(step.choices)) if step.choices else None
                generation = await self._generate(asked, sampling, chosen)
                found = _from_text(asked, generation)
        except StepFailed as failure:
            found = _failed(step, failure, generation)
        usage = _usage(asked.generations)
        if generation is None:
            return found.model_copy(update=usage)
        confidence = generation.confidence
        doubt = (UNSURE,) if confidence < MIN_CONFIDENCE else ()
        return found.model_copy(update={**usage, "warnings": (*found.warnings, *doubt), "confidence": confidence})

    async def _freely(self, asked: AskedStep, tool: Tool, sampling: Sampling) -> tuple[StepResult, Generation] | None:
        """Ask without the grammar; nothing if that leaves a doubt that an expert which is sure need not share."""
        generation = await self._generate(asked, sampling, None)
        try:
            found = await self._from_tool(asked, tool, generation, is_sure=generation.confidence >= SURE)
        except ToolError:
            return None
        return None if found.warnings else (found, generation)

    async def _from_calls(
        self, asked: AskedStep, tool: Tool, constraint: Constraint | None, generation: Generation
    ) -> tuple[StepResult, Generation]:
        """Ask anew, sampled, while the tool doubts the call; the call with the fewest doubts counts."""
        found: dict[int, tuple[StepResult, Generation]] = {}  # by the number of doubts, of each the first
        doubt: ToolError | None = None
        for sampling in (None, *ATTEMPTS):
            try:
                if sampling is not None:
                    generation = await self._generate(asked, sampling, constraint)
                result = await self._from_tool(asked, tool, generation)
                found.setdefault(len(result.warnings), (result, generation))
            except ToolError as error:
                if sampling is None and not error.is_doubt:
                    raise
                doubt = doubt or error
            except BudgetExhausted:
                if not found:
                    raise
                break
            if 0 in found:
                break
        if doubt and not found:
            raise doubt
        return found[min(found)]

    def _profile(self, expert: str) -> ExpertProfile | None:
        return next((profile for profile in self._client.profiles() if profile.name == expert), None)

    async def _prepare(self, step: Step, results: Results, sample: int) -> AskedStep:
        profile = self._profile(step.expert)
        if profile is None:
            raise StepFailed(f"expert {step.expert!r} is no longer there; push it again, or plan anew")
        # a choice is made, not computed
        needs_tool = profile.tool is not None and not step.choices
        tool = self._tools.get(profile.tool or "") if needs_tool else None
        if profile.tool and needs_tool and tool is None:
            raise ToolError(
                profile.tool, "this tool is not configured", f"configure it, or pop expert {profile.name!r}"
            )
        text = filled_text(step, results)
        inputs = tuple(self._input(k, results) for k in step.depends_on)
        # a tool may read its database for this; the event loop does not wait for it
        context = await asyncio.to_thread(tool.context, text) if tool else ""
        is_whole_task = not inputs and text.strip() == self._task.strip()
        asked_text = "" if is_whole_task else text
        prompt = Prompt(
            self._task, inputs, asked_text, context, priority=self._steps_behind[step.id], turns=self._turns
        )
        return AskedStep(step, text, prompt, profile, tool, sample)

    def _input(self, step_id: int, results: Results) -> StepInput:
        result = results[step_id]
        return StepInput(step_id, filled_text(self._steps[step_id], results), result.result, result.token_ids)

    async def _generate(self, asked: AskedStep, sampling: Sampling, constraint: Constraint | None) -> Generation:
        step, profile = asked.step, asked.profile
        await self._sink.emit(StepStarted(step=step.id, expert=profile.name, version=profile.version, text=asked.text))
        question = Question(profile.name, asked.prompt, profile.max_tokens, constraint, sampling)

        async def show(text: str) -> None:
            # the words of several samples would run into each other
            if asked.sample == 0:
                await self._sink.emit(StepToken(step=step.id, text=text))

        generation = await ask(self._client, question, show)
        asked.generations.append(generation)
        return generation

    async def _from_tool(
        self, asked: AskedStep, tool: Tool, generation: Generation, *, is_sure: bool = False
    ) -> StepResult:
        if not generation.is_whole:
            limit = asked.profile.max_tokens
            raise ToolError(tool.name, f"the call was cut off after {limit} tokens", "allow the expert more tokens")
        call = generation.text.strip()
        self._meter.call_tool()
        computed = await tool.run(call, asked.text)
        await self._sink.emit(
            ToolCalled(step=asked.step.id, tool=tool.name, call=call, result=computed.text, data=computed.data)
        )
        return StepResult(
            id=asked.step.id,
            status="success",
            result=computed.text,
            call=call,
            tool=tool.name,
            warnings=(*computed.warnings, *(() if is_sure else computed.doubts)),
            sources=computed.sources,
        )


def _failed(step: Step, failure: StepFailed, generation: Generation | None) -> StepResult:
    tool = failure.tool if isinstance(failure, ToolError) else None
    call = generation.text if tool and generation else None
    return StepResult(id=step.id, status="error", error=failure.reason, error_kind=failure.kind, call=call, tool=tool)


def _from_text(asked: AskedStep, generation: Generation) -> StepResult:
    result = generation.text.strip()
    if not result:
        raise StepFailed(f"expert {asked.profile.name!r} wrote nothing; ask it in another way")
    warnings = [] if generation.is_whole else [f"cut off after {asked.profile.max_tokens} tokens"]
    sources = (
        *said(asked.prompt.turns),
        asked.prompt.task,
        asked.text,
        *asked.step.choices,
        *(known.result for known in asked.prompt.inputs),
    )
    if "\n" not in result and (guessed := foreign_numbers(result, sources)):
        warnings.append(f"{', '.join(guessed)} comes from the expert, not from a tool")
    # ids stand for the text only if nothing was stripped from it
    token_ids = generation.token_ids if result == generation.text else None
    return StepResult(id=asked.step.id, status="success", result=result, token_ids=token_ids, warnings=tuple(warnings))


def _usage(generations: Sequence[Generation]) -> dict[str, int]:
    return {
        "num_prompt_tokens": sum(one.num_prompt_tokens for one in generations),
        "num_output_tokens": sum(one.num_output_tokens for one in generations),
    }


def _outcome(result: StepResult) -> str:
    return "skipped" if result.status == "skipped" else f"not answered ({result.error})"
