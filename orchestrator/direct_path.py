"""Whether a task needs no planner: the gate is asked, and if it is sure, its expert answers in one step."""

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
    if mode is Mode.PLAN:
        return None
    started, task = time.perf_counter(), resolved(task, turns)
    if mode is Mode.AUTO and not is_one_question(task):
        return None
    try:
        choice = await experts.gate(task)
    except ExpertError:
        if mode is Mode.DIRECT:
            raise
        return None
    expert = choice.expert
    if mode is Mode.AUTO and is_courtesy(task):
        expert = GENERAL  # a gate knows little of words that ask nothing
    elif mode is Mode.AUTO and not _is_sure(task, choice, experts, tools):
        return None
    return direct_plan(task, expert, choice.scores, time.perf_counter() - started)


def _is_sure(task: str, choice: GateAnswer, experts: ExpertHost, tools: Mapping[str, Tool]) -> bool:
    profile = next((profile for profile in experts.profiles() if profile.name == choice.expert), None)
    if profile is None:
        return False
    if profile.tool and (profile.tool not in tools or tools[profile.tool].recognises(task) is False):
        return False
    if choice.expert == GENERAL and any(tool.recognises(task) for tool in tools.values()):
        return False  # what a tool knows the names of may be asked of it
    return is_clear(task, choice)


def is_clear(task: str, choice: GateAnswer) -> bool:
    """Whether the gate's choice leaves no doubt: the rules of one expert, or a high score; for `general` small talk."""
    if choice.reason == "rule":
        return len({fired.expert for fired in choice.fired}) == 1
    if choice.expert == GENERAL:
        return choice.scores[GENERAL] >= MIN_SMALL_TALK_SCORE and choice.reason == "classifier" and is_small_talk(task)
    return choice.reason == "classifier" and choice.scores[choice.expert] >= MIN_SCORE
