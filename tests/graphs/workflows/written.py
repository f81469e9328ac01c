"""Workflows as tests write them, and their runs with scripted experts."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

from graphs.errors import GenerationError, InvalidWorkflow
from graphs.protocols import (
    GREEDY,
    Constraint,
    ExpertClient,
    ExpertProfile,
    Generated,
    Prompt,
    Sampling,
    StepCache,
    StepMemo,
    Tool,
)
from graphs.run import RunOutcome
from graphs.workflows.definition import Workflow
from graphs.workflows.reading import read_workflow
from graphs.workflows.run import run_workflow
from tests.graphs.scripted_client import EventList


def workflow(folder: Path, text: str, name: str = "flow.yaml") -> Workflow:
    """The workflow of a file with this text."""
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return read_workflow(path)


def faults(folder: Path, text: str) -> list[str]:
    """What is wrong with a file with this text, as it is shown, without the folder."""
    try:
        workflow(folder, text)
    except InvalidWorkflow as error:
        return [str(fault).removeprefix(f"{folder}/") for fault in error.faults]
    return []


@dataclass
class PromptedExperts:
    """An ExpertClient: prompts and what is said to them; `fail` is a failure, and all else is `said: PROMPT`."""

    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0
    asked: list[str] = field(default_factory=list[str])
    num_open: int = 0
    max_open: int = 0

    def profiles(self) -> Sequence[ExpertProfile]:
        return [ExpertProfile(name, "v1", name, name) for name in ("general", "law")]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        self.asked.append(prompt.task)
        self.num_open += 1
        self.max_open = max(self.max_open, self.num_open)
        try:
            await asyncio.sleep(self.seconds)
            text = self.said_to(prompt.task)
            if text == "fail":
                raise GenerationError(expert, "it was told to fail")
            assert constraint is None or text in constraint.value
            yield Generated(text, (1,), (0.0,), "stop", 9, 1)
        finally:
            self.num_open -= 1

    def said_to(self, prompt: str) -> str:
        return self.answers.get(prompt, f"said: {prompt}")

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        return [0.0 for _ in candidates]


async def run(
    flow: Workflow,
    inputs: Mapping[str, Any] | None = None,
    *,
    client: ExpertClient | None = None,
    tools: Mapping[str, Tool] | None = None,
    sink: EventList | None = None,
    memo: StepMemo | None = None,
    cache: StepCache | None = None,
    run_id: str = "",
) -> RunOutcome:
    """One run."""
    client, sink = client or PromptedExperts(), sink or EventList()
    inputs, tools = inputs or {}, tools or {}
    return await run_workflow(
        flow, inputs, client=client, tools=tools, sink=sink, memo=memo, cache=cache, run_id=run_id
    )


def statuses(flow: Workflow, outcome: RunOutcome) -> dict[str, str]:
    """By name, how the steps ended."""
    named = {step.id: str(step.name) for step in outcome.plan.steps}
    return {named[result.id]: result.status for result in outcome.results}
