"""A workflow as a Plan: what the dispatcher, the graph and the trace know of it."""

import json

from graphs.plan import MAX_TEXT_CHARS, Plan, Step
from graphs.protocols import PERSON
from graphs.workflows.checking import needed_by
from graphs.workflows.definition import Workflow, WorkflowStep

QUESTION = "question"


def plan_of(workflow: Workflow) -> Plan:
    """Its steps, numbered in the order of the file; each waits for the steps that its templates and `needs` name.

    An approval is two steps: `NAME.question` fills in what is asked, and a person answers the next one.
    """
    ids: dict[str, int] = {}
    steps: list[Step] = []
    for name, step in workflow.steps.items():
        waits_for = tuple(sorted(ids[needed] for needed in needed_by(step)))
        if step.kind == "approval":
            question = Step(
                id=len(steps) + 1, name=f"{name}.{QUESTION}", text=_text(step), expert=QUESTION, depends_on=waits_for
            )
            steps.append(question)
            asked, policy = (question.id,), step.policy
            person = Step(
                id=question.id + 1, name=name, text=f"#{question.id}", expert=PERSON, depends_on=asked, policy=policy
            )
            steps.append(person)
        else:
            steps.append(
                Step(
                    id=len(steps) + 1,
                    name=name,
                    text=_text(step),
                    expert=answerer(step),
                    depends_on=waits_for,
                    policy=step.policy,
                    choices=step.choices,
                )
            )
        ids[name] = len(steps)
    return Plan(steps=tuple(steps))


def definition_of(workflow: Workflow, step: Step) -> WorkflowStep:
    """What a step of the plan is in the workflow."""
    return workflow.steps[str(step.name).partition(".")[0]]


def answerer(step: WorkflowStep) -> str:
    """Who answers: an expert's name, `tool:NAME` or `workflow:NAME`."""
    return str(
        step.expert or (f"tool:{step.tool}" if step.tool else f"workflow:{step.workflow and step.workflow.name}")
    )


def _text(step: WorkflowStep) -> str:
    given = step.arguments if step.kind == "tool" else step.inputs
    return (step.prompt or step.approval or json.dumps(given, ensure_ascii=False))[:MAX_TEXT_CHARS]
