"""The StepMemo of a run in Redis: a finished step is committed once, and found by whoever takes the run over.

A field of the run's memo is `round.step.iteration.sample:digest`. A step that was given something else has another
digest: it does not find the old result and is run. A result that a user has set holds for any digest, written `*`.
"""

import asyncio
from dataclasses import replace

from graphs.events import StepResult
from graphs.protocols import StepKey
from orchestrator.claimed_run import DRAFT_FIELDS, PLAN_FIELD, ClaimedRun

LISTEN_SECONDS = 0.25
"""How often a run that is executed looks for answers."""


class RedisStepMemo:
    """A StepMemo that writes with the fence of its claim. Raises what a ClaimedRun raises."""

    def __init__(self, claimed: ClaimedRun) -> None:
        self._claimed = claimed

    async def load(self, key: StepKey) -> StepResult | None:
        """The committed result of this execution, if there is one."""
        return self._claimed.recalled(set_field(key), memo_field(key))

    async def commit(self, key: StepKey, result: StepResult) -> None:
        """Keep the result; one that is kept already stays."""
        await self._claimed.commit(memo_field(key), result)

    async def answered(self, key: StepKey) -> StepResult:
        """The result, when a person has answered; only a run that still does other things waits here."""
        while True:
            if result := await self._claimed.answered(memo_field(key)):
                return result
            await asyncio.sleep(LISTEN_SECONDS)


def step_of(field: str) -> int | None:
    """The step that a field of a memo belongs to; None for the plan and its drafts."""
    return None if field == PLAN_FIELD or field.startswith(DRAFT_FIELDS) else int(field.split(":")[0].split(".")[1])


def memo_field(key: StepKey) -> str:
    """The field of an execution."""
    return f"{key.round}.{key.step}.{key.iteration}.{key.sample}:{key.digest}"


def set_field(key: StepKey) -> str:
    """The field of a result that a user has set, whatever the execution is given."""
    return memo_field(replace(key, digest="*"))
