"""What is wrong with a workflow, and where."""

from dataclasses import dataclass
from pathlib import Path

Place = tuple[str | int, ...]
"""The keys and positions that lead to a value of a definition, such as `("steps", "classify", "prompt")`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a place, and what to do about it."""

    place: Place
    reason: str
    remedy: str
    line: int = 0
    """Of a template of several lines, from 0 on."""

    def within(self, *place: str | int) -> "Problem":
        """The same, seen from further outside."""
        return Problem((*place, *self.place), self.reason, self.remedy, self.line)


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem with its file and line, as `triage.yaml:12: step 'classify': prompt: …`."""

    source: str
    """The file, or what else holds the definition."""
    problem: Problem
    line: int | None = None

    @property
    def step(self) -> str | None:
        """The step that it is in."""
        match self.problem.place:
            case ("steps", str(name), *_):
                return name
            case _:
                return None

    @property
    def field(self) -> str:
        """The field that it is in, seen from its step."""
        return ".".join(map(str, self.problem.place[2 if self.step else 0 :]))

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        parts = [place, *([f"step {self.step!r}"] if self.step else []), *([self.field] if self.field else [])]
        return f"{': '.join(parts)}: {self.problem.reason}; {self.problem.remedy}"


def fault_of(problem: Problem, source: Path | str, line: int | None = None) -> Fault:
    """The problem in a file."""
    return Fault(str(source), problem, None if line is None else line + problem.line)
