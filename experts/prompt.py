"""The one prompt layout, in training as in service.

    template's opening | task | inputs in step order | step | tool's context | suffix + template's closing | forced

Segments are tokenised apart and joined as ids: experts share the tokens of a prompt up to the step's own part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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
class PromptParts:
    """The parts of a prompt, in their order. `forced` is the beginning of the answer, already decided, in segments."""

    task: str
    inputs: tuple[PromptInput, ...] = ()
    step: str = ""
    context: str = ""
    forced: tuple[str, ...] = ()


class PromptRenderer:
    """Parts to token ids, for one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        opening, self._closing = "", "\n"
        if tokenizer.chat_template:
            message = [{"role": "user", "content": _MARK}]
            text: str = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
            opening, self._closing = text.split(_MARK)
        self._opening = self.encode(opening, template=True)

    @property
    def num_opening_tokens(self) -> int:
        """Of the template, before the task: the same in every prompt."""
        return len(self._opening)

    def beginning(self, task: str) -> list[int]:
        """Token ids that every prompt for a task begins with."""
        return [*self._opening, *self.encode(f"Task: {task}\n")]

    def render(self, parts: PromptParts, suffix: str = "") -> list[int]:
        """Token ids of the whole prompt, `forced` included."""
        ids = self.beginning(parts.task)
        for item in parts.inputs:
            result = self.encode(item.result) if item.token_ids is None else item.token_ids
            ids += [*self.encode(f"#{item.id} {item.text} = "), *result, *self.encode("\n")]
        if parts.step:
            ids += self.encode(f"Step: {parts.step}\n")
        if parts.context:
            ids += self.encode(f"{parts.context}\n")
        ids += self.encode(suffix + self._closing, template=True)
        return ids + [token_id for segment in parts.forced for token_id in self.encode(segment)]

    def render_messages(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Token ids of a chat, by the tokenizer's own template."""
        text: str = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return self.encode(text, template=True)

    def encode(self, text: str, *, template: bool = False) -> list[int]:
        """Only the template may hold special tokens; in a user's text they are plain characters."""
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not template) if text else []
