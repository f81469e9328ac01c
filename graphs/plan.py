"""A Plan is a small directed acyclic graph of Steps."""

import re
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graphs.person import PERSON, PersonQuestion
from graphs.policies import StepPolicy

MAX_STEPS = 12
"""Of a plan that the planner writes."""
MAX_GIVEN_STEPS = 200
"""Of any plan."""
MAX_TEXT_CHARS = 20_000
REFERENCE = re.compile(r"#(\d+)")


class Step(BaseModel):
    """One step: a text for one expert. `#k` in the text is the result of step k."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(ge=1)
    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARS)
    expert: str = Field(min_length=1)
    depends_on: tuple[int, ...] = ()
    scores: dict[str, float] = Field(default_factory=dict)
    """Of each expert for this step, planner, gate and tools together; empty if given by hand."""
    planner_scores: dict[str, float] = Field(default_factory=dict)
    """The planner's alone: h(t)[j, i] of CCoE."""
    gate_scores: dict[str, float] = Field(default_factory=dict)
    """The gate's alone; empty if it said nothing."""
    policy: StepPolicy | None = None
    """None: the run's default. Given by hand only; the planner writes none."""
    question: PersonQuestion | None = None
    """How a step for a person is put."""
    round: int = Field(default=1, ge=1)
    """Of planning, in which it was written."""
    name: str | None = None
    """Of a workflow's step, whose text is a template without `#k`; who answers is not always an expert."""
    choices: tuple[str, ...] = ()
    """If there are any, the answer is one of them."""

    @property
    def references(self) -> tuple[int, ...]:
        """The steps that the text refers to, ascending."""
        if self.name is not None:
            return ()
        return tuple(sorted({int(k) for k in REFERENCE.findall(self.text)}))

    @property
    def experts(self) -> tuple[str, ...]:
        """Who may be asked: the step's expert, and those of its quorum."""
        quorum = self.policy.quorum if self.policy else None
        return tuple(dict.fromkeys((self.expert, *(quorum.experts if quorum else ()))))

    @model_validator(mode="after")
    def _derive(self) -> Self:
        if not self.text.strip():
            raise ValueError(f"step {self.id} has an empty text; say what it should find out")
        wanted = tuple(sorted({*self.depends_on, *self.references}))
        if bad := [k for k in wanted if not 1 <= k < self.id]:
            raise ValueError(f"step {self.id} refers to {bad}; a step may refer only to steps before it")
        if wanted != self.depends_on:
            object.__setattr__(self, "depends_on", wanted)
        return self

    @model_validator(mode="after")
    def _check_person(self) -> Self:
        if self.question and self.expert != PERSON:
            raise ValueError(f"step {self.id} has a question for a person; make its expert {PERSON!r}, or drop it")
        policy = self.policy if self.expert == PERSON else None
        if policy and (policy.timeout or policy.retry or policy.quorum or policy.on_failure == "general"):
            raise ValueError(f"step {self.id} waits for a person; its policy may only skip, fail or have a default")
        return self


class Plan(BaseModel):
    """A validated plan: ids 1..n in order, dependencies on earlier steps only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...] = Field(min_length=1, max_length=MAX_GIVEN_STEPS)

    @model_validator(mode="after")
    def _check(self) -> Self:
        ids = [step.id for step in self.steps]
        if ids != list(range(1, len(ids) + 1)):
            raise ValueError(f"step ids are {ids}; number them 1 to {len(ids)} in order, each once")
        rounds = [step.round for step in self.steps]
        if rounds != sorted(rounds):
            raise ValueError(f"the rounds of the steps are {rounds}; a later step is of the same round or a later one")
        return self

    def check_experts(self, known: set[str]) -> None:
        """Raise ValueError if a step names an expert that is not known."""
        for step in self.steps:
            if step.expert not in known:
                raise ValueError(
                    f"step {step.id} names unknown expert {step.expert!r}; known: {', '.join(sorted(known))}"
                )

    @property
    def steps_behind(self) -> dict[int, int]:
        """By step, how many steps follow one after another until the plan's end: the rest of the critical path."""
        behind = {step.id: 0 for step in self.steps}
        for step in reversed(self.steps):
            for k in step.depends_on:
                behind[k] = max(behind[k], behind[step.id] + 1)
        return behind

    @property
    def dependants(self) -> dict[int, list[int]]:
        """By step, the steps that need its result."""
        needing: dict[int, list[int]] = {step.id: [] for step in self.steps}
        for step in self.steps:
            for k in step.depends_on:
                needing[k].append(step.id)
        return needing

    @property
    def sinks(self) -> tuple[Step, ...]:
        """The steps of the last round that no other step depends on: what the answer is made of."""
        needed = {k for step in self.steps for k in step.depends_on}
        return tuple(step for step in self.steps if step.round == self.num_rounds and step.id not in needed)

    @property
    def answering(self) -> tuple[Step, ...]:
        """The sinks and all steps that they rest on: every step, or those of it that another round has kept."""
        rest_on = {step.id for step in self.sinks}
        for step in reversed(self.steps):
            if step.id in rest_on:
                rest_on.update(step.depends_on)
        return tuple(step for step in self.steps if step.id in rest_on)

    @property
    def num_rounds(self) -> int:
        """Of planning."""
        return self.steps[-1].round
