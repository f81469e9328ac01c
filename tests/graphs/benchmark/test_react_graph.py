"""A ReAct loop: the expert calls tools, reads what they found, and answers."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphs.benchmark.react_graph import MAX_CALLS, ReactGraph
from graphs.errors import GenerationError
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from graphs.tools.calculator import Calculator
from tests.graphs.grammar_proof import accepts_json


@dataclass
class Thinker:
    """Writes one line after the other, the last one for ever."""

    lines: Sequence[dict[str, str]]
    prompts: list[Prompt] = field(default_factory=list[Prompt])

    def profiles(self) -> Sequence[ExpertProfile]:
        return [ExpertProfile("general", "v1", "general", "anything")]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        assert constraint is not None
        line: Any = self.lines[min(len(self.prompts), len(self.lines) - 1)]
        self.prompts.append(prompt)
        if not line:
            raise GenerationError(expert, "it is gone")
        written = json.dumps(line, separators=(",", ":"))
        assert accepts_json(constraint.value, written)
        yield Generated(written, (1,), (-0.1,), "stop")

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        raise NotImplementedError


def graph(*lines: dict[str, str]) -> tuple[ReactGraph, Thinker]:
    thinker = Thinker(lines)
    return ReactGraph(thinker, {"calculator": Calculator()}), thinker


async def test_what_a_tool_found_is_read_before_the_answer() -> None:
    react, thinker = graph({"tool": "calculator", "input": "24 * 12"}, {"answer": "It is 288."})
    assert await react.answer("What is 24 times 12?") == "It is 288."
    assert [(one.text, one.result) for one in thinker.prompts[1].inputs] == [("calculator: 24 * 12", "288")]


async def test_a_failed_call_is_an_observation() -> None:
    react, thinker = graph({"tool": "calculator", "input": "1 / 0"}, {"answer": "I do not know."})
    assert await react.answer("What is 1 divided by 0?") == "I do not know."
    assert thinker.prompts[1].inputs[0].result.startswith("error:")


async def test_the_loop_ends() -> None:
    react, thinker = graph({"tool": "calculator", "input": "1 + 1"})
    assert await react.answer("For ever.") == ""
    assert len(thinker.prompts) == MAX_CALLS


async def test_an_expert_that_fails_has_no_answer() -> None:
    assert await graph({})[0].answer("What?") == ""
