"""Sentences put together to a task: one after another, with words of order, as one sentence, or as a list.

Composed tasks are joined in a plainer way of their own, which shipped experts were made with (`tasks.py`).
"""

import random
from collections.abc import Sequence

from experts.training.synthesis.tasks import Piece

_FIRST = ("First, ", "First ", "To begin, ", "Please ", "Could you help: ", "Question one: ")
_NEXT = (
    "Then ",
    "Next, ",
    "After that, ",
    "Also, ",
    "Also ",
    "And ",
    "Moreover, ",
    "Besides, ",
    "Second, ",
    "Another thing: ",
)
_LAST = (
    "Then ",
    "Finally, ",
    "Lastly, ",
    "And then ",
    "Also, ",
    "Also ",
    "And ",
    "In the end, ",
    "Then, ",
    "One more thing: ",
)
_MARKS = ("- ", "* ", "")
_AND = (" and ", ", and ", ", then ", " and then ", ", and then ", "; ", " and also ", ", also ")
_LONGEST_FIRST = 110
"""Characters of a sentence that another is joined to."""


def join(
    rng: random.Random, sentences: Sequence[Piece], before: Sequence[str], after: Sequence[str]
) -> tuple[str, list[str]]:
    """The task, and each step's text as it then stands in the task. What stands before and after asks nothing.

    A sentence that says nothing was said by the one before it.
    """
    style = rng.choice(("plain", "plain", "plain", "order", "order", "and", "and", "list"))
    parts: list[str] = []
    steps: list[str] = []
    spoken = [index for index, one in enumerate(sentences) if one.said]
    for index, one in enumerate(sentences):
        said, step = one.said, one.step
        is_plain = bool(said) and said.partition(" ")[0] not in _OPENING_WORDS
        if is_plain and style == "order" and len(spoken) > 1:
            word = rng.choice(_FIRST if index == 0 else _LAST if index == spoken[-1] else _NEXT)
            said, step = _behind(word, said, step) if index or rng.random() < 0.5 else (said, step)
        elif is_plain and style == "and" and index and index == spoken[1] and len(parts[0]) < _LONGEST_FIRST:
            said, step = _behind(rng.choice(_AND), said, step)
            parts[0] = parts[0].rstrip(".?")
            steps[index - 1] = steps[index - 1].rstrip(".?")
        parts += [said] if said else []
        steps.append(step)
    return _written(rng, style, parts, before, after), steps


def _written(rng: random.Random, style: str, parts: Sequence[str], before: Sequence[str], after: Sequence[str]) -> str:
    first = [rng.choice(before)] if rng.random() < 0.2 else []
    last = [rng.choice(after)] if rng.random() < 0.15 else []
    if style == "list":
        mark = rng.choice(_MARKS)
        return "\n".join([*first, *(f"{mark}{part}" for part in parts), *last])
    body = parts[0] + "".join(part if part[0] in " ,;" else f" {part}" for part in parts[1:])
    return " ".join([*first, body, *last])


def _behind(word: str, said: str, step: str) -> tuple[str, str]:
    """A sentence behind another word begins in lower case if it begins with a plain word; so does its step."""
    beginning = said.split()[0].rstrip(",.:?")
    lowered = said[0].lower() + said[1:] if beginning in _LOWERED else said
    return word + lowered, step.removesuffix(said) + lowered if step.endswith(said) else step


_OPENING_WORDS = ("And", "Then", "So", "Now")
"""A sentence that begins with one needs no other before it."""
_LOWERED = frozenset(
    "What How Which Who When Where Why Is Does Do Are Can Could Find Look Get Give Tell Say Name Write Show Count "
    "Check Compare Identify Determine Sort Label Classify Read Put Take Sum State Add Subtract Multiply Divide Double "
    "Triple Increase Reduce If Suppose Now We It They This There The A An To From In On Under By Each Every Here "
    "Assign Work Calculate Split Share Please Over All Out Given".split()
)
"""First words that may stand in lower case; a name may not."""
