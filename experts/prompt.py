"""The one prompt layout, in training as in service.

    template's opening | earlier turns | task | inputs in step order | step | tool's context | suffix + closing | forced

Segments are tokenised apart and joined as ids: experts share the tokens of a prompt up to the step's own part. Earlier
turns are messages of their own, each task as it was asked; a prompt without any has no trace of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

MAX_TURN_TOKENS = 1024
"""Of all earlier turns together, with what the template puts between; whole turns, the newest ones."""
MAX_MESSAGE_TOKENS = 256
"""Of a turn's task, and of its answer: the end of a longer one is left out."""
_MARK = "\x00"


class Tokenizer(Protocol):
    """What is used of a transformers tokenizer."""

    chat_template: Any

    def encode(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> list[int]: ...

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class PromptInput:
    """A result that the prompt reads, as ids where they are known."""

    id: int
    text: str
    result: str
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class PromptTurn:
    """What was asked before, and the answer."""

    task: str
    answer: str


@dataclass(frozen=True, slots=True)
class PromptParts:
    """The parts of a prompt, in their order. `forced` is the beginning of the answer, already decided, in segments."""

    task: str
    inputs: tuple[PromptInput, ...] = ()
    step: str = ""
    context: str = ""
    forced: tuple[str, ...] = ()
    turns: tuple[PromptTurn, ...] = ()


class PromptRenderer:
    """Parts to token ids, for one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        opening, self._closing = "", "\n"
        if tokenizer.chat_template:
            opening, self._closing = self._around_messages(1)
        self._opening = self.encode(opening, template=True)

    @property
    def num_opening_tokens(self) -> int:
        """Of the template, before the task: the same in every prompt."""
        return len(self._opening)

    def beginning(self, task: str, turns: Sequence[PromptTurn] = ()) -> list[int]:
        """Token ids that every prompt for a task begins with."""
        return [*self._opening, *self._newest(turns), *self.encode(f"Task: {task}\n")]

    def render(self, parts: PromptParts, suffix: str = "") -> list[int]:
        """Token ids of the whole prompt, `forced` included."""
        ids = self.beginning(parts.task, parts.turns)
        for item in parts.inputs:
            result = self.encode(item.result) if item.token_ids is None else item.token_ids
            ids += [*self.encode(f"#{item.id} {item.text} = "), *result, *self.encode("\n")]
        if parts.step:
            ids += self.encode(f"Step: {parts.step}\n")
        if parts.context:
            ids += self.encode(f"{parts.context}\n")
        ids += self.encode(suffix + self._closing, template=True)
        return ids + [token_id for segment in parts.forced for token_id in self.encode(segment)]

    def _newest(self, turns: Sequence[PromptTurn]) -> list[int]:
        """The newest turns that have room, in their order."""
        ids: list[int] = []
        for turn in reversed(turns):
            earlier = [*self._turn(turn), *ids]
            if len(earlier) > MAX_TURN_TOKENS:
                break
            ids = earlier
        return ids

    def _turn(self, turn: PromptTurn) -> list[int]:
        task = self.encode(f"Task: {turn.task}\n")[:MAX_MESSAGE_TOKENS]
        answer = self.encode(turn.answer)[:MAX_MESSAGE_TOKENS]
        before_answer, before_task = self._between
        return [*task, *before_answer, *answer, *before_task]

    @cached_property
    def _between(self) -> tuple[list[int], list[int]]:
        """What the template puts before an answer, and before the task behind it."""
        if not self._tokenizer.chat_template:
            return self.encode(self._closing), self.encode("\n\n")
        _, before_answer, before_task, _ = self._around_messages(3)
        return self.encode(before_answer, template=True), self.encode(before_task, template=True)

    def _around_messages(self, number: int) -> list[str]:
        """What the template puts before, between and behind the messages of a chat that a user begins and ends."""
        messages = [{"role": ("user", "assistant")[k % 2], "content": _MARK} for k in range(number)]
        text: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text.split(_MARK)

    def render_messages(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Token ids of a chat, by the tokenizer's own template."""
        text: str = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return self.encode(text, template=True)

    def encode(self, text: str, *, template: bool = False) -> list[int]:
        """Only the template may hold special tokens; in a user's text they are plain characters."""
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not template) if text else []
