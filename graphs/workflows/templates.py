"""Templates: expressions, `if` and `for` over inputs and results.

What a template inserts is data: it is never read as a template itself.
"""

from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from jinja2 import Template, TemplateError, TemplateSyntaxError, UndefinedError, nodes

from graphs.errors import RenderError
from graphs.plan import MAX_TEXT_CHARS
from graphs.workflows.sandbox import Bounding, Environment, TooMuch, plain

_VALUE = "_value"


class SkippedUse(UndefinedError):
    """The template uses the result of a step that was skipped by its own condition."""


class Renderer:
    """Renders the templates of one run, in any thread. All methods raise RenderError, and SkippedUse.

    A template may take a second: the event loop does not render itself.
    """

    def __init__(self) -> None:
        self._environment = Environment()
        self._template = lru_cache(maxsize=512)(self._compiled)
        self._expression = lru_cache(maxsize=512)(self._compiled_expression)

    def text(self, source: str, values: Mapping[str, Any]) -> str:
        """The template with its values filled in."""
        pieces: list[str] = []
        size = 0
        with _Refusals(source):
            template = self._template(source)
            self._environment.begin()
            for piece in template.generate(**values):
                size += len(piece)
                if size > MAX_TEXT_CHARS:
                    raise TooMuch(f"the text is longer than {MAX_TEXT_CHARS} characters")
                pieces.append(piece)
        return "".join(pieces)

    def value(self, source: str, values: Mapping[str, Any]) -> Any:
        """The value of an expression, as plain data."""
        with _Refusals(source):
            template = self._expression(source)
            context = template.new_context(dict(values))
            self._environment.begin()
            deque(template.root_render_func(context), maxlen=0)
            return plain(context.vars[_VALUE])

    def filled(self, data: Any, values: Mapping[str, Any]) -> Any:
        """Lists and objects with the texts in them rendered; a text that is one `{{ … }}` becomes its value."""
        match data:
            case str():
                is_value = is_one_expression(data)
                return self.value(data, values) if is_value else self.text(data, values)
            case dict():
                fields = cast("dict[str, Any]", data)
                return {name: self.filled(value, values) for name, value in fields.items()}
            case list():
                return [self.filled(value, values) for value in cast("list[Any]", data)]
            case _:
                return data

    def _compiled(self, source: str) -> Template:
        return self._bounded(self._environment.parse(source))

    def _compiled_expression(self, source: str) -> Template:
        parsed = self._environment.parse("{{ " + inner_expression(source) + " }}")
        match parsed.body:
            case [nodes.Output(nodes=[expression])]:
                target = nodes.Name(_VALUE, "store", lineno=1)
                return self._bounded(nodes.Template([nodes.Assign(target, expression, lineno=1)], lineno=1))
            case _:
                raise TemplateSyntaxError("it is more than one expression", 1)

    def _bounded(self, tree: nodes.Template) -> Template:
        tree = cast("nodes.Template", Bounding().visit(tree))
        tree.set_environment(self._environment)
        return self._environment.from_string(tree)


def inner_expression(source: str) -> str:
    """An expression without the `{{ }}` that it may be written in."""
    text = source.strip()
    return text[2:-2].strip("-+ \n") if text.startswith("{{") and text.endswith("}}") else text


def is_one_expression(source: str) -> bool:
    """Whether a template is `{{ … }}` and nothing else."""
    text = source.strip()
    return text.startswith("{{") and text.endswith("}}") and text.find("}}") == len(text) - 2


class _Refusals:
    """What a rendering raises becomes a RenderError."""

    def __init__(self, source: str) -> None:
        self._source = source

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, SkippedUse | RenderError) or error is None:
            return
        if isinstance(error, TemplateError | ValueError | TypeError | ArithmeticError | LookupError | RecursionError):
            raise RenderError(self._source, str(error) or type(error).__name__) from error
