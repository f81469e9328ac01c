"""Who gets a step: the planner's score of each expert, with the gate and what tools recognise as priors.

    planner    probability of the expert's whole name with its closing quote, as shares: h(t)[j, i] of CCoE
    gate       what the step's text alone says; an expert that the gate does not know counts as `general` does
    together   log planner + GATE_WEIGHT * log gate + RECOGNISED, as shares; the best below MIN_SHARE: `general`;
               whoever has a tool that recognises the step comes before `general`

`ccoe bench choice` fits GATE_WEIGHT and MIN_SHARE and measures the choice, on tasks of templates that no expert is
trained on.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass

from graphs.protocols import GENERAL, PLANNER, ExpertClient, Gate, Prompt, Tool

GATE_WEIGHT = 1.15
"""Lambda of the gate's prior."""
MIN_SHARE = 0.65
LEAST_GATE_SCORE = 1e-3
"""What the gate gives less to is not ruled out by that."""
RECOGNISED = {True: math.log(10), None: 0.0, False: -math.log(1000)}
"""What it adds to an expert's log-probability whether its tool recognises the step; a tool with nothing to work on
cannot answer."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A step's expert, and the scores that it was chosen by."""

    expert: str
    scores: dict[str, float]
    """Together, by expert."""
    planner_scores: dict[str, float]
    gate_scores: dict[str, float]
    """Empty where no gate was asked, or it could say nothing."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpertChoice:
    """Chooses among the experts that there are now."""

    client: ExpertClient
    tools: Mapping[str, Tool]
    gate: Gate | None = None
    gate_weight: float = GATE_WEIGHT
    min_share: float = MIN_SHARE

    async def choose(self, prompt: Prompt, text: str) -> Choice:
        """The expert of the step `text`, whose name is what the prompt goes on with. Raises GenerationError."""
        profiles = sorted(self.client.profiles(), key=lambda profile: profile.name)
        experts = [profile.name for profile in profiles if profile.name != PLANNER]
        logprobs, gate_scores, of_tools = await asyncio.gather(
            self.client.score(PLANNER, prompt, [f'{name}"' for name in experts]),
            self._gate_scores(text),
            self._recognised(text),
        )
        planner_scores = shares(dict(zip(experts, logprobs, strict=True)))
        recognised = {profile.name: of_tools.get(profile.tool or "") for profile in profiles}
        weighed = with_gate(planner_scores, gate_scores, self.gate_weight)
        scores = shares({name: logprob + RECOGNISED[recognised[name]] for name, logprob in weighed.items()})
        expert = best(scores, self.min_share)
        if expert == GENERAL and (known := [name for name, is_known in recognised.items() if is_known]):
            expert = max(sorted(known), key=scores.__getitem__)  # what is in the data need not be made up
        nothing = f"names nothing that the tool of {expert} works on"
        warnings = (nothing,) if recognised[expert] is False else ()
        return Choice(expert, scores, planner_scores, gate_scores, warnings)

    async def _recognised(self, text: str) -> dict[str, bool | None]:
        """What each tool says of the text; it may read its database for that, and the event loop does not wait."""
        names = {profile.tool for profile in self.client.profiles()}
        tools = {name: tool for name, tool in self.tools.items() if name in names}
        if not tools:
            return {}
        return await asyncio.to_thread(lambda: {name: tool.recognises(text) for name, tool in tools.items()})

    async def _gate_scores(self, text: str) -> dict[str, float]:
        return dict(await self.gate.scores(text)) if self.gate else {}


def with_gate(
    planner_scores: Mapping[str, float], gate_scores: Mapping[str, float], gate_weight: float
) -> dict[str, float]:
    """Log-scores of the planner with the gate's as a prior; without those, the planner's alone."""
    weight = gate_weight if gate_scores else 0.0
    unknown = gate_scores.get(GENERAL, 0.0)
    priors = {name: max(gate_scores.get(name, unknown), LEAST_GATE_SCORE) for name in planner_scores}
    return {name: _log(score) + weight * math.log(priors[name]) for name, score in planner_scores.items()}


def best(scores: Mapping[str, float], min_share: float) -> str:
    """The expert with the highest score; `general` if that is below the threshold."""
    expert = max(sorted(scores), key=scores.__getitem__)
    return expert if scores[expert] >= min_share else GENERAL


def shares(logprobs: Mapping[str, float]) -> dict[str, float]:
    """Probabilities that are 1 together."""
    highest = max(logprobs.values())
    weights = {name: math.exp(logprob - highest) for name, logprob in logprobs.items()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _log(score: float) -> float:
    return math.log(max(score, 1e-30))
