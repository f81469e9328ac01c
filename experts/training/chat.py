"""A chat as a task with the turns before it, and its answer: it is learnt in the layout of the service's threads."""

from typing import Any, cast

from experts.prompt import PromptParts, PromptTurn

_SPEAKERS = {"user": "User", "assistant": "Assistant"}


def parts_and_answer(messages: object) -> tuple[PromptParts, str]:
    """The prompt that a list of `{"role", "content"}` makes, and the answer: its last message, the assistant's.

    Where user and assistant take turns, the user's last message is the task behind the earlier turns. Otherwise the
    task is the transcript: system messages as they are, before each other one its speaker (`User: …`,
    `Assistant: …`), a line break between two. Raises ValueError saying what is wrong.
    """
    if not isinstance(messages, list) or not messages:
        raise ValueError("field 'messages' must be a list that is not empty")
    said = [_said(number, message) for number, message in enumerate(cast(list[Any], messages), 1)]
    *before, (role, answer) = said
    if role != "assistant":
        raise ValueError("the last of the messages must be the assistant's: it is the answer to learn")
    if not any(role == "user" for role, _ in before):
        raise ValueError("the messages before the answer need one of the user")
    texts = [text for _, text in before]
    if [role for role, _ in before] == [("user", "assistant")[k % 2] for k in range(len(before))]:
        turns = tuple(PromptTurn(*turn) for turn in zip(texts[:-1:2], texts[1::2], strict=True))
        return PromptParts(texts[-1], turns=turns), answer
    lines = (f"{_SPEAKERS[role]}: {text}" if role in _SPEAKERS else text for role, text in before)
    return PromptParts("\n".join(lines)), answer


def _said(number: int, message: Any) -> tuple[str, str]:
    """Role and text of a message."""
    role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
    if role not in ("system", "user", "assistant"):
        raise ValueError(f"message {number} must have the role system, user or assistant")
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"message {number} must have a content that is a text and not empty")
    return str(role), content.strip()
