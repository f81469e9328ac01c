"""Numbers as they are written: found in texts, compared with each other."""

import re
from collections import Counter
from collections.abc import Iterable

from graphs.plan import REFERENCE

_WRITTEN = re.compile(r"(?:(?<![\w.,)\]-])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?")


def written_numbers(text: str) -> tuple[str, ...]:
    """The numbers of a text as written, each once, in order; a reference `#k` is not a number."""
    return tuple(count_numbers(text))


def count_numbers(text: str) -> Counter[str]:
    """How often each number is written in a text, in the order of their first places."""
    return Counter(_WRITTEN.findall(REFERENCE.sub(" ", text)))


def plain(number: str) -> str:
    """A written number without sign and thousands separators: `-1,200.5` is `1200.5`."""
    return number.lstrip("-").replace(",", "")


def foreign_numbers(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """The numbers of a text that are written in none of the known texts."""
    allowed = {number for source in known for number in written_numbers(source)}
    return tuple(number for number in written_numbers(text) if number not in allowed)
