"""Which rows meet in which step of which epoch, and the learning rate of every step."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experts.training.activations import EncodedRow

Step = list[list[int]]
"""The batches of one optimizer step, each a list of indices of rows."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of every epoch, drawn before the first one: they depend on the rows and the seed alone."""

    epochs: list[list[Step]]

    @classmethod
    def draw(
        cls, rows: Sequence[EncodedRow], num_epochs: int, batch_tokens: int, accumulate: int, seed: int
    ) -> "Schedule":
        """`accumulate` batches make one step; the last step of an epoch may have fewer."""
        rng = random.Random(seed)
        epochs = [_shuffled_batches(rows, batch_tokens, rng) for _ in range(num_epochs)]
        return cls([[epoch[i : i + accumulate] for i in range(0, len(epoch), accumulate)] for epoch in epochs])

    @property
    def num_steps(self) -> int:
        """Of all epochs."""
        return sum(len(epoch) for epoch in self.epochs)

    def rate(self, warmup: float) -> Callable[[int], float]:
        """The part of the learning rate that a step has: it rises over `warmup` of the steps, then falls linearly."""
        num_steps, rising = self.num_steps, max(1, round(self.num_steps * warmup))
        return lambda step: min((step + 1) / rising, (num_steps - step) / max(1, num_steps - rising + 1))


def _shuffled_batches(rows: Sequence[EncodedRow], batch_tokens: int, rng: random.Random) -> list[list[int]]:
    """Batches of similar lengths; which rows meet changes with each epoch, the number of batches hardly does."""
    order = sorted(range(len(rows)), key=lambda i: rows[i].num_tokens * rng.uniform(0.9, 1.1))
    groups: list[list[int]] = [[]]
    for index in order:
        longest = max([rows[index].num_tokens, *(rows[i].num_tokens for i in groups[-1])])
        if groups[-1] and (len(groups[-1]) + 1) * longest > batch_tokens:
            groups.append([])
        groups[-1].append(index)
    rng.shuffle(groups)
    return groups
