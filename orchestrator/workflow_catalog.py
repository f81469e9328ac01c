"""The workflows that a service knows by name: the YAML files of a directory."""

from collections.abc import Mapping
from pathlib import Path

from graphs.errors import InvalidWorkflow
from graphs.workflows.checking import checked
from graphs.workflows.definition import Workflow
from graphs.workflows.fault import fault_of
from graphs.workflows.reading import SUFFIXES, read_workflow
from orchestrator.errors import RunRefusedError, SettingsInvalidError

REQUEST = "workflow"
"""What faults of a definition in a request name instead of a file."""


class WorkflowCatalog:
    """Reads the directory anew each time, so that a changed file is used as it is. Python files are not read."""

    def __init__(self, directory: Path | None) -> None:
        """Raises SettingsInvalidError if there is no such directory."""
        if directory is not None and not directory.is_dir():
            raise SettingsInvalidError("CCOE_WORKFLOWS", f"{str(directory)!r} is no directory")
        self._directory = directory

    def all(self) -> Mapping[str, Workflow | InvalidWorkflow]:
        """By name, the workflows, and what is wrong with files that are none."""
        found: dict[str, Workflow | InvalidWorkflow] = {}
        for path in self._paths():
            try:
                workflow = read_workflow(path)
            except InvalidWorkflow as error:
                found[path.name] = error
            else:
                found[workflow.name] = workflow
        return dict(sorted(found.items()))

    def parsed(self, asked: object) -> Workflow:
        """The workflow of a name, or of a definition as decoded JSON. Raises RunRefusedError, InvalidWorkflow."""
        if isinstance(asked, str):
            return self._named(asked)
        workflow, problems = checked(asked)
        if workflow is None:
            raise InvalidWorkflow([fault_of(problem, REQUEST) for problem in problems])
        return workflow

    def _named(self, name: str) -> Workflow:
        known = self.all()
        match known.get(name):
            case Workflow() as workflow:
                return workflow
            case InvalidWorkflow() as error:
                raise error
            case None:
                remedy = f"there are {', '.join(known) or 'none; set CCOE_WORKFLOWS to a directory of them'}"
                raise RunRefusedError(f"there is no workflow {name!r}", remedy)

    def _paths(self) -> list[Path]:
        if self._directory is None:
            return []
        return sorted(path for path in self._directory.iterdir() if path.suffix in SUFFIXES and path.is_file())
