"""Jinja's sandbox with limits: what a template may call, and how much it may cost."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from threading import local
from types import GeneratorType
from typing import Any, cast

from jinja2 import (
    StrictUndefined,
    TemplateRuntimeError,
    Undefined,
    nodes,
)
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_WORK = 10_000
"""Turns of loops and calls of filters and methods in one rendering."""
MAX_SECONDS = 1.0
"""Of the processor: what other threads take does not count."""
MAX_VALUE_SIZE = 100_000
"""Characters or elements of what a filter, a method or an operator makes."""
MAX_TOTAL_SIZE = 10_000_000
"""Of all that one rendering makes."""
MAX_EXPONENT = 64
COUNTED = "_counted"
FILTER_NAMES = frozenset(
    "abs batch capitalize count d default dictsort first float from_json groupby int items join last length list lower "
    "map max min reject rejectattr replace reverse round select selectattr slice sort string sum title tojson trim "
    "truncate unique upper wordcount".split()
)
METHOD_NAMES = frozenset(
    "capitalize count endswith find get index isdigit items keys lower lstrip removeprefix removesuffix rstrip split "
    "splitlines startswith strip title upper values".split()
)


class TooMuch(TemplateRuntimeError):
    """A rendering would cost more than it may."""


class _Spent(local):
    """By the one rendering that a thread is at."""

    work = 0
    size = 0
    deadline = 0.0


class Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with a budget of work for each rendering, and a list of what a template may call.

    Several threads may render at a time, one rendering each.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True)
        self._spent = _Spent()
        allowed = {name: FILTERS[name] for name in FILTER_NAMES & FILTERS.keys()}
        own = {"from_json": json.loads, "tojson": _as_json, "join": self._joined, "replace": self._replaced}
        own |= {COUNTED: self._counted}
        self.filters = {name: self._held(function) for name, function in {**allowed, **own}.items()}
        self.globals = {"range": self.globals["range"]}

    def begin(self) -> None:
        """A rendering has its whole budget."""
        self._spent.work, self._spent.size, self._spent.deadline = 0, 0, time.thread_time() + MAX_SECONDS

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Data may be read; of its methods only those of the list are called."""
        return super().is_safe_attribute(obj, attr, value) and (not callable(value) or attr in METHOD_NAMES)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja has it
        """A call that a template makes."""
        __self._spend()
        return __self._small(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers only but for `+`: a text times a number, or formatted with a width, is as large as anybody likes."""
        if operator == "+":
            return self._small(super().call_binop(context, operator, left, right))
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TooMuch(f"{operator!r} is for numbers")
        if operator == "**" and (abs(right) > MAX_EXPONENT or abs(left) > MAX_VALUE_SIZE):
            raise TooMuch(f"{left} ** {right} is too large")
        return super().call_binop(context, operator, left, right)

    def _held(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def held(*args: Any, **kwargs: Any) -> Any:
            self._spend()
            return self._small(function(*args, **kwargs))

        return held

    def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._spend()
            yield value

    def _spend(self) -> None:
        self._spent.work += 1
        if self._spent.work > MAX_WORK:
            raise TooMuch(f"it takes more than {MAX_WORK} turns and calls")
        if time.thread_time() > self._spent.deadline:
            raise TooMuch(f"it takes longer than {MAX_SECONDS:g} s")

    def _small(self, value: Any) -> Any:
        if isinstance(value, str | list | tuple | dict):
            self._allow(len(cast("list[Any]", value)))
        return value

    def _allow(self, size: int) -> None:
        self._spent.size += size
        if size > MAX_VALUE_SIZE or self._spent.size > MAX_TOTAL_SIZE:
            raise TooMuch(f"a value is larger than {MAX_VALUE_SIZE} characters or elements, or all of them are")

    def _joined(self, values: Iterable[Any], separator: str = "", attribute: str | int | None = None) -> str:
        getter = make_attrgetter(self, attribute) if attribute is not None else _itself
        texts = [str(_shown(getter(value))) for value in self._counted(values)]
        self._allow(sum(map(len, texts)) + len(separator) * len(texts))
        return separator.join(texts)

    def _replaced(self, text: str, old: str, new: str) -> str:
        self._allow(len(text) + str(text).count(old) * len(new))
        return str(text).replace(old, new)


class Bounding(NodeTransformer):
    """Counts the turns of loops, and what `~` makes."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - as Jinja has it
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, COUNTED, [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes, lineno=node.lineno), "join", [], [], None, None, lineno=node.lineno)


def _shown(value: Any) -> Any:
    """What a template inserts: nothing for None, JSON for lists and objects."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Undefined | str | int | float):
        return value
    return _as_json(plain(value))


def plain(value: Any) -> Any:
    """The value as lists, objects, texts and numbers. Raises TypeError, and what an undefined value stands for."""
    match value:
        case Undefined():
            str(value)  # raises what it stands for
        case str():
            return str(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            fields = cast("Mapping[Any, Any]", value)
            return {str(plain(name)): plain(one) for name, one in fields.items()}
        case list() | tuple() | range() | GeneratorType():
            return [plain(one) for one, _ in zip(cast("Iterable[Any]", value), range(MAX_VALUE_SIZE), strict=False)]
        case _:
            pass
    raise TypeError(f"{type(value).__name__} is no data; call it, or add `| list`")


def _itself(value: Any) -> Any:
    return value


def _as_json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)
