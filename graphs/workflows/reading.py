"""Workflow files: YAML with the line of every value, so that a fault can say where it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yaml import MappingNode, Node, SafeLoader, ScalarNode, SequenceNode, compose
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

from graphs.errors import InvalidWorkflow
from graphs.workflows.checking import Check, checked, nothing_more
from graphs.workflows.definition import Workflow
from graphs.workflows.fault import Fault, Place, Problem, fault_of

MAX_FILE_BYTES = 1_000_000
MAX_NODES = 20_000
"""Of a file, with what its aliases repeat."""
SUFFIXES = (".yaml", ".yml")
_KINDS = ("int", "float", "bool", "null")


@dataclass(slots=True)
class Document:
    """A decoded file."""

    source: Path
    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict[Place, int])
    """By place, the line of its value."""
    faults: list[Fault] = field(default_factory=list[Fault])

    def add(self, problem: Problem) -> None:
        """A problem, with the line of the innermost place that stands in the file."""
        place = problem.place
        while place and place not in self.lines:
            place = place[:-1]
        self.faults.append(fault_of(problem, self.source, self.lines.get(place, 1)))


def read_workflow(path: Path) -> Workflow:
    """The workflow in a YAML file, with its sub-workflows. Raises InvalidWorkflow with all faults of all its files."""
    return workflow_of(read_yaml(path))


def workflow_of(document: Document, check: Check = nothing_more, outer: tuple[Path, ...] = ()) -> Workflow:
    """The workflow in a decoded file; `outer` are the files that it is a sub-workflow of. Raises InvalidWorkflow."""
    _embed(document, check, (*outer, document.source.resolve()))
    workflow, problems = checked(document.value, check)
    for problem in problems:
        document.add(problem)
    if document.faults or workflow is None:
        raise InvalidWorkflow(sorted(document.faults, key=lambda fault: (fault.source, fault.line or 0)))
    return workflow


def read_yaml(path: Path) -> Document:
    """Decode a file. Raises InvalidWorkflow if it is none."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise _refused(path, f"it is larger than {MAX_FILE_BYTES} bytes", "split it")
        root: Node | None = compose(text, Loader=SafeLoader)
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}", "name a workflow file") from error
    except (MarkedYAMLError, ReaderError, RecursionError) as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        reason = (error.problem if isinstance(error, MarkedYAMLError) else None) or str(error)
        raise _refused(path, f"it is no YAML: {reason}", "correct it", mark.line + 1 if mark else None) from error
    document = Document(path)
    document.value = None if root is None else _Decoding(document).value(root, ())
    return document


def _refused(path: Path, reason: str, remedy: str, line: int | None = None) -> InvalidWorkflow:
    return InvalidWorkflow([fault_of(Problem((), reason, remedy), path, line)])


def _embed(document: Document, check: Check, files: tuple[Path, ...]) -> None:
    """Put the definitions of sub-workflows in the place of their paths."""
    steps = document.value.get("steps") if isinstance(document.value, dict) else None
    for name, step in steps.items() if isinstance(steps, dict) else ():
        if not isinstance(step, dict) or not isinstance(written := step.get("workflow"), str):
            continue
        path = document.source.parent / written
        if path.resolve() in files:
            place = ("steps", name, "workflow")
            document.add(Problem(place, f"{written!r} leads back to itself", "break the circle"))
            step["workflow"] = _UNREADABLE
            continue
        try:
            step["workflow"] = workflow_of(read_yaml(path), check, files)
        except InvalidWorkflow as error:
            document.faults += error.faults
            step["workflow"] = _UNREADABLE


class _Decoding:
    """From YAML's nodes to plain data: texts, numbers, truth values, lists, objects with texts as keys."""

    def __init__(self, document: Document) -> None:
        self._document, self._num_nodes = document, 0
        self._scalars = SafeLoader("")

    def value(self, node: Node, place: Place) -> Any:
        """The value of a node."""
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES:
            raise _refused(self._document.source, f"it has more than {MAX_NODES} values", "split it; avoid aliases")
        is_block = isinstance(node, ScalarNode) and node.style in ("|", ">")
        self._document.lines[place] = node.start_mark.line + 1 + is_block
        match node:
            case MappingNode():
                return self._object(node, place)
            case SequenceNode():
                return [self.value(one, (*place, position)) for position, one in enumerate(node.value)]
            case _:
                return self._scalar(node, place)

    def _object(self, node: MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, ScalarNode) else "?"
            if name in found:
                problem = Problem((*place, name), "it is there twice", "keep one")
                self._document.faults.append(fault_of(problem, self._document.source, key.start_mark.line + 1))
                continue
            found[name] = self.value(value, (*place, name))
            if not isinstance(value, ScalarNode):
                # the line of its name says more than that of its first entry
                self._document.lines[*place, name] = key.start_mark.line + 1
        return found

    def _scalar(self, node: Node, place: Place) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind in _KINDS:
            return getattr(self._scalars, f"construct_yaml_{kind}")(node)
        if node.tag.startswith("!") or kind not in ("str", "timestamp", "value", "merge"):
            self._document.add(Problem(place, f"{node.tag!r} is no kind of value that is read", "take out the tag"))
        return node.value


_UNREADABLE = Workflow.model_validate({"name": "unreadable", "steps": {"none": {"tool": "none"}}})
