"""Requests that no domain expert is for: chats, letters, opinions, travel; calculations with facts nobody gives."""

import random
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

Kind = Literal["everyday", "world"]
"""Each has its file of phrases."""


@cache
def _words(kind: Kind) -> dict[str, list[str]]:
    return tomllib.loads(Path(__file__).with_name(f"{kind}.toml").read_text(encoding="utf-8"))


def general_text(kind: Kind, rng: random.Random) -> str:
    """One request; `{name}` in a phrase is filled from the list of that name, in one phrase never twice the same."""
    words, used = _words(kind), set[str]()

    def fill(match: re.Match[str]) -> str:
        word = rng.choice([word for word in words[match[1]] if word not in used])
        used.add(word)
        return word

    return re.sub(r"\{(\w+)\}", fill, rng.choice(words["requests"]))
