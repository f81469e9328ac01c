"""Experts side by side on the same rows: `ccoe eval --compare`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from experts.backbone import Backbone
from experts.checkpoint import load_expert
from experts.expert import Expert, general_expert
from experts.registry import Registry
from experts.training.comparison import Figure, Measure, compared
from experts.training.encoding import Rows
from experts.training.evaluation import Evaluator, Tools
from experts.training.making import Listener, counting
from orchestrator.cli.calculation import calculate
from orchestrator.cli.experts import entry_of
from orchestrator.cli.querying import querying
from orchestrator.cli.sheet import Sheet

_MAX_ANSWER_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Line:
    """One measure of all experts on one data set."""

    dataset: str
    measure: str
    num_rows: int
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of several experts; differences are from the first."""

    names: tuple[str, ...]
    lines: tuple[Line, ...]

    def sheet(self) -> Sheet:
        """A column for each expert: value, its 95 % interval, and the interval of its difference from the first."""
        rows = [[line.dataset, line.measure, str(line.num_rows), *map(_cell, line.figures)] for line in self.lines]
        return Sheet(("data set", "measure", "rows", *self.names), rows)

    def document(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {"experts": list(self.names), "lines": [asdict(line) for line in self.lines]}


def named_experts(names: Sequence[str], registry: Registry, backbone: Backbone) -> dict[str, Expert]:
    """By what they are called here: `general`, `name[@version]` or a directory. Raises what reading raises."""
    found: dict[str, Expert] = {}
    for name in names:
        is_own = name != "general" and not Path(name).is_dir()
        directory = entry_of(registry, name).directory if is_own else None if name == "general" else Path(name)
        found[name] = general_expert(backbone) if directory is None else load_expert(directory, backbone)
    return found


def compare_experts(
    experts: Mapping[str, Expert], backbone: Backbone, sets: Rows, data: Path | None, listeners: Mapping[str, Listener]
) -> Comparison:
    """Measure every expert on every set; `general` is asked with the suffix of the first other expert."""
    suffix = next((one.card.suffix for one in experts.values() if one.card.form != "backbone"), "")
    measured: dict[str, dict[str, list[Measure]]] = {}
    tools = scoring_tools(data)
    queryings = {of: tools.querying(of) for of in sets}
    for name, expert in experts.items():
        model = backbone.assemble(expert.upper_layers(backbone))
        own = suffix if expert.card.form == "backbone" else expert.card.suffix
        for of, rows in sets.items():
            tokens = of.max_answer_tokens or _MAX_ANSWER_TOKENS
            evaluator = Evaluator(backbone, own, tools.calculate, tokens, querying=queryings[of])
            on_done = counting(listeners[name], of.name, len(rows))
            measured.setdefault(of.name, {})[name] = evaluator.measures(model, rows, of.metric, on_done)
    return Comparison(tuple(experts), tuple(_lines(measured, sets)))


def scoring_tools(data: Path | None) -> Tools:
    """The service's own calculator and SQL tool."""
    return Tools(calculate, partial(querying, data=data or Path()))


def _lines(measured: Mapping[str, Mapping[str, Sequence[Measure]]], sets: Rows) -> Iterator[Line]:
    for of, rows in sets.items():
        for measures in zip(*measured[of.name].values(), strict=True):
            yield Line(of.name, measures[0].name, len(rows), tuple(compared(measures)))


def _cell(figure: Figure) -> str:
    text = f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
    if figure.difference is None:
        return text
    value, low, high = figure.difference
    return f"{text}\n{value:+.3f} ({low:+.3f} to {high:+.3f})"
