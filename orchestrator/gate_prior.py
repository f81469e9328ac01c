"""The gate as the planner's prior."""

from collections.abc import Mapping

from experts.errors import ExpertError
from graphs.errors import GenerationError
from graphs.protocols import PLANNER
from orchestrator.expert_host import ExpertHost


class GatePrior:
    """What an ExpertHost's gate says of a step's text, if its classifier says it: rules alone know too little."""

    def __init__(self, experts: ExpertHost) -> None:
        self._experts = experts

    async def scores(self, text: str) -> Mapping[str, float]:
        """By expert. Raises GenerationError."""
        try:
            answer = await self._experts.gate(text)
        except ExpertError as error:
            raise GenerationError(PLANNER, f"the gate cannot be asked: {error}") from error
        return {} if answer.threshold is None else answer.scores
