"""The direct path: one step, whose text is the answer as it is written."""

import pytest

from graphs.direct import direct_answer, direct_plan
from graphs.errors import GenerationError
from graphs.events import Answered, AnswerToken, Planned, StepResult
from graphs.limits import Limits
from graphs.run import RunOutcome, run_task
from graphs.step_runner import UNSURE
from graphs.tools.calculator import Calculator
from graphs.turn import Turn
from tests.graphs.scripted_client import EventList, ScriptedClient


async def answered(client: ScriptedClient, sink: EventList, task: str, expert: str) -> RunOutcome:
    plan = direct_plan(task, expert, {expert: 0.97}, 0.01)
    return await run_task(task, client=client, tools={"calculator": Calculator()}, sink=sink, plan=plan)


def told(sink: EventList) -> str:
    return "".join(event.text for event in sink.events if isinstance(event, AnswerToken))


async def test_neither_planner_nor_joiner_is_asked(sink: EventList) -> None:
    client = ScriptedClient(answers={"general": {"Hello!": "Hello, how are you?"}})
    outcome = await answered(client, sink, "Hello!", "general")
    assert outcome.answer.answer == told(sink) == "Hello, how are you?"
    assert (outcome.status, outcome.answer.source) == ("success", "step")
    assert [(expert, prompt.step) for expert, prompt in client.prompts] == [("general", "")]
    assert len(sink.of_type("answer_token")) > 1
    planned = sink.events[0]
    assert isinstance(planned, Planned)
    assert (planned.source, planned.num_output_tokens) == ("gate", 0)
    assert planned.plan.steps[0].scores == {"general": 0.97}


async def test_what_the_tool_computed_is_the_answer_and_its_call_is_not(sink: EventList) -> None:
    client = ScriptedClient(answers={"math": {"What is 24 times 12?": "24 * 12"}})
    outcome = await answered(client, sink, "What is 24 times 12?", "math")
    assert outcome.answer.answer == told(sink) == "288"


async def test_a_doubt_stands_behind_the_answer(sink: EventList) -> None:
    client = ScriptedClient(answers={"general": {"How old are you?": "I am 30."}})
    outcome = await answered(client, sink, "How old are you?", "general")
    assert outcome.answer.answer == told(sink) == "I am 30. (unverified: 30 comes from the expert, not from a tool)"


async def test_a_step_that_fails_is_not_answered(sink: EventList) -> None:
    outcome = await answered(ScriptedClient(), sink, "Hello!", "general")
    assert (outcome.status, outcome.answer.source) == ("error", "assembled")
    assert "not answered" in outcome.answer.answer


async def test_a_step_that_fails_may_be_planned_anew(sink: EventList) -> None:
    client = ScriptedClient([("Say hello", "general")], {"general": {"Say hello": "Hello"}})
    plan = direct_plan("Say hello", "law", {"law": 0.9}, 0.0)
    outcome = await run_task("Say hello", client=client, tools={}, sink=sink, plan=plan, limits=Limits(max_rounds=2))
    assert (outcome.status, outcome.plan.steps[-1].expert) == ("success", "general")


async def test_the_words_of_a_second_attempt_are_not_streamed_behind_the_first(sink: EventList) -> None:
    class Faltering(ScriptedClient):
        def _answer(self, expert: str, prompt: object) -> str:
            if sink.of_type("step_token"):
                return "Good day"
            return "Hello " * 100

    client = Faltering(max_tokens=3)
    await answered(client, sink, "Hello!", "general")
    assert told(sink).startswith("Hello Hello Hello")


def test_doubts_of_a_long_answer_have_a_line_of_their_own() -> None:
    result = StepResult(id=1, status="success", result="a\nb", warnings=("cut off",))
    assert direct_answer("Hello!", result) == "a\nb\n(unverified: cut off)"


def test_small_talk_may_be_unsure() -> None:
    result = StepResult(id=1, status="success", result="Hello", warnings=(UNSURE,))
    assert direct_answer("Hello!", result) == "Hello"
    assert direct_answer("What happened in 1848?", result) == "Hello (unverified: the expert was unsure)"


async def test_a_follow_up_computes_with_the_last_result(sink: EventList) -> None:
    client = ScriptedClient(answers={"math": {"Multiply 288 by 3": "288 * 3"}})
    turns = [Turn(task="What is 24 times 12?", answer="288", result="288")]
    plan = direct_plan("Multiply 288 by 3", "math", {"math": 1.0}, 0.0)
    tools = {"calculator": Calculator()}
    outcome = await run_task("Multiply that by 3", client=client, tools=tools, sink=sink, plan=plan, turns=turns)
    assert outcome.answer.answer == "864"
    _, prompt = client.prompts[0]
    assert (prompt.task, prompt.step, prompt.turns) == ("Multiply 288 by 3", "", tuple(turns))


async def test_planner_steps_and_joiner_read_the_earlier_turns(sink: EventList) -> None:
    """The planner may copy from them, and their numbers are known to the joiner's checks."""
    turns = [Turn(task="What does the Quest 300 cost?", answer="It costs 2474.")]
    client = ScriptedClient(
        [("2474 times 3", "math")],
        {
            "math": {"2474 times 3": "2474 * 3"},
            "general": {"Give the answer in one sentence.": "2474 times 3 is 7422."},
        },
    )
    tools = {"calculator": Calculator()}
    outcome = await run_task("And three, times 3?", client=client, tools=tools, sink=sink, turns=turns)
    assert outcome.answer.source == "joiner", outcome.answer.reason
    assert [expert for expert, _ in client.prompts] == ["planner", "planner", "math", "general"]
    assert all(prompt.turns == tuple(turns) for _, prompt in client.prompts)
    assert isinstance(sink.events[-1], Answered)


async def test_the_planner_cannot_copy_what_nobody_said(sink: EventList) -> None:
    client = ScriptedClient([("2475 times 3", "math")])
    with pytest.raises((AssertionError, GenerationError)):
        turns = [Turn(task="What does the Quest 300 cost?", answer="It costs 2474.")]
        await run_task("And three, times 3?", client=client, tools={}, sink=sink, turns=turns)
