"""Begins steps while their plan is still being written; a plan that has the same step finds it begun or done.

    planner     step 1 ▏ step 2 ▏ step 3 ▏ end        planned
    early steps         s1 ──────────▶·················▶ s1 is taken over: told, committed
                                 s2 ───────────────────▶ s2 is taken over while it runs
    dispatcher                                        s1, s2, s3

Only steps without effects are begun: what runs for a draft that is dropped costs tokens, and leaves nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from graphs.budget import Meter
from graphs.dispatch import RunStep, step_key
from graphs.early_step import EarlyStep
from graphs.errors import RunStopped
from graphs.events import (
    Drafted,
    EventSink,
    GraphEvent,
    Planned,
    SpeculationDropped,
    SpeculationStarted,
    StepPlanned,
    StepResult,
)
from graphs.limits import Limits
from graphs.plan import Plan, Step
from graphs.plan_review import without_repeats
from graphs.protocols import GENERAL, ExpertClient, StepCache, StepKey, Tool
from graphs.state import Results
from graphs.step_runner import Commit, StepRunner
from graphs.turn import Turn


class Speculation:
    """The EventSink of the first planning of a run. Used as a context: leaving it cancels what nobody took over."""

    def __init__(
        self,
        task: str,
        client: ExpertClient,
        tools: Mapping[str, Tool],
        sink: EventSink,
        limits: Limits,
        meter: Meter,
        turns: Sequence[Turn] = (),
        cache: StepCache | None = None,
    ) -> None:
        self._turns, self._cache = turns, cache
        self._task, self._client, self._tools = task, client, tools
        self._sink, self._limits, self._meter = sink, limits, meter
        self._draft = self._num_steps = 0
        self._written: list[Step] = []
        """Of the draft; so many of them are no repetitions."""
        self._of_draft: dict[int, EarlyStep] = {}
        self._begun: list[EarlyStep] = []
        self.dropped: list[SpeculationDropped] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self._drop(self._begun)
        else:
            await self._cancel(self._begun)

    async def emit(self, event: GraphEvent) -> None:
        """Pass the event on, then begin or drop what it is a reason for."""
        await self._sink.emit(event)
        match event:
            case StepPlanned():
                self._begin(event)
            case Drafted() if event.warnings:
                await self._drop([early for early in self._begun if early.is_open])
            case Planned():
                steps = {(step.id, step.text, step.expert) for step in event.plan.steps}
                await self._drop([early for early in self._begun if early.key is None or early.asked not in steps])
            case _:
                pass

    def before(self, run_step: RunStep, plan: Plan) -> RunStep:
        """Runs a step of the plan as `run_step` does, unless it was begun early with the same inputs."""

        async def run(step: Step, results: Results, commit: Commit | None) -> StepResult:
            early = self._with_key(step_key(step, plan, results))
            if early is None:
                return await run_step(step, results, commit)
            self._meter.start_step()
            self._begun.remove(early)
            return await early.take_over(commit)

        return run

    def _begin(self, planned: StepPlanned) -> None:
        """Let the step run as soon as what it needs is there, if that may be done."""
        if planned.draft != self._draft:
            self._draft, self._written, self._num_steps, self._of_draft = planned.draft, [], 0, {}
        self._written.append(planned.step)
        steps = without_repeats(self._written)
        step, is_new = steps[-1], len(steps) > self._num_steps
        self._num_steps = len(steps)
        if is_new and self._may_begin(step) and all(k in self._of_draft for k in step.depends_on):
            early = EarlyStep(step, planned.draft, self._sink)
            needed = {k: self._of_draft[k] for k in step.depends_on}
            self._of_draft[step.id] = early
            self._begun.append(early)
            early.run(self._run(early, Plan(steps=steps), needed))

    async def _run(self, early: EarlyStep, plan: Plan, needed: Mapping[int, EarlyStep]) -> StepResult | None:
        """None: another draft has begun the same step."""
        if needed:
            await asyncio.wait([one.success for one in needed.values()])
        results = {k: one.success.result() for k, one in needed.items()}
        key = step_key(early.step, plan, results)
        if same := self._with_key(key):
            if same.success.done():
                early.success.set_result(same.success.result())
            return None
        early.key = key
        await self._sink.emit(SpeculationStarted(step=early.step.id, draft=early.draft, expert=early.step.expert))
        runner = StepRunner(
            self._task,
            plan,
            self._client,
            self._tools,
            early,
            meter=self._meter,
            policy=self._limits.policy,
            is_early=True,
            turns=self._turns,
            cache=self._cache,
        )
        return await runner.run(early.step, results, early.commit)

    def _may_begin(self, step: Step) -> bool:
        """Whether all who may be asked for the step are there, and no tool of theirs has effects or may be short."""
        policy, profiles = self._limits.policy, {profile.name: profile for profile in self._client.profiles()}
        quorum = policy.quorum.experts if policy.quorum else ()
        experts = {step.expert, *quorum, *([GENERAL] if policy.on_failure == "general" else [])}
        if not self._limits.speculate or not experts <= profiles.keys():
            return False
        tools = [self._tools.get(tool) for name in experts if (tool := profiles[name].tool)]
        has_calls = self._limits.budget.tool_calls is None or not tools
        return has_calls and all(tool is not None and not tool.has_effects for tool in tools)

    def _with_key(self, key: StepKey) -> EarlyStep | None:
        return next((early for early in self._begun if early.key == key), None)

    async def _drop(self, unwanted: Sequence[EarlyStep]) -> None:
        fault = await self._cancel(unwanted)
        self._begun = [early for early in self._begun if early not in unwanted]
        if fault:
            raise fault
        for early in unwanted:
            if early.key:
                spent = early.spent
                event = SpeculationDropped(
                    step=early.step.id,
                    draft=early.draft,
                    num_prompt_tokens=spent.num_prompt_tokens if spent else 0,
                    num_output_tokens=spent.num_output_tokens if spent else 0,
                )
                self.dropped.append(event)
                await self._sink.emit(event)

    async def _cancel(self, unwanted: Sequence[EarlyStep]) -> BaseException | None:
        """Returns a fault that one of them had; that a run is stopped is none."""
        for early in unwanted:
            early.cancel()
        faults = [await early.ended() for early in unwanted]
        return next((fault for fault in faults if fault and not isinstance(fault, RunStopped)), None)
