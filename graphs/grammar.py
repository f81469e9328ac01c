"""The planner's grammar: a step's text is copied from what was said, joined by references and a closed list of phrases.

The plan is compact JSON, written one step at a time:

    [{"id":1,"text":"<text>","expert":"sql"},{"id":2,"text":"<text>","expert":"math"}]
                    |--- decoded ---| scored         |--- decoded ---|

What was said is the task and the earlier turns of its thread. Between two spans there is always a joint: two spans
side by side make the masks a thousand times slower.
"""

import json
import re
from collections.abc import Sequence

OPENING = '[{"id":1,"text":"'
CLOSING = "}]"
TEXT_END = '","expert":"'
MAX_JOINTS = 8
JOINTS = ("and", "or", "by", "from", "to", "with", "of", "in", "for", "than", "plus", "minus", "times", "divided by")
SIGNS = (".", "?", ",", ":")
# a number is one chunk, with its sign and unit: a part of it would be another number; so is a name with its number,
# `Comet 300`. What is longer than any word is cut: the grammar's work grows with the square of a chunk
_CHUNK = re.compile(
    r"[A-Z][a-z]+ \d+(?:[.,]\d+)*[A-Za-z]{0,64}|\s{1,64}|\\(?:u[0-9a-fA-F]{4}|.)"
    r"|(?:(?<![\w.,)\]-])-)?\d{1,64}(?:[.,]\d{1,64})*[A-Za-z]{0,64}|\w{1,64}|[^\w\s]"
)
_TASK_REFERENCE = re.compile(r"#(?=\d)")

# joints and references stand as words: with a space before them, except at the beginning
_FIRST_PIECES = f"SPAN (JOINT LATER? | SIGN AFTER?){{0,{MAX_JOINTS}}}"
_PIECES = f"""(SPAN | REFERENCE AFTER?)
    (JOINT LATER? | (" " REFERENCE | SIGN) AFTER?){{0,{MAX_JOINTS}}}""".replace("\n", " ")
_SPACE = r"(\s|\\[nt])"
# no string of JSON has it: it stands between texts, and in no span
_BORDER = "\x1e"
_LATER = rf"LATER: CHUNKS & /{_SPACE}[^\x1e]*[^\s\x1e]/"
# digits right behind `#1` or a point would make another reference or number
_AFTER = rf"AFTER: CHUNKS & /({_SPACE}|[.,?!:;)%\"']({_SPACE}|[^\w\x1e-]))[^\x1e]*|[.,?!:;)%'\"]/"


def quotable(task: str) -> str:
    """The task as a step may quote it: `#4` of the task must not read as the result of step 4."""
    return _TASK_REFERENCE.sub("No. ", task.strip())


def json_body(text: str) -> str:
    """The text between the quotation marks of its JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def next_step(step: int) -> str:
    """What stands between the expert of the step before and this step's text."""
    return f'}},{{"id":{step},"text":"'


def step_grammar(task: str, step: int, earlier: Sequence[str] = ()) -> str:
    """A Lark grammar (llguidance's dialect) of what follows the forced prefix of this step.

    For the first step that is the text and TEXT_END; for a later one either CLOSING or the next step's beginning too.
    A span is copied from the task or from one of the earlier texts.
    """
    text = f"TEXT {literal(TEXT_END)}"
    start = text if step == 1 else f"{literal(CLOSING)} | {literal(next_step(step))} {text}"
    references = [f"#{k}" for k in range(1, step)]
    bodies = [_CHUNK.findall(json_body(quotable(said))) for said in (task, *earlier)]
    chunks = [chunk for k, body in enumerate(bodies) for chunk in ([_BORDER] * (k > 0) + body)]
    return "\n".join(
        [
            f"start: {start}",
            f"TEXT: {_PIECES if references else _FIRST_PIECES}",
            r"SPAN: CHUNKS & /[^\s\x1e]([^\x1e]*[^\s\x1e])?/",
            _LATER,
            _AFTER,
            f"JOINT: {_any_of([f' {joint}' for joint in JOINTS])}",
            f"SIGN: {' | '.join(literal(sign) for sign in SIGNS)}",
            f"CHUNKS: %regex {json.dumps({'substring_chunks': chunks})}",
            *([f"REFERENCE: {_any_of(references)}"] if references else []),
        ]
    )


def literal(text: str) -> str:
    """A text as a Lark string."""
    return json.dumps(text, ensure_ascii=False)


def _any_of(phrases: Sequence[str]) -> str:
    return " | ".join(literal(phrase) for phrase in phrases)
