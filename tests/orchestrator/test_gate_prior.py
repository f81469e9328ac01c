"""What the gate says of a step's text is the planner's prior, if a classifier says it."""

import pytest

from experts.errors import EngineBusy
from graphs.errors import GenerationError
from orchestrator.gate_answer import GateAnswer
from orchestrator.gate_prior import GatePrior
from tests.orchestrator.scripted_experts import ScriptedExperts


class Classified(ScriptedExperts):
    """Its gate has a classifier."""

    async def gate(self, text: str) -> GateAnswer:
        answer = await super().gate(text)
        return answer.model_copy(update={"scores": {"math": 0.9, "general": 0.1}, "threshold": 0.5})


class Busy(ScriptedExperts):
    async def gate(self, text: str) -> GateAnswer:
        raise EngineBusy(64)


async def test_the_classifiers_scores_are_the_prior() -> None:
    assert await GatePrior(Classified()).scores("the sum of 2 and 3") == {"math": 0.9, "general": 0.1}


async def test_rules_alone_are_none() -> None:
    """They would send all that they do not know to `general`."""
    assert (await ScriptedExperts().gate("the sum of 2 and 3")).scores != {}
    assert await GatePrior(ScriptedExperts()).scores("the sum of 2 and 3") == {}


async def test_a_gate_that_cannot_be_asked_fails_as_a_planner_does() -> None:
    with pytest.raises(GenerationError, match="the gate cannot be asked"):
        await GatePrior(Busy()).scores("the sum of 2 and 3")
