"""Whether a task needs no planner: the gate is asked, and if it is sure, its expert answers in one step."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from experts.errors import ExpertError
from graphs.direct import direct_plan
from graphs.events import Planned
from graphs.followup import resolved
from graphs.one_question import is_courtesy, is_one_question, is_small_talk
from graphs.protocols import GENERAL, Tool
from graphs.turn import Turn
from orchestrator.expert_host import ExpertHost
from orchestrator.gate_answer import GateAnswer
from orchestrator.run import Mode

MIN_SCORE = 0.9
"""Of the gate's expert, for a task that is not planned."""
MIN_SMALL_TALK_SCORE = 0.8
"""The same of `general`."""


async def plan_directly(
    task: str, turns: Sequence[Turn], mode: Mode, experts: ExpertHost, tools: Mapping[str, Tool]
) -> Planned | None:
    """One step for the gate's expert, or None if the planner is to be asked.

    Raises an ExpertError in the mode `direct`; otherwise the planner says what is wrong.
    """
    started, task = time.perf_counter(), resolved(task, turns)
    if mode is Mode.PLAN or (mode is Mode.AUTO and not is_one_question(task)):
        return None
    try:
        choice = await experts.gate(task)
    except ExpertError:
        if mode is Mode.DIRECT:
            raise
        return None
    expert = choice.expert if mode is Mode.DIRECT else sure_expert(task, choice)
    if expert is None or (mode is Mode.AUTO and not await _is_able(expert, task, experts, tools)):
        return None
    return direct_plan(task, expert, choice.scores, time.perf_counter() - started)


def sure_expert(task: str, choice: GateAnswer) -> str | None:
    """The expert that is the right one without a doubt, for a task that is one question.

    By the rules of one expert, or a high score; `general` for small talk, and for words that ask nothing, of which a
    gate knows little.
    """
    if is_courtesy(task):
        return GENERAL
    if choice.reason == "rule":
        return choice.expert if len({fired.expert for fired in choice.fired}) == 1 else None
    score = choice.scores[choice.expert] if choice.reason == "classifier" else 0.0
    if choice.expert == GENERAL:
        return GENERAL if score >= MIN_SMALL_TALK_SCORE and is_small_talk(task) else None
    return choice.expert if score >= MIN_SCORE else None


async def _is_able(expert: str, task: str, experts: ExpertHost, tools: Mapping[str, Tool]) -> bool:
    """Whether the expert has what it needs, and for `general` no tool that knows of what the task names."""
    profile = next((profile for profile in experts.profiles() if profile.name == expert), None)
    if profile is None:
        return False
    if expert == GENERAL:
        # a tool may read its database for this; the event loop does not wait for it
        return not await asyncio.to_thread(lambda: any(tool.recognises(task) for tool in tools.values()))
    if not profile.tool:
        return True
    return profile.tool in tools and await asyncio.to_thread(tools[profile.tool].recognises, task) is not False
