"""Arithmetic that a task asks for on results of earlier steps."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calculation:
    """How a task asks (`said`), how the plan says it (`step`), what is computed; `{a}` and `{b}` are results.

    A step is the task's own words behind the results that they are about: a planner copies rather than understands.
    """

    said: str
    step: str
    expression: str
    noun: str = ""
    """What a following sentence may call the result: the sum, the difference."""


_ONE = (
    # said in the task, and in the step behind the result | computed; {x} is drawn
    ("Multiply {it} by {x}.", "{a} * {x}"),
    ("Divide {it} by {x}.", "{a} / {x}"),
    ("Add {x} to {it}.", "{a} + {x}"),
    ("Subtract {x} from {it}.", "{a} - {x}"),
    ("What is {it} times {x}?", "{a} * {x}"),
    ("What is {it} divided by {x}?", "{a} / {x}"),
    ("What is {x} percent of {it}?", "{a} * {x} / 100"),
    ("How much is {it} plus {x}?", "{a} + {x}"),
    ("How much is {it} minus {x}?", "{a} - {x}"),
    ("Double {it}.", "{a} * 2"),
    ("What is half of {it}?", "{a} / 2"),
    ("Increase {it} by {x} percent.", "{a} + {a} * {x} / 100"),
    ("Reduce {it} by {x} percent.", "{a} - {a} * {x} / 100"),
    ("How much would {x} of them be?", "{a} * {x}"),
    ("What would {x} of these cost in total?", "{a} * {x}"),
    ("How much is that over {x} weeks?", "{a} * {x}"),
    ("If {x} people share {it} equally, how much does each get?", "{a} / {x}"),
    ("Split {it} evenly among {x} teams.", "{a} / {x}"),
    ("If {x} more arrive, how many are there?", "{a} + {x}"),
    ("How many remain after {x} are removed?", "{a} - {x}"),
    ("Take {x} away from {it}.", "{a} - {x}"),
    ("I want {x} times {it}.", "{a} * {x}"),
    ("Work out {it} times {x}.", "{a} * {x}"),
    ("Work out {x} percent of {it}.", "{a} * {x} / 100"),
    ("Tell me what {it} divided by {x} is.", "{a} / {x}"),
    ("Calculate {it} multiplied by {x}.", "{a} * {x}"),
    ("Calculate {x} percent of {it}.", "{a} * {x} / 100"),
    ("How many are that per group if there are {x} groups?", "{a} / {x}"),
    ("Share {it} between {x} offices.", "{a} / {x}"),
    ("What do we pay for {x} such items?", "{a} * {x}"),
    ("What is left if we use {x} of them?", "{a} - {x}"),
    ("How much more is {it} than {x}?", "{a} - {x}"),
)
_TWO = (
    ("Add {both}.", "{a} + {b}"),
    ("What is the sum of {both}?", "{a} + {b}"),
    ("What is the difference between {both}?", "{a} - {b}"),
    ("Multiply {both}.", "{a} * {b}"),
    ("How much is that altogether?", "{a} + {b}"),
    ("What do they come to together?", "{a} + {b}"),
    ("What is the total?", "{a} + {b}"),
    ("Subtract the second from the first.", "{a} - {b}"),
    ("Divide the first result by the second.", "{a} / {b}"),
    ("By how much is the first larger than the second?", "{a} - {b}"),
    ("Work out the difference between {both}.", "{a} - {b}"),
    ("Work out how much they are together.", "{a} + {b}"),
    ("Tell me the sum of {both}.", "{a} + {b}"),
    ("How much bigger is the first one?", "{a} - {b}"),
    ("Calculate the product of {both}.", "{a} * {b}"),
    ("Calculate the sum of {both}.", "{a} + {b}"),
    ("What is the average of {both}?", "({a} + {b}) / 2"),
)
_IT = (
    "it",
    "that",
    "the result",
    "that number",
    "this number",
    "the answer",
    "that amount",
    "this value",
    "the number found",
)
_BOTH = (
    "both",
    "them",
    "both results",
    "the two",
    "the two results",
    "these two numbers",
    "the two numbers",
    "both numbers",
)
_NOUNS = ((" / 2", "the average"), (" + ", "the sum"), (" - ", "the difference"), (" * ", "the product"))


def on_one(rng: random.Random, noun: str = "") -> Calculation:
    """A calculation on one earlier result, `{a}` in `step` and `expression`; `noun` is what it may be called."""
    said, expression = rng.choice(_ONE)
    x = str(rng.choice((rng.randint(2, 20), rng.randint(2, 20), rng.randint(21, 400))))
    fill = {"it": noun if noun and rng.random() < 0.6 else rng.choice(_IT), "x": x}
    said = said.format(**fill)
    return Calculation(said, f"{{a}}: {said}", expression.format(a="{a}", x=x))


def on_two(rng: random.Random) -> Calculation:
    """A calculation on two earlier results, `{a}` and `{b}`."""
    said, expression = rng.choice(_TWO)
    said = said.format(both=rng.choice(_BOTH))
    noun = next((noun for sign, noun in _NOUNS if sign in expression), "")
    return Calculation(said, f"{{a}}, {{b}}: {said}", expression, noun)
