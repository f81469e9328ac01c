"""A chat becomes a task with the turns before it, and its answer."""

from typing import Any

import pytest

from experts.prompt import PromptParts, PromptTurn
from experts.training.chat import parts_and_answer


def message(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


SYSTEM, FIRST, REPLY = message("system", "Be brief."), message("user", " How much? "), message("assistant", "12")
SECOND, LAST = message("user", "And twice?"), message("assistant", "24\n")


@pytest.mark.parametrize(
    ("messages", "parts", "answer"),
    [
        ([FIRST, REPLY], PromptParts("How much?"), "12"),
        ([SYSTEM, FIRST, REPLY], PromptParts("Be brief.\nUser: How much?"), "12"),
        ([FIRST, SECOND, LAST], PromptParts("User: How much?\nUser: And twice?"), "24"),
        ([FIRST, REPLY, SECOND, LAST], PromptParts("And twice?", turns=(PromptTurn("How much?", "12"),)), "24"),
    ],
)
def test_what_is_before_the_last_message_is_asked(messages: list[Any], parts: PromptParts, answer: str) -> None:
    assert parts_and_answer(messages) == (parts, answer)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "list that is not empty"),
        ("hello", "list that is not empty"),
        ([FIRST], "the last of the messages"),
        ([FIRST, REPLY, SECOND], "the last of the messages"),
        ([REPLY], "need one of the user"),
        ([SYSTEM, REPLY], "need one of the user"),
        ([FIRST, message("tool", "x"), REPLY], "message 2 must have the role"),
        (["hello", REPLY], "message 1 must have the role"),
        ([FIRST, message("assistant", " ")], "message 2 must have a content"),
        ([message("user", [{"type": "text"}]), REPLY], "message 1 must have a content"),
    ],
)
def test_a_chat_without_a_question_or_an_answer_says_so(messages: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parts_and_answer(messages)
