"""A workflow's definition as data: it comes back from JSON as it was."""

from pathlib import Path

from graphs.workflows.definition import Workflow
from tests.graphs.workflows.written import workflow


def test_a_definition_survives_its_record(tmp_path: Path) -> None:
    """Fields that nobody wrote are in it, with their defaults."""
    flow = workflow(
        tmp_path,
        """
        name: x
        steps:
          a: {if: true, tool: t, arguments: {n: 1}}
          b: {expert: general, prompt: p, choices: [x, y], for_each: [1, 2], policy: {timeout: 3}}
          c: {approval: ok}
        """,
    )
    assert Workflow.model_validate_json(flow.model_dump_json()) == flow
    assert Workflow.model_validate(flow.model_dump(mode="json", by_alias=False)) == flow
    assert [step.kind for step in flow.steps.values()] == ["tool", "expert", "approval"]
