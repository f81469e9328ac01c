"""Whole runs of workflows: conditions, loops, sub-workflows, failures, memory, with real tools."""

from pathlib import Path

import pytest

from graphs.errors import InvalidInputs
from graphs.events import PartFinished
from graphs.person import PersonAnswer
from graphs.tools.calculator import Calculator
from graphs.tools.sql import SqlTool
from tests.graphs.memory import Memory
from tests.graphs.scripted_client import EventList
from tests.graphs.virtual_time import now, run_virtually
from tests.graphs.workflows.written import PromptedExperts, run, statuses, workflow

LOOP = """
name: loop
inputs: {properties: {words: {type: array}}}
steps:
  each:
    for_each: inputs.words
    concurrency: 2
    expert: general
    prompt: "{{ loop.index }} of {{ loop.length }}: {{ item }}"
output: "{{ steps.each.result }}"
"""
CONDITIONS = """
name: conditions
inputs: {properties: {is_urgent: {type: boolean}}, required: [is_urgent]}
steps:
  urgent: {if: inputs.is_urgent, expert: general, prompt: urgent}
  uses_it: {expert: general, prompt: "after {{ steps.urgent.result }}"}
  tolerates_it: {expert: general, prompt: "{{ steps.urgent.result | default('nothing') }}"}
  looks: {if: steps.urgent.status == "skipped", expert: general, prompt: instead}
output: "{{ steps.tolerates_it.result }}"
"""


async def test_tools_and_experts_hand_their_results_on(tmp_path: Path, library: Path) -> None:
    flow = workflow(
        tmp_path,
        """
        name: books
        inputs: {properties: {genre: {type: string, default: novel}}}
        steps:
          prices:
            tool: sql
            arguments: {query: "SELECT title, price FROM books WHERE genre = '{{ inputs.genre }}' ORDER BY title"}
          total: {tool: calculator, arguments: {expression: "{{ steps.prices.data.rows | map('last') | join(' + ') }}"}}
          sentence: {expert: general, prompt: "All cost {{ steps.total.result }}."}
        output: {total: "{{ steps.total.result | float }}", text: "{{ steps.sentence.result }}"}
        """,
    )
    tools = {"sql": SqlTool(library), "calculator": Calculator()}
    outcome = await run(flow, tools=tools)
    assert outcome.status == "success" and outcome.reason == ""
    assert outcome.answer.answer == '{\n  "total": 20.5,\n  "text": "said: All cost 20.5."\n}'
    assert [result.tool for result in outcome.results] == ["sql", "calculator", None]
    assert outcome.usage.num_prompt_tokens == 9


async def test_what_a_tool_says_is_never_a_template(tmp_path: Path) -> None:
    """Nor is what an input says: both are inserted once, as they are."""
    flow = workflow(
        tmp_path,
        """
        name: data
        inputs: {properties: {text: {type: string}}}
        steps:
          echo: {expert: general, prompt: "{{ inputs.text }}"}
          again: {expert: general, prompt: "{{ steps.echo.result }}"}
        """,
    )
    hostile = "{{ inputs.__class__ }} {% for i in range(10**9) %} #1 {{ 7 * 7 }}"
    outcome = await run(flow, {"text": hostile})
    assert outcome.answer.answer == f"said: said: {hostile}"


@pytest.mark.parametrize("is_urgent", [True, False])
async def test_a_condition_skips_a_step_and_what_cannot_do_without_it(tmp_path: Path, is_urgent: bool) -> None:
    flow = workflow(tmp_path, CONDITIONS)
    outcome = await run(flow, {"is_urgent": is_urgent})
    used = "success" if is_urgent else "skipped"
    looks = "skipped" if is_urgent else "success"
    assert statuses(flow, outcome) == {"urgent": used, "uses_it": used, "tolerates_it": "success", "looks": looks}
    assert outcome.answer.answer == ("said: said: urgent" if is_urgent else "said: nothing")
    assert outcome.status == "success"


