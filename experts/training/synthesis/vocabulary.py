"""The invented world of the synthetic rows, read from `vocabulary.toml`."""

import random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of thing that a table holds: its texts' values are drawn from `texts`, its numbers from ranges."""

    table: str
    singular: str
    key: str
    name_kind: str
    texts: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[int, int]]

    @property
    def plural(self) -> str:
        """How a question names many of them."""
        return self.table.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names, places and kinds of things."""

    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]
    entities: tuple[Entity, ...]

    @classmethod
    def load(cls) -> Self:
        """The vocabulary that the package ships."""
        raw = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
        words = {key: tuple(value.split()) for key, value in raw.items() if isinstance(value, str)}
        entities = tuple(_entity(one, words) for one in raw["entities"])
        return cls(words["first_names"], words["last_names"], words["adjectives"], words["nouns"], entities)

    def first_name(self, rng: random.Random) -> str:
        return rng.choice(self.first_names)

    def name_of(self, entity: Entity, rng: random.Random) -> str:
        """A name for one thing of this kind."""
        match entity.name_kind:
            case "person":
                return f"{rng.choice(self.first_names)} {rng.choice(self.last_names)}"
            case "code":
                return f"{rng.choice('ABCDEFGHKLM')}{rng.choice('NPRSTUVWXZ')}{rng.randint(10, 999)}"
            case _ if rng.random() < 0.3:
                return f"{rng.choice(self.nouns)} {rng.randint(2, 60)}"
            case _:
                return f"{rng.choice(self.adjectives)} {rng.choice(self.nouns)}"


def _entity(raw: dict[str, Any], words: dict[str, tuple[str, ...]]) -> Entity:
    texts = {column: words[v] if isinstance(v, str) else tuple(v) for column, v in raw["texts"].items()}
    numbers = {column: (low, high) for column, (low, high) in raw["numbers"].items()}
    return Entity(raw["table"], raw["singular"], raw["key"], raw["name_kind"], texts, numbers)
