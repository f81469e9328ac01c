"""Everyday requests that no domain expert is for: chats, letters, opinions, travel, cooking."""

import random
import re
import tomllib
from functools import cache
from pathlib import Path


@cache
def _words() -> dict[str, list[str]]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def everyday_text(rng: random.Random) -> str:
    """One request; `{name}` in a phrase is filled from the list of that name."""
    words = _words()
    text = rng.choice(words["requests"])
    return re.sub(r"\{(\w+)\}", lambda match: rng.choice(words[match[1]]), text)
