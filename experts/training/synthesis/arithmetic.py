"""Arithmetic that a task asks for on results of earlier steps."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calculation:
    """How a task asks (`said`), how the plan says it (`step`, `{a}` and `{b}` are results), what is computed."""

    said: str
    step: str
    expression: str
    noun: str = ""
    """What a following sentence may call the result: the sum, the difference."""


_ONE = (
    # said in the task | said in the step | computed; {x} is drawn
    ("Multiply {it} by {x}.", "Multiply {a} by {x}.", "{a} * {x}"),
    ("Divide {it} by {x}.", "Divide {a} by {x}.", "{a} / {x}"),
    ("Add {x} to {it}.", "Add {x} to {a}.", "{a} + {x}"),
    ("Subtract {x} from {it}.", "Subtract {x} from {a}.", "{a} - {x}"),
    ("What is {it} times {x}?", "What is {a} times {x}?", "{a} * {x}"),
    ("What is {it} divided by {x}?", "What is {a} divided by {x}?", "{a} / {x}"),
    ("What is {x} percent of {it}?", "What is {x} percent of {a}?", "{a} * {x} / 100"),
    ("How much is {it} plus {x}?", "How much is {a} plus {x}?", "{a} + {x}"),
    ("How much is {it} minus {x}?", "How much is {a} minus {x}?", "{a} - {x}"),
    ("Double {it}.", "Double {a}.", "{a} * 2"),
    ("What is half of {it}?", "What is half of {a}?", "{a} / 2"),
    ("Increase {it} by {x} percent.", "Increase {a} by {x} percent.", "{a} + {a} * {x} / 100"),
    ("Reduce {it} by {x} percent.", "Reduce {a} by {x} percent.", "{a} - {a} * {x} / 100"),
    ("How much would {x} of them be?", "Multiply {a} by {x}", "{a} * {x}"),
    ("What would {x} of these cost in total?", "Multiply {a} by {x}", "{a} * {x}"),
    ("How much is that over {x} weeks?", "Multiply {a} by {x}", "{a} * {x}"),
    (
        "If {x} people share {it} equally, how much does each get?",
        "If {x} people share {a} equally, how much does each get?",
        "{a} / {x}",
    ),
    ("Split {it} evenly among {x} teams.", "Split {a} evenly among {x} teams.", "{a} / {x}"),
    ("If {x} more arrive, how many are there?", "Add {x} to {a}", "{a} + {x}"),
    ("How many remain after {x} are removed?", "Subtract {x} from {a}", "{a} - {x}"),
    ("Take {x} away from {it}.", "Take {x} away from {a}.", "{a} - {x}"),
    ("I want {x} times {it}.", "Multiply {a} by {x}", "{a} * {x}"),
    ("Work out {it} times {x}.", "Multiply {a} by {x}", "{a} * {x}"),
    ("Work out {x} percent of {it}.", "What is {x} percent of {a}?", "{a} * {x} / 100"),
    ("Tell me what {it} divided by {x} is.", "Divide {a} by {x}", "{a} / {x}"),
    ("Calculate {it} multiplied by {x}.", "Calculate {a} multiplied by {x}.", "{a} * {x}"),
    ("Calculate {x} percent of {it}.", "Calculate {x} percent of {a}.", "{a} * {x} / 100"),
    ("How many are that per group if there are {x} groups?", "Divide {a} by {x}", "{a} / {x}"),
    ("Share {it} between {x} offices.", "Divide {a} by {x}", "{a} / {x}"),
    ("What do we pay for {x} such items?", "Multiply {a} by {x}", "{a} * {x}"),
    ("What is left if we use {x} of them?", "Subtract {x} from {a}", "{a} - {x}"),
    ("How much more is {it} than {x}?", "Subtract {x} from {a}", "{a} - {x}"),
)
_TWO = (
    ("Add {both}.", "Add {a} and {b}", "{a} + {b}"),
    ("What is the sum of {both}?", "What is the sum of {a} and {b}?", "{a} + {b}"),
    ("What is the difference between {both}?", "What is the difference between {a} and {b}?", "{a} - {b}"),
    ("Multiply {both}.", "Multiply {a} by {b}", "{a} * {b}"),
    ("How much is that altogether?", "Add {a} and {b}", "{a} + {b}"),
    ("What do they come to together?", "Add {a} and {b}", "{a} + {b}"),
    ("What is the total?", "Add {a} and {b}", "{a} + {b}"),
    ("Subtract the second from the first.", "Subtract {b} from {a}", "{a} - {b}"),
    ("Divide the first result by the second.", "Divide {a} by {b}", "{a} / {b}"),
    ("By how much is the first larger than the second?", "Subtract {b} from {a}", "{a} - {b}"),
    ("Work out the difference between {both}.", "What is the difference between {a} and {b}?", "{a} - {b}"),
    ("Work out how much they are together.", "Add {a} and {b}", "{a} + {b}"),
    ("Tell me the sum of {both}.", "Add {a} and {b}", "{a} + {b}"),
    ("How much bigger is the first one?", "Subtract {b} from {a}", "{a} - {b}"),
    ("Calculate the product of {both}.", "Multiply {a} by {b}", "{a} * {b}"),
    ("Calculate the sum of {both}.", "Calculate the sum of {a} and {b}.", "{a} + {b}"),
    ("What is the average of {both}?", "What is the average of {a} and {b}?", "({a} + {b}) / 2"),
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
    said, step, expression = rng.choice(_ONE)
    x = str(rng.choice((rng.randint(2, 20), rng.randint(2, 20), rng.randint(21, 400))))
    fill = {"it": noun if noun and rng.random() < 0.6 else rng.choice(_IT), "x": x}
    said = said.format(**fill)
    return Calculation(said, step.format(a="{a}", x=x), expression.format(a="{a}", x=x))


def on_two(rng: random.Random) -> Calculation:
    """A calculation on two earlier results, `{a}` and `{b}`."""
    said, step, expression = rng.choice(_TWO)
    noun = next((noun for sign, noun in _NOUNS if sign in expression), "")
    return Calculation(said.format(both=rng.choice(_BOTH)), step, expression, noun)
