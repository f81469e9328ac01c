"""What may be wrong with a valid plan: parts of the task that no step quotes, steps that add nothing.

A fault is a reason to draft the plan again, and a warning in the answer if no draft is without it.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from graphs.grammar import JOINTS, quotable
from graphs.numbers import count_numbers, written_numbers
from graphs.plan import REFERENCE, Step

MIN_SCORE = 0.6
CALCULATOR = "calculator"
_WORD = re.compile(r"\w+")
_NAME_INSIDE = re.compile(r"(?<=[a-z,] )(?!And\b)[A-Z]\w+")
_REQUEST = re.compile(
    r"\?(?=\s|$)|(?:^|(?<=[.?!;])\s+)(?:(?:first|then|next|finally|also|and|now|please|after that),?\s+)?"
    r"(?:(?:add|subtract|multiply|divide|double|halve|find|calculate|compute|classify|count|write)\b"
    r"|(?:what|which|how|who|when|where|why)\b[^.?!:]*:(?=\s))",
    re.IGNORECASE,
)
"""A question mark, or a sentence that begins with an order, or asks about what follows its colon."""
_SENTENCE_END = re.compile(r"(?<=[.?!;])\s+")
_LINKING = frozenset({"those", "these", "that", "also", "then", "next", "second", "finally", "moreover", "besides"})
_ALONE = re.compile(
    r"\b(?:root|squared?|cubed?|factorial|half|halve|double|twice|triple|third|quarter|fifth|tenth|dozen|percent|"
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b|%"
)
"""What is done to one number, or is another one."""
_JOINT_WORDS = frozenset(word.lower() for joint in JOINTS for word in _WORD.findall(joint))


def faults(task: str, steps: Sequence[Step], earlier: Sequence[str] = (), *, is_quoting: bool = True) -> list[str]:
    """The faults in words, in the order of the task, then of the steps. `earlier` may be quoted beside the task.

    Only a planner that quotes the task is held to doing so in one piece.
    """
    missing = left_out(task, steps) or _too_few(task, steps)
    repeated = [*_idle_steps(steps), *_doubled_references(steps), *_repeated_numbers(task, steps)]
    mixed = _mixed((task, *earlier), steps) if is_quoting else []
    return [*missing, *mixed, *repeated, *_unclear_experts(steps)]


def left_out(task: str, steps: Sequence[Step]) -> list[str]:
    """A fault for each number that the steps have less often than the task, and each name inside a sentence of it."""
    texts, task = " ".join(step.text for step in steps), quotable(task)
    numbers = count_numbers(task) - count_numbers(texts)
    names = set(_NAME_INSIDE.findall(task)) - set(_WORD.findall(texts))
    named = dict.fromkeys((*written_numbers(task), *_NAME_INSIDE.findall(task)))
    return [f"the plan leaves out {name}" for name in named if name in names or numbers[name] > 0]


def _too_few(task: str, steps: Sequence[Step]) -> list[str]:
    """A plan needs a step for every sentence that asks for something."""
    num_requests = len(_REQUEST.findall(task))
    return [f"the task asks {num_requests} things, the plan has {len(steps)}"] if num_requests > len(steps) else []


def _mixed(texts: Sequence[str], steps: Sequence[Step]) -> list[str]:
    """Steps without references that are made from words of several sentences of a text, not quoted in one piece.

    A sentence may be shortened, as the second in `How many are by Alto? How many by Brisa?`, and what an earlier turn
    says may stand before what the task says.
    """
    task, *earlier = (quotable(text) for text in texts)
    plain = " \n ".join(map(_in_words, (task, *earlier)))
    known = set[str]().union(*map(_content, earlier))
    sentences = [_content(sentence) for sentence in _SENTENCE_END.split(task)]
    found: list[str] = []
    for step in steps:
        words = _content(step.text) - known
        in_one_piece = _in_words(step.text) in plain or _in_words(_behind(step.text, earlier)) in plain
        is_shortened = any(b - _LINKING <= words <= a | b for a, b in pairwise(sentences))
        if not (step.references or in_one_piece or is_shortened or any(words <= one for one in sentences)):
            found.append(f"step {step.id} mixes parts of several sentences")
    return found


def _behind(text: str, earlier: Sequence[str]) -> str:
    """The text without what it begins with, up to a colon, of an earlier one."""
    head, _, rest = text.partition(": ")
    return rest if rest and any(head in one for one in earlier) else text


def linked(steps: Sequence[Step], tools: Mapping[str, str]) -> tuple[Step, ...]:
    """Calculations with one number take the result before them as the other: `How much is that in 12 months?`

    If nobody else takes it, and it is looked up. `tools` are the experts' own.
    """
    used = {k for step in steps for k in step.references}
    found = list(steps[:1])
    for before, step in pairwise(steps):
        is_alone = len(written_numbers(step.text)) == 1 and not step.references and not _ALONE.search(step.text.lower())
        is_open = before.id not in used and before.expert in tools and not written_numbers(before.text)
        if is_alone and is_open and tools.get(step.expert) == CALCULATOR:
            step = Step.model_validate({**dict(step), "text": f"#{before.id}: {step.text}", "depends_on": ()})
        found.append(step)
    return tuple(found)


def _in_words(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


def _idle_steps(steps: Sequence[Step]) -> list[str]:
    """Steps that say nothing but what steps before them said, and bring no two results together."""
    said: set[str] = set()
    found: list[str] = []
    for step in steps:
        words = _content(step.text)
        if words <= said and len(step.references) < 2:
            found.append(f"step {step.id} adds nothing to the steps before it")
        said |= words
    return found


def _content(text: str) -> set[str]:
    """The words and numbers of a text that are no joints."""
    plain = REFERENCE.sub(" ", text)
    return {word.lower() for word in _WORD.findall(plain)} - _JOINT_WORDS


def _doubled_references(steps: Sequence[Step]) -> list[str]:
    found: list[str] = []
    for step in steps:
        references = REFERENCE.findall(step.text)
        found += [f"step {step.id} uses #{k} twice" for k in step.references if references.count(str(k)) > 1]
    return found


def _repeated_numbers(task: str, steps: Sequence[Step]) -> list[str]:
    """Numbers that stand once in the task, and in a step as well as in one whose result it uses."""
    in_task = count_numbers(quotable(task))
    numbers = {step.id: set(written_numbers(REFERENCE.sub(" ", step.text))) for step in steps}
    return [
        f"step {step.id} repeats {number} of step {k}"
        for step in steps
        for k in step.references
        for number in sorted(numbers[step.id] & numbers[k])
        if in_task[number] < 2
    ]


def _unclear_experts(steps: Sequence[Step]) -> list[str]:
    """Steps whose expert was hardly likelier than another. Those that no expert was sure of are for `general`."""
    chosen = [step for step in steps if step.scores and step.scores[step.expert] == max(step.scores.values())]
    unclear = [step for step in chosen if step.scores[step.expert] < MIN_SCORE]
    return [f"step {step.id} may be for another expert than {step.expert}" for step in unclear]


def without_repeats(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps without those that ask what was asked before; references point to the first of the kind."""
    new_ids: dict[int, int] = {}
    first: dict[tuple[str, ...], int] = {}
    kept: list[Step] = []
    for step in steps:
        text = REFERENCE.sub(lambda match: f"#{new_ids[int(match[1])]}", step.text)
        asked = tuple(re.findall(r"#?\w+|[-+*/]", text.lower()))
        if asked not in first:
            first[asked] = len(kept) + 1
            changed = {"id": first[asked], "text": text, "depends_on": ()}
            kept.append(Step.model_validate({**dict(step), **changed}))
        new_ids[step.id] = first[asked]
    return tuple(kept)
