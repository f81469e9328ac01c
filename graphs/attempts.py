"""A step's attempts as its policy asks for them: in time, again, several at once, or somebody else instead."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from graphs.events import StepResult
from graphs.policies import Quorum, StepPolicy
from graphs.protocols import GENERAL, GREEDY, Sampling


class Attempt(Protocol):
    """Asks an expert once. A failure is a result with its `error_kind`; sample 0 may be shown while it is written."""

    async def __call__(self, expert: str, sampling: Sampling, sample: int) -> StepResult: ...


@dataclass(frozen=True, slots=True)
class Attempts:
    """All attempts at one step."""

    step: int
    policy: StepPolicy
    attempt: Attempt
    chance: Callable[[], float] = random.random
    """Draws from [0, 1)."""

    async def answer(self, expert: str) -> StepResult:
        """The step's result under its policy, with the tokens of all attempts. `fail` is left to the caller."""
        quorum = self.policy.quorum
        result = await (self._agree(quorum, expert) if quorum else self._persist(expert))
        return result if result.status == "success" else await self._instead(expert, result)

    async def _instead(self, expert: str, failed: StepResult) -> StepResult:
        match self.policy.on_failure:
            case "default":
                warning = f"the default, as there is no result: {failed.error}"
                result = self.policy.default or ""
                found = StepResult(id=self.step, status="success", result=result, warnings=(warning,))
            case "general" if expert != GENERAL:
                found = await self._persist(GENERAL)
                if found.status == "success":
                    warning = f"{GENERAL} answered instead of {expert}: {failed.error}"
                    found = found.model_copy(update={"warnings": (*found.warnings, warning)})
                else:
                    found = found.model_copy(update={"error": f"{failed.error}; {GENERAL} instead: {found.error}"})
            case _:
                return failed
        return with_tokens(found, [failed, found])

    async def _persist(self, expert: str, sampling: Sampling = GREEDY, sample: int = 0) -> StepResult:
        """Try until there is a result, or the policy has enough of it."""
        retry, tried = self.policy.retry, [await self._once(expert, sampling, sample)]
        while retry and len(tried) < retry.max_attempts and tried[-1].error_kind in retry.on:
            await asyncio.sleep(retry.delay(len(tried), self.chance()))
            tried.append(await self._once(expert, sampling, sample))
        return with_tokens(tried[-1], tried)

    async def _once(self, expert: str, sampling: Sampling, sample: int) -> StepResult:
        scope = asyncio.timeout(self.policy.timeout)
        try:
            async with scope:
                return await self.attempt(expert, sampling, sample)
        except TimeoutError:
            if not scope.expired():
                raise
        reason = f"no result within {self.policy.timeout:g} s"
        return StepResult(id=self.step, status="error", error=reason, error_kind="timeout")

    async def _agree(self, quorum: Quorum, expert: str) -> StepResult:
        experts = quorum.experts or (expert,)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._persist(experts[k % len(experts)], _sampling(quorum, k, len(experts)), k))
                    for k in range(quorum.samples)
                ]
        except ExceptionGroup as failures:
            # a fault of one sample ends the others
            raise failures.exceptions[0] from None
        results = [task.result() for task in tasks]
        return with_tokens(decided(quorum, results), results)


def decided(quorum: Quorum, results: Sequence[StepResult]) -> StepResult:
    """The result that the samples stand for, or the failure of the first that failed if too few have answered."""
    found = [result for result in results if result.status == "success"]
    if len(found) < quorum.at_least:
        failed = next(result for result in results if result.status != "success")
        reason = f"{len(found)} of {len(results)} samples answered, {quorum.at_least} are needed: {failed.error}"
        return failed.model_copy(update={"error": reason})
    if quorum.decide == "score":
        return max(found, key=lambda result: result.confidence)
    alike: dict[str, list[StepResult]] = {}
    for result in found:
        alike.setdefault(" ".join(result.result.casefold().split()), []).append(result)
    votes = max(alike.values(), key=lambda same: (len(same), sum(result.confidence for result in same)))
    best = max(votes, key=lambda result: result.confidence)
    if 2 * len(votes) > len(results):
        return best
    warning = f"only {len(votes)} of {len(results)} samples agree"
    return best.model_copy(update={"warnings": (*best.warnings, warning)})


def _sampling(quorum: Quorum, sample: int, num_experts: int) -> Sampling:
    """Each expert's first sample is greedy."""
    return GREEDY if sample < num_experts else Sampling(quorum.temperature, seed=sample)


def with_tokens(result: StepResult, spent: Sequence[StepResult]) -> StepResult:
    """The result with the tokens of all that were needed for it; it is cached if all of them are."""
    return result.model_copy(
        update={
            "num_prompt_tokens": sum(one.num_prompt_tokens for one in spent),
            "num_output_tokens": sum(one.num_output_tokens for one in spent),
            "is_cached": bool(spent) and all(one.is_cached for one in spent),
        }
    )
