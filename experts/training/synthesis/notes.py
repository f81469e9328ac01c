"""Invented notes and questions about them, answered by words of the notes: what the `reader` expert is trained on."""

import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from experts.prompt import PromptParts
from experts.training.synthesis.vocabulary import Vocabulary

NOT_FOUND = "not found"
"""What is written where no passage has the answer."""
_UNANSWERABLE = 0.1
_PLACE = re.compile(r"\{(\w+)\}")
_FILES = (
    "notes",
    "office",
    "minutes",
    "house/rules",
    "plan",
    "club",
    "2024/diary",
    "handbook",
    "faq",
    "team",
    "travel",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A question, the passages that a search has found for it, and the words of them that answer it."""

    question: str
    passages: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Fact:
    sentence: str
    asked: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Notes:
    """Sentences, and the words that fill them."""

    facts: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...]
    words: dict[str, list[str]]
    vocabulary: Vocabulary

    @classmethod
    def load(cls, name: Literal["notes", "notes_held_out"]) -> Self:
        """Phrases that the package ships: what is trained on, or what is held out."""
        raw: dict[str, Any] = tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))
        facts = tuple(tuple(one) for one in raw.pop("facts"))
        remarks = tuple(raw.pop("remarks"))
        words = {kind: value.split() if isinstance(value, str) else value for kind, value in raw.items()}
        return cls(facts, remarks, words, Vocabulary.load())

    def ask(self, rng: random.Random, *, number: bool = False) -> Reading:
        """One question over two or three passages, for a number if that is wanted.

        At times no passage has the answer, but if a number is wanted.
        """
        asked, *others = [self._fact(rng, one) for one in rng.sample(self.facts, rng.randint(5, 8))]
        if number and not any(answer.isdigit() for _, answer in asked.asked):
            return self.ask(rng, number=True)
        question, answer = rng.choice([pair for pair in asked.asked if pair[1].isdigit() or not number])
        is_there = number or rng.random() >= _UNANSWERABLE
        passages = _dealt(rng, [asked, *others] if is_there else others, self.remarks)
        return Reading(question, "\n".join(passages), answer if is_there else NOT_FOUND)

    def _fact(self, rng: random.Random, lines: tuple[str, ...]) -> _Fact:
        drawn: dict[str, str] = {}

        def fill(match: re.Match[str]) -> str:
            return drawn.setdefault(match[1], self._word(rng, match[1], set(drawn.values())))

        sentence, *asked = (_PLACE.sub(fill, line) for line in lines)
        sentence = _capital(sentence)
        pairs = (line.split(" | ") for line in asked)
        return _Fact(sentence, tuple((_capital(question), _as_said(answer, sentence)) for question, answer in pairs))

    def _word(self, rng: random.Random, kind: str, used: set[str]) -> str:
        match kind:
            case "n" | "m" | "k":
                options = [str(number) for number in range(2, 99)]
            case "N":
                options = [str(rng.randint(100, 9999)) for _ in range(3)]
            case "year":
                options = [str(year) for year in range(1780, 2025)]
            case "time":
                options = [f"{rng.randint(6, 22)}:{rng.choice(('00', '15', '20', '30', '40', '45'))}" for _ in range(3)]
            case "The" | "the":
                options = [kind]
            case "person" | "person1":
                first, last = self.vocabulary.first_names, self.vocabulary.last_names
                options = [f"{rng.choice(first)} {rng.choice(last)}" for _ in range(3)]
            case _:
                options = self.words[kind] if kind in self.words else self.words[kind.removesuffix("1")]
        return rng.choice([word for word in options if word not in used] or options)


def _dealt(rng: random.Random, facts: list[_Fact], remarks: tuple[str, ...]) -> list[str]:
    """The sentences of the facts in two or three passages, each under the place that it was found at."""
    sentences = [fact.sentence for fact in facts]
    rng.shuffle(sentences)
    count = rng.randint(2, 3)
    texts = [sentences[i::count] for i in range(count)]
    for text in texts:
        if rng.random() < 0.3:
            text.insert(rng.randint(0, len(text)), rng.choice(remarks))
    return [f"[{rng.choice(_FILES)}.md:{rng.randint(1, 40)}] {' '.join(text)}" for text in texts]


def _as_said(answer: str, sentence: str) -> str:
    """The answer as it stands in the sentence, of which it may be the beginning."""
    start = sentence.lower().index(answer.lower())
    return sentence[start : start + len(answer)]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def held_out_readings(count: int, seed: int = 0) -> list[Reading]:
    """Questions that no expert is trained on, no two alike."""
    rng, notes = random.Random(f"readings-{seed}"), Notes.load("notes_held_out")
    readings: dict[str, Reading] = {}
    while len(readings) < count:
        one = notes.ask(rng)
        readings.setdefault(one.question, one)
    return list(readings.values())


def reading_parts(reading: Reading, task: str = "") -> PromptParts:
    """In the layout of the service: the passages are the tool's context; a task of which it is a step, if any."""
    step = reading.question if task else ""
    return PromptParts(task or reading.question, step=step, context=f"Passages:\n{reading.passages}")
