"""The direct path: one step for the expert that is surely the right one, and its result is the answer.

Nobody writes a plan and nobody phrases the answer, so small talk and single questions cost one generation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from graphs.events import Answered, AnswerToken, EventSink, GraphEvent, Planned, StepResult, StepStarted, StepToken
from graphs.grammar import quotable
from graphs.one_question import is_small_talk
from graphs.plan import Plan, Step
from graphs.step_runner import UNSURE


def direct_plan(task: str, expert: str, scores: Mapping[str, float], seconds: float) -> Planned:
    """The task as one step for an expert, with the gate's scores."""
    step = Step(id=1, text=quotable(task), expert=expert, scores=dict(scores))
    return Planned(plan=Plan(steps=(step,)), source="gate", seconds=seconds)


def direct_answer(task: str, result: StepResult) -> str:
    """The result; doubts stand behind it. Small talk claims nothing that one could be sure of."""
    doubts = [doubt for doubt in result.warnings if doubt != UNSURE or not is_small_talk(task)]
    if not doubts:
        return result.result
    between = "\n" if "\n" in result.result else " "
    return f"{result.result}{between}(unverified: {'; '.join(doubts)})"


@dataclass(slots=True)
class DirectSink:
    """An EventSink that tells the step's text as the answer's too, as it is written.

    What a tool is called with is no answer, and neither is a second attempt behind the words of the first.
    """

    sink: EventSink
    has_tool: bool
    num_attempts: int = 0
    told: str = ""

    async def emit(self, event: GraphEvent) -> None:
        """Pass it on."""
        match event:
            case StepStarted():
                self.num_attempts += 1
            case Answered(source="step", answer=answer) if answer.startswith(self.told):
                await self._tell(answer[len(self.told) :])
            case _:
                pass
        await self.sink.emit(event)
        if isinstance(event, StepToken) and self.num_attempts == 1 and not self.has_tool:
            await self._tell(event.text if self.told else event.text.lstrip())

    async def _tell(self, text: str) -> None:
        if text:
            self.told += text
            await self.sink.emit(AnswerToken(text=text))
