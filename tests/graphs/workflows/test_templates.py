"""Templates: values, text and limits. What is inserted is data."""

import asyncio
from threading import Barrier
from typing import Any

import pytest

from graphs.errors import RenderError
from graphs.workflows.template_uses import uses_of
from graphs.workflows.templates import Renderer

VALUES: dict[str, Any] = {"long": "a" * 3000, "d": {"x": "{{ 1 + 1 }}", "n": 3}}


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for i in range(10**9) %}x{% endfor %}", "Range too big"),
        ("{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}", "more than 10000 turns"),
        ("{{ ''.__class__ }}", "unsafe"),
        ("{{ d.__init__.__globals__ }}", "unsafe"),
        ("{{ 'a' * 10**9 }}", "'*' is for numbers"),
        ("{{ '%99999999d' % 1 }}", "'%' is for numbers"),
        ("{{ 9**9**9 }}", "too large"),
        ("{{ long | replace('a', long) }}", "larger than 100000"),
        ("{{ range(9000) | join(long) }}", "larger than 100000"),
        ("{{ (long ~ long) ~ (long ~ long) ~ (long ~ long) ~ (long ~ long) }}", "longer than 20000"),
        ("{{ nobody }}", "'nobody' is undefined"),
        ("{{ d.nothing }}", "has no attribute 'nothing'"),
    ],
)
def test_what_is_hostile_or_wrong_is_refused_with_its_reason(template: str, reason: str) -> None:
    with pytest.raises(RenderError, match="correct it, or give what it uses a default") as caught:
        Renderer().text(template, VALUES)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{% set x = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'etc/passwd' %}",
        "{{ x | pprint }}",
        "{{ '{:>99999999}'.format(1) }}",
        "{{ ''['format'](1) }}",
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ steps[inputs.name].result }}",
        "{{ steps }}",
        "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ oops",
    ],
)
def test_what_templates_may_not_do_is_seen_before_they_run(template: str) -> None:
    assert len(uses_of(template).misuses) >= 1


def test_the_steps_that_are_used_are_known_with_their_lines() -> None:
    uses = uses_of("{{ steps.a.result }}\n{% if steps['b'].status %}{{ inputs.x }}{% endif %}{{ steps.a.data }}")
    assert (uses.steps, uses.inputs, uses.misuses) == ({"a": 0, "b": 1}, {"x": 1}, ())
    assert uses_of("steps.c.result == 'x'", is_expression=True).steps == {"c": 0}


def test_a_single_expression_is_its_value_and_inserted_data_stays_data() -> None:
    renderer = Renderer()
    filled = renderer.filled({"n": "{{ d.n }}", "t": "n {{ d.n }}", "x": "{{ d.x }}", "l": ["{{ d }}"]}, VALUES)
    assert filled == {"n": 3, "t": "n 3", "x": "{{ 1 + 1 }}", "l": [{"x": "{{ 1 + 1 }}", "n": 3}]}
    assert renderer.text("{{ d }}, {{ none }}, {{ true }}", VALUES) == '{"x": "{{ 1 + 1 }}", "n": 3}, , true'
    assert renderer.value("d.items() | map('first') | list", VALUES) == ["x", "n"]


async def test_each_rendering_has_a_budget_of_its_own_in_its_thread() -> None:
    """Two that are under way at the same time take more than one of them may."""
    renderer, are_both_begun = Renderer(), Barrier(2, timeout=10)
    template = "{% for i in range(9000) %}{% endfor %}{{ meet() and '' }}{% for i in range(900) %}{% endfor %}done"
    values = {"meet": lambda: bool(are_both_begun.wait() + 1)}
    rendering = [asyncio.to_thread(renderer.text, template, values) for _ in range(2)]
    assert await asyncio.gather(*rendering) == ["done", "done"]
