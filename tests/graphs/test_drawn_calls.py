"""What an expert writes for its tool: freely or under the grammar, anew while there is a doubt, and what that costs."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from graphs.budget import Budget, Meter
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from graphs.step_runner import StepRunner
from graphs.tools.calculator import Calculator
from graphs.tools.sql import SqlTool
from tests.graphs.scripted_client import EventList, ScriptedClient
from tests.graphs.test_step_runner import TASK, make_plan


class WaveringClient(ScriptedClient):
    """Leaves out 12 when greedy, and has it when sampled."""

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        call = "24 + 24" if sampling == GREEDY else "24 * 12"
        yield Generated(call, (1,), (-0.1,), "stop", 10, 1)


async def test_a_call_that_its_tool_doubts_is_drawn_anew(sink: EventList) -> None:
    plan = make_plan(("Multiply 24 by 12.", "math"))
    steps = StepRunner(plan.steps[0].text, plan, WaveringClient(), {"calculator": Calculator()}, sink)
    result = await steps.run(plan.steps[0], {})
    assert (result.call, result.result, result.warnings) == ("24 * 12", "288", ())
    assert (result.num_prompt_tokens, result.num_output_tokens) == (20, 2)


async def test_a_call_in_doubt_counts_where_no_other_can_be_paid(sink: EventList) -> None:
    plan, meter = make_plan(("Multiply 24 by 12.", "math")), Meter(Budget(tool_calls=1))
    steps = StepRunner(plan.steps[0].text, plan, WaveringClient(), {"calculator": Calculator()}, sink, meter=meter)
    result = await steps.run(plan.steps[0], {})
    assert (result.call, result.result) == ("24 + 24", "48") and result.warnings


class QueryingClient(WaveringClient):
    """Writes one query after another."""

    def __init__(self, *queries: str) -> None:
        super().__init__()
        self.queries, self.is_free = list(queries), list[bool]()

    def profiles(self) -> Sequence[ExpertProfile]:
        return [ExpertProfile("sql", "1", "", "", tool="sql")]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        self.is_free.append(constraint is None)
        yield Generated(self.queries.pop(0), (1,), (-0.1,), "stop", 10, 1)


@pytest.mark.parametrize(
    ("queries", "is_free"),
    [
        (["SELECT item FROM stock WHERE price IN (3)"], [True]),
        (["DROP TABLE stock", "SELECT item FROM stock WHERE price = 3"], [True, False]),
        (["SELECT item FROM stock", "SELECT item FROM stock WHERE price = 3"], [True, False]),
        (
            ["SELECT x", "SELECT item FROM stock WHERE price > 3", "SELECT item FROM stock WHERE price = 3"],
            [True] + 2 * [False],
        ),
    ],
)
async def test_a_query_counts_as_it_is_if_it_finds_something_and_leaves_no_doubt(
    queries: list[str], is_free: list[bool], sink: EventList, stock: Path
) -> None:
    """Else it is written under the grammar, and anew while it finds nothing."""
    plan, client = make_plan(("Which item costs 3?", "sql")), QueryingClient(*queries)
    steps = StepRunner(plan.steps[0].text, plan, client, {"sql": SqlTool(stock)}, sink)
    found = await steps.run(plan.steps[0], {})
    assert (found.status, found.call, found.result, found.warnings) == ("success", queries[-1], "tea", ())
    assert client.is_free == is_free
    assert (found.num_prompt_tokens, found.num_output_tokens) == (10 * len(is_free), len(is_free))


async def test_calls_that_are_few_are_not_spent_on_a_try_without_the_grammar(sink: EventList, stock: Path) -> None:
    plan, client = make_plan(("Which item costs 3?", "sql")), QueryingClient("SELECT item FROM stock WHERE price = 3")
    meter = Meter(Budget(tool_calls=1))
    found = await StepRunner(TASK, plan, client, {"sql": SqlTool(stock)}, sink, meter=meter).run(plan.steps[0], {})
    assert (found.result, client.is_free) == ("tea", [False])


async def test_a_step_whose_queries_all_find_nothing_has_failed(sink: EventList, stock: Path) -> None:
    empty = "SELECT item FROM stock WHERE price > 3"
    plan, client = make_plan(("Which item costs more than 3?", "sql")), QueryingClient(*[empty] * 6)
    failed = await StepRunner(TASK, plan, client, {"sql": SqlTool(stock)}, sink).run(plan.steps[0], {})
    assert (failed.status, failed.call, failed.error_kind) == ("error", empty, "tool")
    assert "no row matches" in (failed.error or "")
    assert client.queries == []
    assert (failed.num_prompt_tokens, failed.num_output_tokens) == (60, 6)


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.executescript("CREATE TABLE stock (item TEXT, price INT); INSERT INTO stock VALUES ('tea', 3)")
    return tmp_path / "shop.sqlite"
