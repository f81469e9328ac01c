"""Whether an answer says what a right one must say."""

import re
from collections.abc import Iterable


def contains_all(answer: str, expected: Iterable[str]) -> bool:
    """Every expected text occurs as a whole, in any case: `12` is not in `112`, `12.5` or `12,000`."""
    lowered = answer.lower()
    return all(re.search(rf"(?<![\w.,]){re.escape(text.lower())}(?!\w|[.,]\d)", lowered) for text in expected)
