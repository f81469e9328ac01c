"""The planner writes step by step, scores the experts, and says what a plan lacks."""

import json
from collections.abc import AsyncIterator, Sequence

import pytest

from graphs.errors import GenerationError, GrammarStopped
from graphs.events import PlanToken
from graphs.grammar import OPENING
from graphs.plan import Step
from graphs.planner import DRAFTS, Planner, without_repeats
from graphs.protocols import GREEDY, Constraint, Generated, Prompt, Sampling
from graphs.tools.calculator import Calculator
from tests.graphs.scripted_client import EventList, ScriptedClient

TASK = "How many books did Omar borrow? Multiply that by 12."
PLAN = [("How many books did Omar borrow?", "sql"), ("Multiply #1 by 12.", "math")]


async def test_a_plan_is_written_step_by_step_and_streamed(sink: EventList) -> None:
    planned = await Planner(ScriptedClient(PLAN)).plan(TASK, sink)
    assert [(step.text, step.expert, step.depends_on) for step in planned.plan.steps] == [
        (*PLAN[0], ()),
        (*PLAN[1], (1,)),
    ]
    assert planned.warnings == ()
    streamed = "".join(event.text for event in sink.events if isinstance(event, PlanToken))
    assert [(step["text"], step["expert"]) for step in json.loads(streamed)] == PLAN
    assert planned.num_output_tokens > 0 and planned.num_prompt_tokens == 30


async def test_scores_are_shares_over_all_experts_but_the_planner(sink: EventList) -> None:
    planned = await Planner(ScriptedClient(PLAN)).plan(TASK, sink)
    scores = planned.plan.steps[0].scores
    assert set(scores) == {"code", "general", "law", "math", "sql"}
    assert sum(scores.values()) == pytest.approx(1)
    assert max(scores, key=scores.__getitem__) == "sql"


async def test_numbers_that_no_step_reads_are_reported(sink: EventList) -> None:
    task = TASK + " Add 1,250.5 and 7."
    planned = await Planner(ScriptedClient(PLAN)).plan(task, sink)
    assert planned.warnings == ("the plan leaves out 1,250.5", "the plan leaves out 7")


async def test_names_inside_a_sentence_that_no_step_reads_are_reported(sink: EventList) -> None:
    """The first word of a sentence has its capital from there; a name that stands in a step is not missed."""
    task = "How many books did Omar borrow? Multiply that by 12 for Ana, Bea and Ana."
    planned = await Planner(ScriptedClient(PLAN)).plan(task, sink)
    assert planned.warnings == ("the plan leaves out Ana", "the plan leaves out Bea")


async def test_a_number_sign_of_the_task_is_no_reference(sink: EventList) -> None:
    planned = await Planner(ScriptedClient([("ticket No. 4", "law")])).plan("Summarise ticket #4", sink)
    assert planned.plan.steps[0].depends_on == ()
    assert planned.warnings == ()


class StoppedClient(ScriptedClient):
    """The grammar gives up on the planner's first `num_steps + 1`-th step."""

    def __init__(self, num_steps: int) -> None:
        super().__init__(PLAN)
        self.num_steps = num_steps

    def write_plan(self, prompt: Prompt) -> str:
        text = super().write_plan(prompt)
        if "".join(prompt.forced).count('"expert"') == self.num_steps:
            raise GrammarStopped("planner", "too many expressions")
        return text


@pytest.mark.parametrize(("num_steps", "texts"), [(1, [PLAN[0][0]]), (0, [TASK])])
async def test_a_plan_ends_where_its_grammar_gives_up(num_steps: int, texts: list[str], sink: EventList) -> None:
    planned = await Planner(StoppedClient(num_steps)).plan(TASK, sink)
    assert [step.text for step in planned.plan.steps] == texts
    assert f"step {num_steps + 1} became too long to be checked; the plan may be unfinished" in planned.warnings


