"""When a task is not planned: its words, the gate, and the tools all have to agree."""

import threading
from dataclasses import dataclass, field, replace

import pytest

from experts.errors import EngineBusy
from graphs.plan import Step
from graphs.protocols import ExpertProfile, Tool
from graphs.tools.calculator import Calculator
from graphs.turn import Turn
from orchestrator.direct_path import plan_directly
from orchestrator.gate_answer import GateAnswer, RuleThatFired
from orchestrator.run import Mode
from orchestrator.service import Service
from orchestrator.settings import read_settings
from tests.orchestrator.scripted_experts import ScriptedExperts, open_scripted_experts

TOOLS: dict[str, Tool] = {"calculator": Calculator()}
SURE = GateAnswer(
    expert="math",
    reason="classifier",
    rule=None,
    scores={"math": 0.97, "general": 0.03},
    threshold=0.8,
    fired=[],
    remark="",
    num_prompt_tokens=8,
    num_reused_tokens=0,
    num_reusable_tokens=0,
)
SMALL_TALK = SURE.model_copy(update={"expert": "general", "scores": {"general": 0.9, "math": 0.1}})


@dataclass
class GatedExperts(ScriptedExperts):
    """Experts whose gate says what a test wants; `math` has the calculator."""

    answer: GateAnswer = SURE
    tool: str | None = "calculator"
    is_busy: bool = False
    asked: list[str] = field(default_factory=list[str])

    def profiles(self) -> list[ExpertProfile]:
        general = ExpertProfile("general", "g1", "general", "anything")
        return [general, replace(general, name="math", tool=self.tool)]

    async def gate(self, text: str) -> GateAnswer:
        self.asked.append(text)
        if self.is_busy:
            raise EngineBusy(1)
        return self.answer


async def step_of(task: str, experts: GatedExperts, mode: Mode = Mode.AUTO, *turns: Turn) -> Step | None:
    planned = await plan_directly(task, turns, mode, experts, TOOLS)
    if planned is None:
        return None
    assert (planned.source, planned.num_prompt_tokens, planned.num_output_tokens) == ("gate", 0, 0)
    [step] = planned.plan.steps
    return step


async def test_one_question_whose_expert_is_sure_is_one_step() -> None:
    step = await step_of("What is 24 times 12?", GatedExperts())
    assert step is not None
    assert (step.text, step.expert, step.scores) == ("What is 24 times 12?", "math", SURE.scores)


async def test_several_steps_are_planned_and_the_gate_is_not_asked() -> None:
    experts = GatedExperts()
    assert await step_of("What is 24 times 12? Then halve it.", experts) is None
    assert await step_of("What is 24 times 12?", experts, Mode.PLAN) is None
    assert experts.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": {"math": 0.89, "general": 0.11}},
        {"expert": "general", "reason": "threshold"},
        {"expert": "general", "reason": "nothing"},
        {"expert": "law"},
    ],
)
async def test_a_doubt_of_the_gate_asks_the_planner(changes: dict[str, object]) -> None:
    scores = {"law": 0.97, **SURE.scores}
    answer = SURE.model_copy(update={"scores": scores, **changes})
    experts = GatedExperts(answer)
    assert await step_of("What is 24 times 12?", experts) is None
    step = await step_of("What is 24 times 12?", experts, Mode.DIRECT)
    assert step is not None and step.expert == answer.expert


async def test_a_rule_of_one_expert_is_sure_and_those_of_two_are_not() -> None:
    fired = [RuleThatFired(expert=name, kind="keyword", rule="x", found="x") for name in ("math", "general")]
    one = SURE.model_copy(update={"reason": "rule", "fired": fired[:1], "scores": {"math": 0.5}})
    assert await step_of("What is 24 times 12?", GatedExperts(one)) is not None
    assert await step_of("What is 24 times 12?", GatedExperts(one.model_copy(update={"fired": fired}))) is None


async def test_an_expert_needs_its_tool_and_something_for_it() -> None:
    assert await step_of("What is 24 times 12?", GatedExperts(tool="sql")) is None
    assert await step_of("What is a sum?", GatedExperts()) is None
    assert await step_of("What is a sum?", GatedExperts(tool=None)) is not None


async def test_small_talk_goes_to_general_and_questions_of_the_world_are_planned() -> None:
    step = await step_of("Tell me a joke about the sea.", GatedExperts(SMALL_TALK))
    assert step is not None and step.expert == "general"
    assert await step_of("Who directed the film of Greta Garbo?", GatedExperts(SMALL_TALK)) is None


async def test_thanks_go_to_general_whatever_the_gate_says() -> None:
    step = await step_of("thanks, that helps", GatedExperts())
    assert step is not None and step.expert == "general"


async def test_a_follow_up_is_one_question_once_the_result_is_in_it() -> None:
    experts = GatedExperts()
    assert await step_of("Multiply that by 3", experts) is None
    step = await step_of("Multiply that by 3", experts, Mode.AUTO, Turn(task="?", answer="288", result="288"))
    assert step is not None and step.text == "Multiply 288 by 3"
    assert experts.asked == ["Multiply 288 by 3"]


async def test_the_event_loop_does_not_wait_for_tools() -> None:
    threads: set[int] = set()

    class Reading(Calculator):
        def recognises(self, text: str) -> bool | None:
            threads.add(threading.get_ident())
            return None

    for answer in (SURE, SMALL_TALK):
        threads.clear()
        await plan_directly("Tell me a joke.", (), Mode.AUTO, GatedExperts(answer), {"calculator": Reading()})
        assert threads and threading.get_ident() not in threads


async def test_a_gate_that_cannot_be_asked_leaves_it_to_the_planner() -> None:
    experts = GatedExperts(is_busy=True)
    assert await step_of("What is 24 times 12?", experts) is None
    with pytest.raises(EngineBusy):
        await step_of("What is 24 times 12?", experts, Mode.DIRECT)


async def test_the_setting_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_DIRECT", "off")
    async with Service.open(read_settings(), open_scripted_experts) as service:
        sources = [await _source(service, "say sum", mode) for mode in (Mode.AUTO, Mode.DIRECT)]
    assert sources == ["planner", "gate"]


async def _source(service: Service, task: str, mode: Mode) -> str:
    run = await service.submit(task, mode=mode)
    events = [entry.event async for entry in service.events(run.id)]
    return next(event.source for event in events if event.type == "planned")
