"""Workflows in Python files: code that its user runs on purpose, so that only the command line reads them."""

import ast
import runpy
from pathlib import Path

from pydantic import ValidationError

from graphs.errors import InvalidWorkflow
from graphs.workflows.checking import Check, nothing_more, problems_of
from graphs.workflows.definition import Workflow, WorkflowStep
from graphs.workflows.fault import Place, Problem
from graphs.workflows.reading import Document, read_yaml, workflow_of

VARIABLE = "workflow"
SUFFIX = ".py"


def read_workflow_file(path: Path, check: Check = nothing_more) -> Workflow:
    """The workflow in a YAML or Python file.

    Raises InvalidWorkflow, and whatever a Python file raises itself.
    """
    if path.suffix != SUFFIX:
        return workflow_of(read_yaml(path), check)
    document = Document(path)
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError) as error:
        raise _invalid(document, f"it cannot be read: {error}", "name a Python file") from error
    document.lines = _lines(tree)
    try:
        found = runpy.run_path(str(path)).get(VARIABLE)
    except ValidationError as error:
        model = WorkflowStep if error.title == WorkflowStep.__name__ else Workflow
        for problem in problems_of(error, model):
            document.add(Problem((), f"{'.'.join(map(str, problem.place))}: {problem.reason}", problem.remedy))
        raise InvalidWorkflow(document.faults) from error
    if not isinstance(found, Workflow):
        raise _invalid(document, f"it has no {VARIABLE!r}", f"write {VARIABLE} = Workflow(…)")
    document.value = found.model_dump(exclude_unset=True)
    return workflow_of(document, check)


def _invalid(document: Document, reason: str, remedy: str) -> InvalidWorkflow:
    document.add(Problem((), reason, remedy))
    return InvalidWorkflow(document.faults)


def _lines(tree: ast.Module) -> dict[Place, int]:
    """Where the workflow stands, and where its steps do: the keys of objects that have their names."""
    lines: dict[Place, int] = {(): 1}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and VARIABLE in {one.id for one in node.targets if isinstance(one, ast.Name)}:
            lines[()] = node.lineno
        for key in node.keys if isinstance(node, ast.Dict) else ():
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                lines.setdefault(("steps", key.value), key.lineno)
    return lines
