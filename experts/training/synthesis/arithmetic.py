"""Arithmetic that a task asks for: on results of earlier steps, and in short stories."""

import random
from dataclasses import dataclass

from experts.training.synthesis.vocabulary import Vocabulary


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
_STORIES = (
    ("{n} packs {x} crates with {y} jars in each. How many jars is that?", "{x} * {y}"),
    ("A tram makes {x} trips a day with {y} riders each. How many riders does it carry?", "{x} * {y}"),
    ("A tank loses {x} liters an hour for {y} hours. How many liters are lost?", "{x} * {y}"),
    ("{n} earns {x} euros a week. How much does {n} earn in {y} weeks?", "{x} * {y}"),
    ("{n} had {z} stamps and gave away {x}. How many stamps are left?", "{z} - {x}"),
    ("A roll of {z} meters is cut into pieces of {x} meters. How many pieces are there?", "{z} / {x}"),
    ("{z} chairs are set in {x} equal rows. How many chairs are in a row?", "{z} / {x}"),
    ("{n} read {x} pages on Monday and {y} pages on Tuesday. How many pages is that in all?", "{x} + {y}"),
    ("A rent of {z} euros rises by {x} euros. What is the new rent?", "{z} + {x}"),
    ("What is {x} times {y}?", "{x} * {y}"),
    ("A depot receives {x} pallets with {y} cans on each. How many cans does it receive?", "{x} * {y}"),
    ("A hall has {x} rows of {y} seats. How many seats are there?", "{x} * {y}"),
    ("Each of {x} pupils reads {y} pages. How many pages do they read in all?", "{x} * {y}"),
    ("A mill grinds {x} sacks per day. How many sacks does it grind in {y} days?", "{x} * {y}"),
    ("A ferry carries {x} cars on every crossing and crosses {y} times. How many cars is that?", "{x} * {y}"),
    ("{n} pays {x} euros every month. What does {n} pay over {y} months?", "{x} * {y}"),
    ("A press prints {x} posters per hour. How many posters does it print in {y} hours?", "{x} * {y}"),
    ("A ticket is {x} euros. What do {y} tickets cost?", "{x} * {y}"),
    ("A school buys {x} boxes of {y} pencils. How many pencils does it get?", "{x} * {y}"),
    ("{x} guests come each night for {y} nights. How many guests come in total?", "{x} * {y}"),
    ("{z} eggs are packed in boxes of {x}. How many boxes are filled?", "{z} / {x}"),
    ("{n} splits {z} coins among {x} friends. How many coins does each friend get?", "{z} / {x}"),
    ("A shelf holds {x} jars and {y} more are added. How many jars are there now?", "{x} + {y}"),
    ("Out of {z} lamps {x} are broken. How many lamps still work?", "{z} - {x}"),
    ("What is {z} minus {x}?", "{z} - {x}"),
    ("A class of {x} pupils each pays {y} euros, and the bus costs {w} euros. How much is left?", "{x} * {y} - {w}"),
    ("{n} buys {x} pens at {y} euros each and a bag for {w} euros. What is the total?", "{x} * {y} + {w}"),
    (
        "A worker is paid {x} dollars an hour for {y} hours and gets a bonus of {w} dollars. What is the pay?",
        "{x} * {y} + {w}",
    ),
)


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


def story(rng: random.Random, vocabulary: Vocabulary) -> Calculation:
    """A short story with its own numbers."""
    text, expression = rng.choice(_STORIES)
    # large and small numbers in every place: the size of a number must not give the operation away
    x, y = (rng.choice((rng.randint(2, 90), rng.randint(100, 990))) for _ in range(2))
    fill: dict[str, object] = {
        "n": vocabulary.first_name(rng),
        "x": x,
        "y": y,
        "z": x * rng.randint(2, 30),
        "w": rng.randint(5, 50),
    }
    text = text.format(**fill)
    return Calculation(text, text, expression.format(**fill))
