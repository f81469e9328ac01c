"""The StepMemo of a run in Redis: a finished step is committed once, and found by whoever takes the run over.

A field of the run's memo is `round.step.iteration.sample:digest`. A step that was given something else has another
digest: it does not find the old result and is run.
"""

from graphs.events import StepResult
from graphs.protocols import StepKey
from orchestrator.claimed_run import DRAFT_FIELDS, PLAN_FIELD, ClaimedRun


class RedisStepMemo:
    """A StepMemo that writes with the fence of its claim. Raises what a ClaimedRun raises."""

    def __init__(self, claimed: ClaimedRun) -> None:
        self._claimed = claimed

    async def load(self, key: StepKey) -> StepResult | None:
        """The committed result of this execution, if there is one."""
        return await self._claimed.recall(_field(key))

    async def commit(self, key: StepKey, result: StepResult) -> None:
        """Keep the result; one that is kept already stays."""
        await self._claimed.commit(_field(key), result)


def step_of(field: str) -> int | None:
    """The step that a field of a memo belongs to; None for the plan and its drafts."""
    return None if field == PLAN_FIELD or field.startswith(DRAFT_FIELDS) else int(field.split(":")[0].split(".")[1])


def _field(key: StepKey) -> str:
    return f"{key.round}.{key.step}.{key.iteration}.{key.sample}:{key.digest}"
