"""What a step of a workflow leaves: what it rests on, what is in doubt, and why it has no result."""

from collections.abc import AsyncIterator
from pathlib import Path
from threading import Thread, current_thread
from typing import Any

import pytest

from graphs.plan import Plan, Step
from graphs.protocols import Generated, Prompt
from graphs.tools.calculator import Calculator
from graphs.tools.passage_index import PassageIndex
from graphs.tools.search import SearchTool
from graphs.workflows.sandbox import Environment
from tests.graphs.scripted_client import EventList, ScriptedClient
from tests.graphs.test_step_runner import runner
from tests.graphs.workflows.written import PromptedExperts, run, workflow


class Unsure(PromptedExperts):
    """Doubts all that it says."""

    async def generate(self, expert: str, prompt: Prompt, **options: Any) -> AsyncIterator[Generated]:
        yield Generated("a guess", (1,), (-3.0,), "stop", 9, 1)


async def test_where_it_stands_and_what_is_in_doubt_is_handed_on(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "chain.md").write_text("Oil the chain every 200 km.")
    index = PassageIndex(tmp_path / "passages.sqlite")
    list(index.update(tmp_path / "notes"))
    inner = """
        name: inner
        steps:
          found: {tool: search, arguments: {query: chain}}
          guessed: {expert: general, prompt: "{{ steps.found.result }}"}
        """
    workflow(tmp_path, inner, "inner.yaml")
    flow = workflow(
        tmp_path,
        """
        name: outer
        steps:
          one: {workflow: inner.yaml}
          all: {for_each: [chain, oil], tool: search, arguments: {query: "{{ item }}"}}
        """,
    )
    one, all_of_them = (await run(flow, client=Unsure(), tools={"search": SearchTool(index)})).results
    assert one.sources == all_of_them.sources == ("[chain.md:1]",)
    assert one.warnings == ("guessed: the expert was unsure",) and one.confidence < 0.1


async def test_a_person_who_could_not_be_asked_is_told_why(tmp_path: Path) -> None:
    flow = workflow(
        tmp_path,
        """
        name: unasked
        steps:
          broken: {expert: general, prompt: break}
          check: {approval: "Send {{ steps.broken.result }}?", needs_success: false}
        """,
    )
    outcome = await run(flow, client=PromptedExperts({"break": "fail"}))
    assert outcome.results[1].status == outcome.results[2].status == "error"
    assert outcome.results[2].error == f"its question was not asked: {outcome.results[1].error}"


LOOP = """
name: loop
steps:
  each:
    expert: general
    prompt: "{{ item.x }}"
    for_each: [{x: a}, {y: b}, {x: c}]
    policy: POLICY
output: "{{ steps.each.result | join(', ') }}"
"""


async def test_an_item_whose_template_fails_is_left_to_the_policy(tmp_path: Path) -> None:
    with_default = LOOP.replace("POLICY", "{on_failure: default, default: none, retry: {on: [step]}}")
    outcome = await run(workflow(tmp_path, with_default))
    assert outcome.answer.answer == "said: a, none, said: c"
    assert "[2]: the default, as there is no result" in outcome.results[0].warnings[0]
    client = PromptedExperts()
    outcome = await run(workflow(tmp_path, LOOP.replace("POLICY", "{}")), client=client)
    assert str(outcome.results[0].error).startswith("1 of 3 items failed; [2]: ")
    assert client.asked == ["a", "c"]


async def test_a_number_that_may_be_chosen_is_in_no_doubt(sink: EventList) -> None:
    step = Step(id=1, text="How good?", expert="general", choices=("1", "2"))
    client = ScriptedClient(answers={"general": {"How good?": "2"}}, is_loose=True)
    result = await runner(client, Plan(steps=(step,)), sink).run(step, {})
    assert (result.result, result.warnings) == ("2", ())


async def test_an_expert_with_a_tool_makes_a_choice_without_it(sink: EventList) -> None:
    step = Step(id=1, text="What is 24 * 12?", expert="math", choices=("288", "36"))
    client = ScriptedClient(answers={"math": {step.text: "288"}}, is_loose=True)
    result = await runner(client, Plan(steps=(step,)), sink).run(step, {})
    assert (result.result, result.tool, result.warnings) == ("288", None, ())
    assert client.prompts[0][1].context == ""


async def test_no_template_is_rendered_on_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take a second: conditions, lists, prompts, arguments, questions, inputs and outputs."""
    inner = """
        name: inner
        inputs: {properties: {word: {type: string}}}
        steps: {say: {expert: general, prompt: "say {{ inputs.word }}"}}
        output: "{{ steps.say.result }}!"
        """
    workflow(tmp_path, inner, "inner.yaml")
    flow = workflow(
        tmp_path,
        """
        name: outer
        steps:
          listed: {if: "1 < 2", for_each: "['a', 'b']", expert: general, prompt: "say {{ item }}"}
          nested: {workflow: inner.yaml, inputs: {word: "{{ steps.listed.result[0] }}"}}
          found: {tool: calculator, arguments: {expression: "1 + {{ 1 + 1 }}"}}
        output: "{{ steps.nested.result }}"
        """,
    )
    asking = workflow(tmp_path, 'name: asking\nsteps: {check: {approval: "Send {{ 3 }}?"}}', "asking.yaml")
    threads: dict[str, Thread] = {}
    parse = Environment.parse

    def noted(environment: Environment, source: str, *names: Any) -> Any:
        threads[source] = current_thread()
        return parse(environment, source, *names)

    monkeypatch.setattr(Environment, "parse", noted)
    outcome = await run(flow, client=PromptedExperts(), tools={"calculator": Calculator()})
    assert outcome.answer.answer == "said: say said: say a!"
    assert [wanted.text for wanted in (await run(asking, client=PromptedExperts())).wanted] == ["Send 3?"]
    assert len(threads) == 9 and current_thread() not in threads.values()