async def test_a_text_cut_off_ends_the_plan_with_a_warning(sink: EventList) -> None:
    planned = await Planner(ScriptedClient(PLAN), max_tokens=8).plan(TASK, sink)
    assert [step.text for step in planned.plan.steps] == [PLAN[0][0]]
    assert "step 2 was cut off and is left out" in planned.warnings[0]
    assert "the plan leaves out 12" in planned.warnings[1]


async def test_a_used_up_budget_ends_the_plan_with_a_warning(sink: EventList) -> None:
    planned = await Planner(ScriptedClient(PLAN), max_tokens=6).plan(TASK, sink)
    assert len(planned.plan.steps) == 1
    assert planned.warnings[0] == "the plan reached its 6 tokens and may be unfinished"


async def test_the_most_steps_are_never_passed(sink: EventList) -> None:
    planned = await Planner(ScriptedClient(PLAN), max_steps=1).plan(TASK, sink)
    assert len(planned.plan.steps) == 1
    assert planned.warnings[0] == "the plan reached its 1 steps and may be unfinished"


@pytest.mark.parametrize(("plan", "max_tokens"), [(PLAN, 2), ([("?", "sql"), *PLAN], 512)])
async def test_without_a_usable_first_step_the_task_is_one_step(
    plan: Sequence[tuple[str, str]], max_tokens: int, sink: EventList
) -> None:
    planned = await Planner(ScriptedClient(plan), max_tokens=max_tokens).plan(TASK, sink)
    assert [(step.text, step.expert) for step in planned.plan.steps] == [(TASK, "sql")]
    assert planned.plan.steps[0].scores["sql"] > 0.5
    assert planned.warnings[2] == "the task asks 2 things, the plan has 1"


class DraftingClient(ScriptedClient):
    """Writes the next of its plans in each draft; the last one again and again."""

    def __init__(self, *drafts: Sequence[tuple[str, str]]) -> None:
        super().__init__(drafts[0])
        self.drafts = drafts
        self.samplings: list[Sampling] = []

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        if prompt.forced == (OPENING,):
            self.plan = self.drafts[min(len(self.samplings), len(self.drafts) - 1)]
            self.samplings.append(sampling)
        assert sampling == self.samplings[-1], "one draft is drawn in one way"
        async for piece in super().generate(expert, prompt, max_tokens=max_tokens, constraint=constraint):
            yield piece


HALF = PLAN[:1]
"""Leaves out 12."""
NOTHING = [("How many books?", "general")]
"""Leaves out Omar and 12."""


async def test_a_plan_without_warnings_is_drafted_once_and_greedily(sink: EventList) -> None:
    client = DraftingClient(PLAN)
    planned = await Planner(client).plan(TASK, sink)
    assert client.samplings == [GREEDY]
    assert planned.num_drafts == 1


async def test_a_plan_that_leaves_something_out_is_drafted_again_and_sampled(sink: EventList) -> None:
    client = DraftingClient(HALF, PLAN)
    planned = await Planner(client).plan(TASK, sink)
    assert [(step.text, step.expert) for step in planned.plan.steps] == PLAN
    assert planned.warnings == ()
    assert planned.num_drafts == 2
    assert client.samplings == list(DRAFTS[:2])
    assert client.samplings[1].temperature > 0


@pytest.mark.parametrize("drafts", [(HALF, NOTHING), (NOTHING, HALF, NOTHING), (NOTHING, NOTHING, NOTHING, HALF)])
async def test_the_draft_with_the_fewest_warnings_wins(
    drafts: Sequence[Sequence[tuple[str, str]]], sink: EventList
) -> None:
    """Also when it is not the last; no two drafts are drawn alike, and there is an end to it."""
    client = DraftingClient(*drafts)
    planned = await Planner(client).plan(TASK, sink)
    assert [(step.text, step.expert) for step in planned.plan.steps] == HALF
    assert planned.warnings == ("the plan leaves out 12",)
    assert client.samplings == list(DRAFTS)
    assert len(set(client.samplings)) == planned.num_drafts == len(DRAFTS)


