"""How often a step comes to the right expert: by the planner's scores, by the gate's, by both; and what fits both.

Plans are forced up to the place where an expert is named, so that only the choice is measured.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphs.expert_choice import Choice, ExpertChoice, best, shares, with_gate
from graphs.grammar import OPENING, TEXT_END, json_body, next_step
from graphs.protocols import Prompt

_WEIGHTS = [number / 20 for number in range(41)]
_SHARES = [number / 20 for number in range(19)]
AT_ONCE = 4

Steps = Sequence[tuple[str, str]]
"""Texts of a plan's steps, and the experts that they are for."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A choice, and the right expert."""

    choice: Choice
    expert: str


async def choices(chooser: ExpertChoice, tasks: Sequence[tuple[str, Steps]], done: Callable[[], None]) -> list[Judged]:
    """The choice for every step of the tasks, those before it being as they should be. Raises GenerationError."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def of_task(task: str, steps: Steps) -> list[Judged]:
        written, judged = [OPENING], list[Judged]()
        async with gate:
            for number, (text, expert) in enumerate(steps, 1):
                written += [*([next_step(number)] if number > 1 else []), json_body(text) + TEXT_END]
                judged.append(Judged(await chooser.choose(Prompt(task=task, forced=tuple(written)), text), expert))
                written.append(f'{expert}"')
        done()
        return judged

    return [one for found in await asyncio.gather(*(of_task(*task) for task in tasks)) for one in found]


def fitted_gate_weight(judged: Sequence[Judged]) -> float:
    """The weight of the gate's prior with the highest likelihood of the right experts, in steps of 0.05."""
    return max(
        _WEIGHTS, key=lambda weight: sum(math.log(max(_shares(one, weight)[one.expert], 1e-12)) for one in judged)
    )


def fitted_min_share(judged: Sequence[Judged], gate_weight: float) -> float:
    """The threshold with which most choices are right, in steps of 0.05; the lowest of equally good ones."""
    return max(_SHARES, key=lambda least: (num_right(judged, gate_weight, least), -least))


def num_right(judged: Sequence[Judged], gate_weight: float, min_share: float) -> int:
    """Of planner and gate together; without the gate at a weight of 0."""
    return sum(best(_shares(one, gate_weight), min_share) == one.expert for one in judged)


def _shares(one: Judged, gate_weight: float) -> dict[str, float]:
    return shares(with_gate(one.choice.planner_scores, one.choice.gate_scores, gate_weight))
