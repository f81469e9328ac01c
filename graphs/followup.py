"""A follow-up that computes with the last result, `Multiply that by 3`, with the result put in its place.

A rule, and a narrow one: an order of arithmetic whose operand is a pronoun or the kind of result, and an earlier turn
whose answer comes down to a number. Everything else is left to the experts, who see the earlier turns.
"""

import re
from collections.abc import Sequence

from graphs.numbers import written_numbers
from graphs.turn import Turn

_CONNECTIVES = r"\W*(?:(?:and|then|now|next|please|also|ok|okay)\W+)*"
_ORDER = (
    r"(?:add|subtract|take|multiply|divide|double|triple|halve|increase|reduce|raise|round|square|share|split)\b"
    r"(?:[^.?!;#]{0,40}?\b(?:by|to|from|of))?"
)
_QUESTION = r"(?:what is|what's|how much is)"
_RESULT = r"(?:that|it|this|(?:the|that|this) (?:result|answer|number|sum|total|difference|product|amount|value))"
_OPERATION = (
    r"(?:by|to|from|with|into|up|among|between|plus|minus|times|divided|multiplied|increased|reduced|equally|squared)\b"
)
_END = r"\s*(?:[.?!]|$)|,? (?:and|then)\b"
_FOLLOW_UP = re.compile(
    rf"^{_CONNECTIVES}(?:(?P<order>{_ORDER}) {_RESULT}(?={_END}|,? {_OPERATION})"
    rf"|(?P<question>{_QUESTION}) {_RESULT}(?= {_OPERATION}))",
    re.IGNORECASE,
)


def resolved(task: str, turns: Sequence[Turn]) -> str:
    """The task with the newest turn's result in place of what refers to it; the same task if nothing does."""
    match = _FOLLOW_UP.match(task.strip()) if turns else None
    if match is None or written_numbers(turns[-1].result) != (turns[-1].result,):
        return task
    beginning = match["order"] or match["question"]
    return f"{beginning[0].upper()}{beginning[1:]} {turns[-1].result}{match.string[match.end() :]}"
