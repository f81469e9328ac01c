"""A workflow as a plan: ids in the order of the file, dependencies from templates, approvals as two steps."""

from pathlib import Path

from graphs.events import StepResult
from graphs.plan import Plan
from graphs.protocols import PERSON
from graphs.step_runner import filled_text
from graphs.workflows.plans import plan_of
from tests.graphs.workflows.written import run, statuses, workflow

APPROVAL = """
name: approval
inputs: {properties: {ask: {type: boolean, default: true}}}
steps:
  draft: {expert: general, prompt: "Ticket #7: write"}
  approved: {if: inputs.ask, approval: "Send {{ steps.draft.result }}?"}
  sent: {if: steps.approved.result == "approved", expert: general, prompt: send}
  other: {expert: general, prompt: other, needs: [draft]}
"""


def test_an_approval_is_a_question_and_a_step_for_a_person(tmp_path: Path) -> None:
    plan = plan_of(workflow(tmp_path, APPROVAL))
    assert [(step.id, step.name, step.expert, step.depends_on) for step in plan.steps] == [
        (1, "draft", "general", ()),
        (2, "approved.question", "question", (1,)),
        (3, "approved", PERSON, (2,)),
        (4, "sent", "general", (3,)),
        (5, "other", "general", (1,)),
    ]
    assert filled_text(plan.steps[2], {2: StepResult(id=2, status="success", result="Send it?")}) == "Send it?"
    assert Plan.model_validate_json(plan.model_dump_json()) == plan, "`#7` of a prompt refers to no step"


async def test_the_question_is_filled_in_and_its_condition_looked_at(tmp_path: Path) -> None:
    flow = workflow(tmp_path, APPROVAL)
    outcome = await run(flow)
    assert outcome.results[1].result == "Send said: Ticket #7: write?"
    outcome = await run(flow, {"ask": False})
    assert statuses(flow, outcome) == {
        "draft": "success",
        "approved.question": "skipped",
        "approved": "skipped",
        "sent": "skipped",
        "other": "success",
    }
