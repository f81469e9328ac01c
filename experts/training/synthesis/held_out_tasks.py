"""Tasks of one to three steps, each step with its expert, from sentences that no expert is trained on."""

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

EXPERTS = ("code", "general", "law", "math", "medical", "sql")
Part = Literal["fit", "report"]


@dataclass(frozen=True, slots=True)
class LabelledTask:
    """A task, and its steps' texts with the experts that they are for."""

    task: str
    steps: tuple[tuple[str, str], ...]


def held_out_tasks(part: Part, count: int, seed: int = 0) -> list[LabelledTask]:
    """Tasks whose first steps come from each expert in turn; the same for the same seed."""
    sentences: Mapping[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))[part]
    rng = random.Random(f"{part}-{seed}")
    return [_task(rng, sentences, EXPERTS[number % len(EXPERTS)]) for number in range(count)]


def _task(rng: random.Random, sentences: Mapping[str, Any], first: str) -> LabelledTask:
    experts = [first]
    if first in ("math", "sql") and rng.random() < 0.6:
        experts.append("behind")
    if rng.random() < 0.6:
        experts.append(rng.choice(EXPERTS))
    texts = [_filled(rng, sentences[expert], sentences["words"]) for expert in experts]
    # in the task a result is a word; in the step it is a reference, before the task's own sentence as in training
    said = [text.replace("#1", "that") for text in texts]
    steps = [f"#1: {words}" if words != text else text for words, text in zip(said, texts, strict=True)]
    labels = ["math" if expert == "behind" else expert for expert in experts]
    return LabelledTask(" ".join(said), tuple(zip(steps, labels, strict=True)))


def _filled(rng: random.Random, sentences: Sequence[str], words: Mapping[str, Sequence[str]]) -> str:
    numbers = {"n": str(rng.randint(2, 19)), "m": str(rng.randint(20, 900))}

    def fill(match: re.Match[str]) -> str:
        return numbers.get(match[1]) or rng.choice(words[match[1]])

    return re.sub(r"\{(\w+)\}", fill, rng.choice(sentences))