async def test_the_first_of_equally_good_drafts_wins(sink: EventList) -> None:
    other = [("did Omar", "law")]
    planned = await Planner(DraftingClient(HALF, other)).plan(TASK, sink)
    assert [(step.text, step.expert) for step in planned.plan.steps] == HALF


async def test_the_usage_of_all_drafts_is_counted(sink: EventList) -> None:
    once, half = [await Planner(ScriptedClient(plan)).plan(TASK, sink) for plan in (PLAN, HALF)]
    planned = await Planner(DraftingClient(HALF, PLAN)).plan(TASK, sink)
    assert (once.num_prompt_tokens, half.num_prompt_tokens) == (30, 20 * len(DRAFTS))
    assert planned.num_prompt_tokens == once.num_prompt_tokens + half.num_prompt_tokens // len(DRAFTS)
    assert planned.num_output_tokens == once.num_output_tokens + half.num_output_tokens // len(DRAFTS)


async def test_without_a_planner_the_task_is_one_step_for_general(sink: EventList) -> None:
    planned = await Planner(ScriptedClient(experts=["general", "math"])).plan(TASK, sink)
    assert [(step.text, step.expert) for step in planned.plan.steps] == [(TASK, "general")]
    assert planned.warnings == ("there is no planner; the task is one step for general",)
    assert planned.num_drafts == 1


class RawClient(ScriptedClient):
    """Its planner writes the text of its first step as it stands, whatever the grammar says."""

    def write_plan(self, prompt: Prompt) -> str:
        return self.plan[0][0]


async def test_what_breaks_the_grammar_is_an_error(sink: EventList) -> None:
    with pytest.raises(GenerationError, match="which its grammar does not allow"):
        await Planner(RawClient([("Sure! Here is the plan", "sql")], is_loose=True)).plan(TASK, sink)


async def test_a_forward_reference_of_a_loose_planner_is_left_out(sink: EventList) -> None:
    planned = await Planner(RawClient([('Add #2","expert":"', "sql")], is_loose=True)).plan(TASK, sink)
    assert planned.plan.steps[0].text == TASK
    assert "step 1 is left out" in planned.warnings[0]


def test_repeated_steps_are_dropped_and_references_follow() -> None:
    texts = ["a", "a", "b of #2", "b of #1", "c of #3 and #4"]
    steps = [Step(id=k, text=text, expert="math") for k, text in enumerate(texts, start=1)]
    assert [(step.id, step.text, step.depends_on) for step in without_repeats(steps)] == [
        (1, "a", ()),
        (2, "b of #1", (1,)),
        (3, "c of #2 and #2", (2,)),
    ]


class UndecidedClient(ScriptedClient):
    """Its planner finds every expert as likely as any other."""

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        return [-1.0 for _ in candidates]


class Books(Calculator):
    """A tool that knows books."""

    def recognises(self, text: str) -> bool | None:
        return "books" in text


async def test_what_a_tool_recognises_speaks_for_its_expert_and_the_rest_against_it(sink: EventList) -> None:
    planned = await Planner(UndecidedClient(PLAN), {"sql": Books()}).plan(TASK, sink)
    books, other = planned.plan.steps
    assert (books.expert, books.scores["sql"]) == ("sql", pytest.approx(10 / 14))
    assert (other.expert, other.scores["sql"]) == ("general", pytest.approx(0.001 / 4.001)), "none is likely"


class DecidedClient(ScriptedClient):
    """Its planner is sure of every expert."""

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        return [4 * logprob for logprob in await super().score(expert, prompt, candidates)]


async def test_a_step_for_a_tool_that_finds_nothing_in_it_is_a_fault(sink: EventList) -> None:
    planned = await Planner(DecidedClient(PLAN), {"sql": Calculator()}).plan(TASK, sink)
    assert "step 1 names nothing that the tool of sql works on" in planned.warnings
