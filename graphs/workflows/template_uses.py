"""What a template uses, read from its syntax tree: the steps that it waits for, and what it may not do."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from jinja2 import TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables

from graphs.workflows.sandbox import FILTER_NAMES, METHOD_NAMES, Environment
from graphs.workflows.templates import inner_expression

STEP_FIELDS = ("result", "data", "status", "error", "warnings")
_STATEMENTS = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For)
_REFUSED = (nodes.NSRef, nodes.EnvironmentAttribute, nodes.ContextReference, nodes.DerivedContextReference)


@dataclass(frozen=True, slots=True)
class Misuse:
    """What is wrong with a template, and in which of its lines, from 0 on."""

    line: int
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class TemplateUses:
    """The names that a template uses, and what is wrong with it."""

    steps: Mapping[str, int] = field(default_factory=dict[str, int])
    """By name, the line of the first use, from 0 on."""
    inputs: Mapping[str, int] = field(default_factory=dict[str, int])
    names: Mapping[str, int] = field(default_factory=dict[str, int])
    misuses: tuple[Misuse, ...] = ()


def uses_of(source: str, *, is_expression: bool = False) -> TemplateUses:
    """What a template, or an expression, uses. Nothing is run."""
    environment = Environment()
    try:
        tree = environment.parse("{{ " + inner_expression(source) + " }}" if is_expression else source)
    except TemplateSyntaxError as error:
        return TemplateUses(misuses=(Misuse(error.lineno - 1, error.message or "it is no template", _SYNTAX),))
    steps, inputs = (_lines(_members(tree, of)) for of in ("steps", "inputs"))
    if misuses := tuple(_misuses(tree)):
        return TemplateUses(steps, inputs, misuses=misuses)
    try:
        undeclared = find_undeclared_variables(tree)
    except TemplateSyntaxError as error:
        return TemplateUses(misuses=(Misuse(error.lineno - 1, error.message or "it is no template", _SYNTAX),))
    names = _lines((node.name, node) for node in tree.find_all(nodes.Name) if node.name in undeclared)
    return TemplateUses(steps, inputs, names)


_SYNTAX = "see the templates in docs/workflows.md"


def _lines(used: Iterable[tuple[str, nodes.Node]]) -> dict[str, int]:
    lines: dict[str, int] = {}
    for name, node in used:
        lines.setdefault(name, _line(node))
    return lines


def _line(node: nodes.Node) -> int:
    return (node.lineno or 1) - 1


def _members(tree: nodes.Template, name: str) -> list[tuple[str, nodes.Node]]:
    """What is read of `steps` or `inputs` by a fixed name."""
    found = [(member, node) for node in tree.find_all((nodes.Getattr, nodes.Getitem)) if (member := _member(node))]
    return [(member, node) for member, node in found if _is_name(_owner(node), name)]


def _member(node: nodes.Node) -> str | None:
    match node:
        case nodes.Getattr():
            return node.attr
        case nodes.Getitem(arg=nodes.Const(value=str(name))):
            return name
        case _:
            return None


def _owner(node: nodes.Node) -> nodes.Node | None:
    return node.node if isinstance(node, nodes.Getattr | nodes.Getitem) else None


def _is_name(node: nodes.Node | None, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name


def _misuses(tree: nodes.Template) -> Iterator[Misuse]:
    named = {id(_owner(node)) for _, node in _members(tree, "steps")}
    for node in tree.find_all(nodes.Node):
        line = _line(node)
        match node:
            case nodes.Name(name="steps") if id(node) not in named:
                yield Misuse(line, "it uses all steps at once", "name one: steps.NAME")
            case nodes.Getattr() | nodes.Getitem() if (_member(node) or "").startswith("_"):
                yield Misuse(line, f"{_member(node)!r} is not open to templates", "use what steps and inputs hold")
            case nodes.Getattr() | nodes.Getitem() if _is_step(_owner(node)) and _member(node) not in STEP_FIELDS:
                remedy = f"it has {', '.join(STEP_FIELDS)}"
                yield Misuse(line, f"a step has no {_member(node) or 'such field'!r}", remedy)
            case nodes.Filter(name=name) if name not in FILTER_NAMES:
                yield Misuse(line, f"there is no filter {name!r}", f"filters: {', '.join(sorted(FILTER_NAMES))}")
            case nodes.Call(node=called) if not _may_be_called(called):
                yield Misuse(
                    line, f"{_member(called)!r} cannot be called", f"methods: {', '.join(sorted(METHOD_NAMES))}"
                )
            case nodes.For(recursive=True):
                yield Misuse(line, "a loop may not call itself", "take out `recursive`")
            case nodes.Stmt() | nodes.Template() if not isinstance(node, _STATEMENTS):
                kind = type(node).__name__
                yield Misuse(line, f"{kind} is not among the statements of templates", "use if and for")
            case _ if isinstance(node, _REFUSED):
                yield Misuse(line, f"{type(node).__name__} is not open to templates", "use if and for")
            case _:
                pass


def _may_be_called(node: nodes.Node) -> bool:
    return _is_name(node, "range") or (isinstance(node, nodes.Getattr) and node.attr in METHOD_NAMES)


def _is_step(node: nodes.Node | None) -> bool:
    return node is not None and _member(node) is not None and _is_name(_owner(node), "steps")
