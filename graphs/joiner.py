"""The joiner phrases the answer; where it cannot be held to the results, the answer is assembled from them."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphs.assembly import assemble_answer
from graphs.budget import Budget, Meter
from graphs.direct import direct_answer
from graphs.errors import BudgetExhausted, GenerationError
from graphs.events import Answered, AnswerToken, EventSink, Planned, StepResult
from graphs.generation import Generation, Question, ask
from graphs.grammar import literal
from graphs.numbers import foreign_numbers, written_numbers
from graphs.protocols import Constraint, ExpertClient, Prompt, StepInput
from graphs.state import Results
from graphs.step_runner import filled_text
from graphs.turn import Turn, said

INSTRUCTION = "Give the answer in one sentence."
MAX_RESULT_CHARS = 80
MISSING = ("error", "skipped")
_STEM_CHARS = 4
_LINKING_WORDS = (
    "answer result total sum difference product average number amount make give get there so therefore then have has "
    "be been will would at with for by from if as all both each first second together final equal describe type"
)
_SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+")
_PART_ENDS = re.compile(r"(?<=[.,;:!?])\s+|\s+(?=and\b)")
_EMPTY_WORDS = frozenset(
    "a an the of to in on is are was were do does did what which how many much and or it that this".split(" ")
)
_BETWEEN = r"""
BEFORE: /[^\d\n]{0,120}[ ("$€£]/
LINK: /[ ]|[ .,;:!?)"'][^\d\n]{0,120}[ ("$€£]/
AFTER: /[ .,;:!?)"'][^\d\n]{0,120}/"""


def answer_grammar(numbers: Sequence[str], sink_results: Sequence[str]) -> str:
    """A Lark grammar: every sink's result in order, free text without digits between, and numbers only from the list.

    What stands between two numbers cannot make one of them. It is one terminal, because the lexer is greedy.
    """
    mention = "(NUMBER LINK){0,3} " if numbers else ""
    tail = " (LINK NUMBER){0,3}" if numbers else ""
    values = " LINK ".join(mention + literal(result) for result in sink_results)
    lines = ["start: ANSWER", f"ANSWER: BEFORE? {values}{tail} AFTER?"]
    if numbers:
        lines.append(f"NUMBER: {' | '.join(literal(number) for number in numbers)}")
    return "\n".join(lines) + _BETWEEN


@dataclass(frozen=True, slots=True)
class Joiner:
    """Answers the task from the results of a plan's steps."""

    task: str
    planned: Planned
    client: ExpertClient
    sink: EventSink
    expert: str = "general"
    max_tokens: int = 128
    meter: Meter = field(default_factory=lambda: Meter(Budget()))
    turns: tuple[Turn, ...] = ()

    @property
    def _asked(self) -> tuple[str, ...]:
        """What the user knows without the results."""
        return (self.task, *said(self.turns))

    def asks_for_another_round(self, results: Results) -> bool:
        """Whether there is nothing to answer from: no final step has a result."""
        return all(results[step.id].status != "success" for step in self.planned.plan.sinks)

    async def join(self, results: Results) -> Answered:
        """The answer. It is assembled, with the reason, unless the joiner's own words pass every check.

        On the direct path it is the step's result. Passages of the user's files that a step found are cited below it.
        """
        started = time.perf_counter()
        generation: Generation | None = None
        without = {status: tuple(k for k, one in sorted(results.items()) if one.status == status) for status in MISSING}
        results = {step.id: results[step.id] for step in self.planned.plan.answering}
        if self.planned.source == "gate" and results[1].status == "success":
            answer = direct_answer(self.task, results[1])
            answered = Answered(answer=answer + _sources(answer, results), source="step")
            await self.sink.emit(answered)
            return answered
        reason = self._reason_to_assemble(results)
        if not reason:
            try:
                generation = await self._phrase(results)
                reason = self._fault(generation, results)
            except (GenerationError, BudgetExhausted) as error:
                reason = error.reason
        assembled = assemble_answer(self.planned.plan, results, self.planned.warnings)
        answer = generation.text.strip() if generation and not reason else assembled
        answered = Answered(
            answer=answer + _sources(answer, results),
            source="assembled" if reason else "joiner",
            reason=reason,
            failed=without["error"],
            skipped=without["skipped"],
            num_prompt_tokens=generation.num_prompt_tokens if generation else 0,
            num_output_tokens=generation.num_output_tokens if generation else 0,
            seconds=time.perf_counter() - started,
        )
        await self.sink.emit(answered)
        return answered

    def _sink_results(self, results: Results) -> list[str]:
        return [results[step.id].result for step in self.planned.plan.sinks]

    def _reason_to_assemble(self, results: Results) -> str:
        for k, result in sorted(results.items()):
            if result.status != "success":
                return f"step {k} has no result"
            if result.warnings:
                return f"step {k} is in doubt: {result.warnings[0]}"
        if self.planned.warnings:
            return self.planned.warnings[0]
        if any(len(result) > MAX_RESULT_CHARS or "\n" in result for result in self._sink_results(results)):
            return "a result is too long to be quoted in a sentence"
        return ""

    async def _phrase(self, results: Results) -> Generation:
        inputs = tuple(
            StepInput(step.id, filled_text(step, results), results[step.id].result, results[step.id].token_ids)
            for step in self.planned.plan.answering
        )
        texts = (*self._asked, *(known.result for known in inputs))
        numbers = tuple(dict.fromkeys(number for text in texts for number in written_numbers(text)))
        constraint = Constraint("lark", answer_grammar(numbers, self._sink_results(results)))
        prompt = Prompt(self.task, inputs, INSTRUCTION, turns=self.turns)
        async with self.meter.in_time():
            return await ask(self.client, Question(self.expert, prompt, self.max_tokens, constraint), self._show)

    async def _show(self, text: str) -> None:
        await self.sink.emit(AnswerToken(text=text))

    def _fault(self, generation: Generation, results: Results) -> str:
        if not generation.is_whole:
            return f"the joiner was cut off after {self.max_tokens} tokens"
        if foreign := foreign_numbers(generation.text, (*self._asked, *(result.result for result in results.values()))):
            return f"the joiner wrote {', '.join(foreign)}, which is in no result"
        left_out = [result for result in self._sink_results(results) if not _quotes(generation.text, result)]
        if left_out:
            return f"the joiner left out {left_out[0]!r}"
        sentences = _SENTENCE_ENDS.split(generation.text.strip().lower())
        if repeated := [sentence for sentence in sentences if sentences.count(sentence) > 1]:
            return f"the joiner says {repeated[0]!r} again and again"
        if foreign := self._foreign_words(generation.text, results):
            return f"the joiner speaks of {foreign[0]!r}, which is in no step"
        asked = {step.id: _content(filled_text(step, results)) for step in self.planned.plan.answering}
        mixed = [result for result in results.values() if _is_misplaced(result, generation.text, results, asked)]
        return f"the joiner may say {mixed[0].result!r} of something else" if mixed else ""

    def _foreign_words(self, answer: str, results: Results) -> list[str]:
        """Words that neither the task nor a step nor a result has, in any inflection."""
        asked = " ".join(filled_text(step, results) for step in self.planned.plan.answering)
        known = _content(" ".join((*self._asked, asked, _LINKING_WORDS, *(found.result for found in results.values()))))
        stems = {word[:_STEM_CHARS] for word in known}
        return sorted(word for word in _content(answer) if word[:_STEM_CHARS] not in stems)


def _is_misplaced(result: StepResult, answer: str, results: Results, asked: Mapping[int, set[str]]) -> bool:
    """Whether a part of the sentence that gives the result speaks more of another step than of the result's own.

    `asked` has the words of each step's text.
    """
    for part in _PART_ENDS.split(answer):
        if _quotes(part, result.result):
            words = _content(part) - _content(result.result)
            others = (len(words & asked[k]) for k, other in results.items() if other.result != result.result)
            if len(words & asked[result.id]) < max(others, default=0):
                return True
    return False


def _sources(answer: str, results: Results) -> str:
    """A line with the places in the user's files that results come from and the answer does not cite itself."""
    places = (place for _, result in sorted(results.items()) for place in result.sources)
    found = dict.fromkeys(place for place in places if place not in answer)
    return f"\nSources: {', '.join(found)}" if found else ""


def _content(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if word not in _EMPTY_WORDS}


def _quotes(answer: str, result: str) -> bool:
    return re.search(rf"(?<![\w.,-]){re.escape(result)}(?!\w|[.,]\d)", answer) is not None