async def test_a_failure_skips_what_needs_it_unless_that_says_otherwise(tmp_path: Path) -> None:
    flow = workflow(
        tmp_path,
        """
        name: failures
        steps:
          broken: {expert: general, prompt: break}
          needs_it: {expert: general, prompt: next, needs: [broken]}
          needs_that: {expert: general, prompt: "{{ steps.needs_it.result | default('x') }}"}
          after: {expert: general, prompt: "{{ steps.broken.status }}: {{ steps.broken.error }}", needs_success: false}
          instead:
            expert: general
            prompt: also
            policy: {on_failure: default, default: nothing}
        output: "{{ steps.after.result }} {{ steps.instead.result }}"
        """,
    )
    outcome = await run(flow, client=PromptedExperts({"break": "fail", "also": "fail"}))
    assert statuses(flow, outcome) == {
        "broken": "error",
        "needs_it": "skipped",
        "needs_that": "skipped",
        "after": "success",
        "instead": "success",
    }
    assert outcome.answer.answer == "said: error: expert 'general': it was told to fail nothing"
    assert (outcome.answer.failed, outcome.answer.skipped) == ((1,), (2, 3))


async def test_without_its_output_a_run_has_failed_and_shows_what_there_is(tmp_path: Path) -> None:
    flow = workflow(
        tmp_path,
        """
        name: no_output
        steps:
          broken: {expert: general, prompt: break}
          fine: {expert: general, prompt: hello}
        output: "{{ steps.broken.result }}"
        """,
    )
    outcome = await run(flow, client=PromptedExperts({"break": "fail"}))
    assert outcome.status == "error" and "step 'broken' has no result, it was not answered" in outcome.reason
    assert "fine: said: hello" in outcome.answer.answer and outcome.answer.source == "assembled"


def test_a_loop_runs_so_many_items_at_a_time_and_keeps_their_order(tmp_path: Path) -> None:
    flow, client, sink = workflow(tmp_path, LOOP), PromptedExperts(seconds=1.0), EventList()

    async def timed() -> tuple[str, float]:
        outcome = await run(flow, {"words": list("abcde")}, client=client, sink=sink)
        return outcome.answer.answer, now()

    answer, seconds = run_virtually(timed())
    assert answer.splitlines()[1].strip() == '"said: 1 of 5: a",' and answer.count("said") == 5
    assert (seconds, client.max_open) == (3.0, 2)
    parts = [event for event in sink.events if isinstance(event, PartFinished)]
    assert sorted(part.part for part in parts) == ["[1]", "[2]", "[3]", "[4]", "[5]"]


async def test_one_item_that_fails_fails_the_loop_and_the_others_are_not_done_again(tmp_path: Path) -> None:
    flow, memo = workflow(tmp_path, LOOP), Memory()
    words = {"words": ["a", "b", "c"]}
    outcome = await run(flow, words, client=PromptedExperts({"2 of 3: b": "fail"}), memo=memo)
    assert outcome.results[0].error == "1 of 3 items failed; [2]: expert 'general': it was told to fail"
    again = PromptedExperts()
    outcome = await run(flow, words, client=again, memo=memo)
    assert again.asked == ["2 of 3: b"]
    assert outcome.status == "success" and outcome.answer.answer.count("said") == 3


async def test_an_empty_list_is_a_result_and_a_long_one_or_none_is_not(tmp_path: Path) -> None:
    flow = workflow(tmp_path, LOOP)
    assert (await run(flow, {"words": []})).answer.answer == "[]"
    outcome = await run(flow, {"words": list(range(101))})
    assert "it gives 101 items, and max_items is 100" in str(outcome.results[0].error)
    other = workflow(tmp_path, LOOP.replace("inputs.words", "inputs.words | join"))
    assert "it gives str, no list" in str((await run(other, {"words": ["a"]})).results[0].error)


async def test_a_sub_workflow_is_one_step_and_its_steps_are_its_parts(tmp_path: Path) -> None:
    inner = """
        name: inner
        inputs: {properties: {who: {type: string}}, required: [who]}
        steps:
          greet: {expert: general, prompt: "hello {{ inputs.who }}"}
          shout: {expert: general, prompt: "{{ steps.greet.result | upper }}"}
        output: "{{ steps.shout.result }}"
        """
    workflow(tmp_path, inner, "inner.yaml")
    flow = workflow(
        tmp_path,
        """
        name: outer
        inputs: {properties: {names: {type: array}}}
        steps:
          one: {workflow: inner.yaml, inputs: {who: Ann}}
          all: {for_each: inputs.names, workflow: inner.yaml, inputs: {who: "{{ item }}"}}
        output: "{{ steps.one.result }}; {{ steps.all.result | join(', ') }}"
        """,
    )
    sink, memo, client = EventList(), Memory(), PromptedExperts({"hello Cho": "fail"})
    outcome = await run(flow, {"names": ["Ben", "Cho"]}, sink=sink, memo=memo, client=client)
    parts = {event.part: event.result.status for event in sink.events if isinstance(event, PartFinished)}
    assert parts["greet"] == parts["shout"] == parts["[1].greet"] == parts["[1]"] == "success"
    assert (parts["[2].greet"], parts["[2].shout"], parts["[2]"]) == ("error", "skipped", "error")
    assert outcome.status == "error" and outcome.usage.num_prompt_tokens == 4 * 9
    again = PromptedExperts()
    outcome = await run(flow, {"names": ["Ben", "Cho"]}, memo=memo, client=again)
    assert again.asked == ["hello Cho", "SAID: HELLO CHO"]
    assert outcome.answer.answer == "said: SAID: HELLO ANN; said: SAID: HELLO BEN, said: SAID: HELLO CHO"


