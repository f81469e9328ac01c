"""Another round of planning: finished steps are kept, and the plan goes on behind them."""

from collections.abc import Mapping, Sequence

from graphs.plan import REFERENCE, Plan, Step
from graphs.state import Results


def finished_steps(plan: Plan, results: Results) -> tuple[Step, ...]:
    """The steps that have a result, numbered anew from 1 on: what the planner continues from."""
    finished = [step for step in plan.steps if results[step.id].status == "success"]
    new_ids = {step.id: k for k, step in enumerate(finished, start=1)}
    return tuple(_renumbered(step, new_ids) for step in finished)


def continued(plan: Plan, results: Results, written: Sequence[Step], round_number: int) -> Plan | None:
    """The plan with the steps that were written behind the finished ones, as steps of the round.

    None if nothing was written that has not been tried.
    """
    finished = [step.id for step in plan.steps if results[step.id].status == "success"]
    new_ids = dict(enumerate(finished, start=1))
    new_ids |= {k: len(plan.steps) + k - len(finished) for k in range(len(finished) + 1, len(written) + 1)}
    following = [_renumbered(step, new_ids) for step in written[len(finished) :]]
    steps = (*plan.steps, *(step.model_copy(update={"round": round_number}) for step in following))
    first = _first_alike(steps)
    return Plan(steps=steps) if any(first[step.id] > len(plan.steps) for step in following) else None


def _first_alike(steps: Sequence[Step]) -> dict[int, int]:
    """By step, the first one that asks the same expert the same of the same."""
    asked: dict[tuple[str, str], int] = {}
    first: dict[int, int] = {}
    for step in steps:
        text = REFERENCE.sub(lambda match: f"#{first[int(match[1])]}", step.text)
        first[step.id] = asked.setdefault((text, step.expert), step.id)
    return first


def _renumbered(step: Step, new_ids: Mapping[int, int]) -> Step:
    """The step under its new id, with those of the steps that it needs."""
    text = REFERENCE.sub(lambda match: f"#{new_ids[int(match[1])]}", step.text)
    needed = tuple(sorted(new_ids[k] for k in step.depends_on))
    return step.model_copy(update={"id": new_ids[step.id], "text": text, "depends_on": needed})
