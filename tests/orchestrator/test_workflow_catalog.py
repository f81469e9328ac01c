"""Workflows by name, from a directory that is read anew each time."""

from pathlib import Path

import pytest

from graphs.errors import InvalidWorkflow
from graphs.workflows.definition import Workflow
from orchestrator.errors import RunRefusedError, SettingsInvalidError
from orchestrator.workflow_catalog import WorkflowCatalog

ONE = "name: one\nsteps: {a: {expert: general, prompt: say 1}}\n"


def test_files_have_names_and_faults(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(ONE)
    (tmp_path / "broken.yml").write_text("name: broken\n")
    (tmp_path / "code.py").write_text("raise SystemExit('a service runs no files')")
    found = WorkflowCatalog(tmp_path).all()
    assert list(found) == ["broken.yml", "one"]
    assert isinstance(found["one"], Workflow) and isinstance(found["broken.yml"], InvalidWorkflow)


def test_a_name_and_a_definition_are_the_same_workflow(tmp_path: Path) -> None:
    catalog = WorkflowCatalog(tmp_path)
    with pytest.raises(RunRefusedError, match="there is no workflow 'one'"):
        catalog.parsed("one")
    (tmp_path / "one.yaml").write_text(ONE)
    named = catalog.parsed("one")
    assert catalog.parsed(named.model_dump(mode="json", exclude_unset=True)) == named


def test_a_request_names_no_files() -> None:
    """A sub-workflow is a definition there; a path would let a request read the service's machine."""
    steps = {"a": {"workflow": "secrets.yaml"}, "b": {"expert": "general", "prompt": "{{ nope }}"}}
    with pytest.raises(InvalidWorkflow) as caught:
        WorkflowCatalog(None).parsed({"name": "x", "steps": steps})
    first, second = map(str, caught.value.faults)
    assert first.startswith("workflow: step 'a': workflow: ") and second.startswith(
        "workflow: step 'b': prompt: 'nope'"
    )


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalidError, match="CCOE_WORKFLOWS"):
        WorkflowCatalog(tmp_path / "none")