async def test_inputs_are_held_to_their_schema(tmp_path: Path) -> None:
    flow = workflow(tmp_path, CONDITIONS)
    with pytest.raises(InvalidInputs, match="'is_urgent' is a required property"):
        await run(flow)
    with pytest.raises(InvalidInputs, match="'typo' was unexpected"):
        await run(flow, {"is_urgent": True, "typo": 1})


async def test_a_template_that_cannot_be_filled_in_fails_its_step(tmp_path: Path) -> None:
    flow = workflow(
        tmp_path,
        """
        name: costly
        inputs: {properties: {text: {type: string}}}
        steps:
          costly:
            expert: general
            prompt: "{% for i in range(1000) %}{% for j in range(1000) %}x{% endfor %}{% endfor %}"
          fine: {expert: general, prompt: hello}
        """,
    )
    outcome = await run(flow)
    assert [result.status for result in outcome.results] == ["error", "success"]
    assert "it takes more than 10000 turns and calls" in str(outcome.results[0].error)


async def test_a_policy_that_fails_the_run_ends_it(tmp_path: Path) -> None:
    flow = workflow(
        tmp_path,
        """
        name: strict
        steps:
          broken: {expert: general, prompt: break, policy: {on_failure: fail}}
          after: {expert: general, prompt: "{{ steps.broken.status }}", needs_success: false}
        """,
    )
    outcome = await run(flow, client=PromptedExperts({"break": "fail"}))
    assert outcome.status == "error" and outcome.reason.startswith("step 1 failed, and the run with it")
    assert outcome.results[1].status == "skipped"


async def test_a_choice_holds_the_expert_to_the_list(tmp_path: Path) -> None:
    flow = workflow(tmp_path, "name: choice\nsteps:\n  mood: {expert: general, prompt: how, choices: [good, bad]}\n")
    outcome = await run(flow, client=PromptedExperts({"how": "good"}))
    assert outcome.answer.answer == "good"


APPROVAL = """
name: letters
inputs: {properties: {who: {type: string}}, required: [who]}
steps:
  draft: {expert: general, prompt: "a letter to {{ inputs.who }}"}
  aside: {expert: general, prompt: aside}
  check: {approval: "Send this?\\n{{ steps.draft.result }}, and all that is behind it, however long"}
  sent: {expert: general, prompt: "sent, as {{ steps.check.result }}"}
output: "{{ steps.sent.result }}"
"""


async def test_an_approval_stops_the_run_until_a_person_has_read_the_whole_question(tmp_path: Path) -> None:
    flow, memory, client = workflow(tmp_path, APPROVAL), Memory(), PromptedExperts()
    outcome = await run(flow, {"who": "Ann"}, client=client, memo=memory)
    assert outcome.status == "interrupted"
    assert [wanted.text for wanted in outcome.wanted] == [
        "Send this?\nsaid: a letter to Ann, and all that is behind it, however long"
    ]
    await memory.approve(outcome.plan, outcome.wanted)
    outcome = await run(flow, {"who": "Ann"}, client=client, memo=memory)
    assert (outcome.status, outcome.answer.answer) == ("success", "said: sent, as yes")
    assert sorted(client.asked) == ["a letter to Ann", "aside", "sent, as yes"]


async def test_what_a_person_rejects_is_not_done(tmp_path: Path) -> None:
    flow, memory, client = workflow(tmp_path, APPROVAL), Memory(), PromptedExperts()
    outcome = await run(flow, {"who": "Ann"}, client=client, memo=memory)
    await memory.answer(outcome.plan, outcome.wanted[0], PersonAnswer(decision="reject", text="too late"))
    outcome = await run(flow, {"who": "Ann"}, client=client, memo=memory)
    assert outcome.status == "error"
    assert "sent, as" not in " ".join(client.asked)
