"""Whether a task is one question, by signs in its words. They are cheap and cautious: a doubt asks the planner."""

import re

_SIGNS = (
    r"\b(?:first|firstly|second|secondly|then|next|after that|afterwards|finally|lastly|start with|begin with)\b",
    r"\b(?:both|altogether|each other|the (?:two|three|four|former|latter))\b",
    r"\b(?:the|that|this|these|those) (?:result|results|answer|answers|sum|total|difference|number|numbers|product)\b",
    r"\b(?:and|or) (?:also |then )?(?:what|which|who|whose|when|where|why|how|whether)\b",
    r"[,;.:] (?:and |then |also )?"
    r"(?:add|subtract|multiply|divide|double|halve|classify|count|sum|compare|calculate|compute)\b",
    r"\band (?:add|subtract|multiply|divide|double|halve|count|sum|compare|calculate|compute|write|tell|say|find"
    r"|give|get|list|show|explain|classify|translate|summarize|name|determine|work out|look)\b",
    r"\b(?:it|that|them|those|these)(?=\s*[.?!]?\s*$|\s+(?:by|to|from|plus|minus|times|with)\b)",
    r"#\d",
)
_SEVERAL_STEPS = re.compile("|".join(_SIGNS), re.IGNORECASE)
_QUESTION = re.compile(r"\?(?=\s|$)")
_QUESTION_WORD = re.compile(r"\b(?:what|which|who|whose|whom|when|where|why|how)\b", re.IGNORECASE)
_REQUEST = re.compile(
    r"(?:^|(?<=[.?!;:])\s+)(?:please |can you |could you |i want |we need )?"
    r"(?:add|subtract|multiply|divide|double|halve|find|calculate|compute|classify|count|write|tell|say|give|get"
    r"|list|show|look|sum|work out|name|explain|describe|compare|translate|summarize|determine|do you|start|i want"
    r"|we need)\b",
    re.IGNORECASE,
)
_NAME_INSIDE = re.compile(r"(?<=[\w,] )[A-Z][a-z]")
_ABOUT_THE_WORLD = re.compile(
    r"^(?:would|could|can|does|do|did|is|are|was|were|has|have|had|will|should|may|might)\b(?! (?:you|i|we)\b).*\?",
    re.IGNORECASE | re.DOTALL,
)
"""Yes or no: what it takes to know that may be several steps."""
_COURTESY = re.compile(
    r"^\W*(?:(?:hello|hi|hey|thanks|thank you|good (?:morning|afternoon|evening|night)|goodbye|bye|sorry)\b"
    r"(?:\W+\w+){0,6}"
    r"|(?:ok|okay|great|cool|nice|perfect|wow|yes|no|sure|got it|never mind)\b(?:\W+\w+){0,2})\W*$",
    re.IGNORECASE,
)
MAX_SMALL_TALK_WORDS = 14


def is_one_question(text: str) -> bool:
    """Whether nothing in the text speaks of several steps.

    Such a sign is a word of order or of earlier results, an order behind another, and a second question or request.
    """
    if _SEVERAL_STEPS.search(text):
        return False
    num_asked = max(len(_QUESTION.findall(text)), len(_QUESTION_WORD.findall(text)))
    num_requests = len(_REQUEST.findall(text))
    return num_asked <= 1 and num_requests <= 1 and (num_asked == 0 or num_requests == 0)


def is_courtesy(text: str) -> bool:
    """Whether a text is a greeting, thanks or a word of agreement, and asks nothing."""
    asks = _QUESTION.search(text) or _QUESTION_WORD.search(text) or _REQUEST.search(text) or re.search(r"\d", text)
    return not asks and _COURTESY.match(text) is not None


def is_small_talk(text: str) -> bool:
    """Whether a text for no domain is short, names nothing (no number, no name inside) and asks no yes or no."""
    if len(text.split()) > MAX_SMALL_TALK_WORDS or _ABOUT_THE_WORLD.match(text.strip()):
        return False
    return not re.search(r"\d", text) and not _NAME_INSIDE.search(text)
