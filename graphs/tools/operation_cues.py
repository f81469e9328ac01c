"""What the English words of a step say of its calculation: the operations of which it needs one.

On the train rows of `mawps` and `svamp` that it speaks of, 95 % of the calculations have one of them.
"""

import re

_SIZE = r"(?:of|is|are|holds?|takes?|costs?|contains?|weighs?|has|have|with)(?: (?:only|about|exactly))?"
_ASKED = re.compile(r"\bhow many (\w+?)(?:e?s)?\b")
_OF_ONE = re.compile(r"\b(?:how|what)\b[^.?]*\b(?:one|each|per|a single) (\w{3,})[^.?\d]*\??$")
_COUNTED = re.compile(r"\d (?:\w+ )?(\w{3,}?)(?:e?s)?\b")
_SHARED = re.compile(r"\b(?:split|shared?|divided?|equally|evenly|halve)\b")
_LESS = re.compile(r"\b(?:difference|lies? between|left|remain\w*|how (?:many|much) (?:more|fewer|less))\b")
_AT_FIRST = re.compile(r"\b(?:start|begin|beginning|first|initially|before|originally|altogether|in all)\b")
_RATED = re.compile(r"\b(?:each|every|per|an?|one) (\w{3,})")
_LAST_COUNTED = re.compile(r"\d (\w{3,}?)(?:e?s)?\b[^.?\d]*\?$")
_OF_SEVERAL = re.compile(r"\b(?:what|how much) (?:do|does|did|would|will|are)\b[^.?\d]*\d+ \w+[^.?\d]*\?$")
_TOGETHER = re.compile(r"\bhow (?:many|much)\b[^.?]*\b(?:together|altogether|in sum|in all|in total|combined)\b")
_RATE = re.compile(r"\b(?:each|every|per|an?|one|more)\b")


def needed_operations(step: str) -> str:
    """Operators of which the calculation needs one; empty if the words leave it open."""
    words = " ".join(step.casefold().split())
    asked, one = _ASKED.search(words), _OF_ONE.search(words)
    if asked and re.search(rf"\b{re.escape(asked[1])}(?:e?s)? {_SIZE} \d", words.replace(asked[0], " ")):
        return "/"  # bags of 8: how many bags?
    if one and one[1] in _COUNTED.findall(words):
        return "/"  # 11 trucks: how much is in one truck?
    if len(re.findall(r"\d+(?:[.,]\d+)*", words)) != 2:
        return ""
    if _SHARED.search(words):
        return "/*"
    if _LESS.search(words) and not _AT_FIRST.search(words):
        return "-/"
    if not one and _OF_SEVERAL.search(words):
        return "*"  # what do 8 covers bring in?
    last = _LAST_COUNTED.search(words)
    if last and not one and last[1] in _RATED.findall(words):
        return "*"  # a token is 4: how much are 5 tokens?
    return "+" if _TOGETHER.search(words) and not _RATE.search(words) else ""
