"""A chat as a task and its answer: experts are asked for tasks, so a chat is learnt in that layout too."""

from typing import Any, cast

_SPEAKERS = {"user": "User", "assistant": "Assistant"}


def task_and_answer(messages: object) -> tuple[str, str]:
    """The task that a list of `{"role", "content"}` makes, and the answer: its last message, the assistant's.

    A single user message is the task as it is. Of a longer chat the task is its transcript: system messages as they
    are, before each other one its speaker (`User: …`, `Assistant: …`), a line break between two. Raises ValueError
    saying what is wrong.
    """
    if not isinstance(messages, list) or not messages:
        raise ValueError("field 'messages' must be a list that is not empty")
    said = [_said(number, message) for number, message in enumerate(cast(list[Any], messages), 1)]
    *before, (role, answer) = said
    if role != "assistant":
        raise ValueError("the last of the messages must be the assistant's: it is the answer to learn")
    if not any(role == "user" for role, _ in before):
        raise ValueError("the messages before the answer need one of the user")
    if len(before) == 1:
        return before[0][1], answer
    return "\n".join(f"{_SPEAKERS[role]}: {text}" if role in _SPEAKERS else text for role, text in before), answer


def _said(number: int, message: Any) -> tuple[str, str]:
    """Role and text of a message."""
    role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
    if role not in ("system", "user", "assistant"):
        raise ValueError(f"message {number} must have the role system, user or assistant")
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"message {number} must have a content that is a text and not empty")
    return str(role), content.strip()
