"""Short stories with numbers of their own, put together from frames and words."""

import random

from experts.training.synthesis.arithmetic import Calculation
from experts.training.synthesis.vocabulary import Vocabulary

_WORDS = {
    "who": (
        "{n} {n} {n} A|baker A|printer The|museum A|farmer A|school The|club A|driver The|factory A|library The|harbor "
        "An|office A|gardener The|mill The|choir A|laundry The|kiosk An|inn"
    ).split(),
    "box": "boxes crates bags packets trays cartons baskets cases drawers sacks racks".split(),
    "item": (
        "pencils jars apples bolts eggs tiles books lamps bottles candles stamps plates shirts coins tickets"
    ).split(),
    "does": "washes checks carries sorts loads prints mends counts wraps delivers".split(),
    "money": "euros dollars pounds crowns francs".split(),
    "period": "day week month hour year".split(),
}
_FRAMES = (
    # {x}, {y}: any numbers; {z}: a multiple of {x}; {w}: a small one; {p}: a percentage
    ("{who} packs {x} {box} with {y} {item} in each. How many {item} is that?", "{x} * {y}"),
    ("{who} fills {x} {box}, and each holds {y} {item}. How many {item} are there in all?", "{x} * {y}"),
    ("{who} receives {x} {box} with {y} {item} on each. How many {item} does it receive?", "{x} * {y}"),
    ("There are {x} {box} of {y} {item}. How many {item} are there?", "{x} * {y}"),
    ("{who} pays {x} {money} every {period}. How much is that for {y} {period}s?", "{x} * {y}"),
    ("{who} earns {x} {money} a {period}. How much does it make in {y} {period}s?", "{x} * {y}"),
    ("{who} earns {x} {money} every {period}. What does that make over {y} {period}s?", "{x} * {y}"),
    ("{who} pays a {period}ly fee of {x} {money}. How much does it pay in {y} {period}s?", "{x} * {y}"),
    ("{who} spends {x} {money} on {item} each {period}. How much is spent in {y} {period}s?", "{x} * {y}"),
    ("{who} sells {x} {item} per {period}. How many {item} are sold in {y} {period}s?", "{x} * {y}"),
    ("{who} needs {x} {item} a {period}; how many {item} does it need for {y} {period}s?", "{x} * {y}"),
    ("{who} {does} {x} {item} every {period}. How many {item} is that in {y} {period}s?", "{x} * {y}"),
    ("{who} {does} {x} {item} a {period}. How many in {y} {period}s?", "{x} * {y}"),
    ("{who} {does} {x} {item} an hour and works {y} hours. How many {item} is that?", "{x} * {y}"),
    ("In one {period} {who} makes {x} {item}. How many does it make in {y} {period}s?", "{x} * {y}"),
    ("Over {y} {period}s {who} pays {x} {money} per {period}. What is paid in total?", "{x} * {y}"),
    ("How much is {y} {period}s of work at {x} {money} a {period}?", "{x} * {y}"),
    ("A subscription is {x} {money} a {period}; how much is it over {y} {period}s?", "{x} * {y}"),
    ("The deposit is {x} {money} for each of {y} tenants. What do they deposit in all?", "{x} * {y}"),
    ("All {item} cost {x} {money} each. What do {y} {item} cost?", "{x} * {y}"),
    ("What do {y} {item} cost at {x} {money} each?", "{x} * {y}"),
    ("{who} makes {x} trips a {period} with {y} {item} on each. How many {item} does it carry?", "{x} * {y}"),
    ("A hall has {x} rows of {y} seats. How many seats are there?", "{x} * {y}"),
    ("Each of {x} pupils reads {y} pages. How many pages do they read in all?", "{x} * {y}"),
    ("{x} guests come each night for {y} nights. How many guests come in total?", "{x} * {y}"),
    ("What is {x} times {y}?", "{x} * {y}"),
    ("Work out {x} times {y}.", "{x} * {y}"),
    ("Multiply {x} by {y}.", "{x} * {y}"),
    ("What is {x} multiplied by {y}?", "{x} * {y}"),
    ("{who} shares {z} {item} equally among {x} people. How many {item} does each get?", "{z} / {x}"),
    ("{z} {item} are packed into {x} equal {box}. How many {item} are in each?", "{z} / {x}"),
    ("{z} {item} are packed in {box} of {x}. How many {box} are filled?", "{z} / {x}"),
    ("A roll of {z} meters is cut into pieces of {x} meters. How many pieces are there?", "{z} / {x}"),
    ("{who} pays {z} {money} in {x} equal parts. How much is one part?", "{z} / {x}"),
    ("In {x} {period}s {who} makes {z} {item} in all. How many is that a {period}?", "{z} / {x}"),
    ("{x} {item} cost {z} {money} together. What does one of them cost?", "{z} / {x}"),
    ("What is {z} divided by {x}?", "{z} / {x}"),
    ("{who} had {z} {item} and gave away {x}. How many {item} are left?", "{z} - {x}"),
    ("{who} has {z} {money} and spends {x}. How much is left?", "{z} - {x}"),
    ("Out of {z} {item} {x} are broken. How many still work?", "{z} - {x}"),
    ("{who} needs {z} {item} and has {x}. How many {item} are missing?", "{z} - {x}"),
    ("What is {z} minus {x}?", "{z} - {x}"),
    ("{who} sold {x} {item} in the morning and {y} in the evening. How many were sold in all?", "{x} + {y}"),
    ("{who} has {x} {item} and buys {y} more. How many {item} are there now?", "{x} + {y}"),
    ("A price of {z} {money} goes up by {x} {money}. What is the new price?", "{z} + {x}"),
    ("What is {x} plus {y}?", "{x} + {y}"),
    ("{p} percent of {z} {item} are sold. How many is that?", "{z} * {p} / 100"),
    ("What is {p} percent of {z}?", "{z} * {p} / 100"),
    ("{who} buys {x} {item} at {y} {money} each and a bag for {w} {money}. What is the total?", "{x} * {y} + {w}"),
    ("{who} is paid {x} {money} an hour for {y} hours and gets {w} {money} more. What is the pay?", "{x} * {y} + {w}"),
    ("Each of {x} people pays {y} {money}, and {w} {money} are spent. How much is left?", "{x} * {y} - {w}"),
)
_TALES = (
    ("{x} visitors arrive each {period}. How many arrive in {y} {period}s?", "{x} * {y}"),
    ("{x} {item} leave the plant daily; how many leave it in {y} days?", "{x} * {y}"),
    ("The contract is {x} {money} {period}ly and runs for {y} {period}s. What does it add up to?", "{x} * {y}"),
    ("The hire of the hall is {x} {money} per {period}. What do {y} {period}s come to?", "{x} * {y}"),
    ("{who} uses up {x} {item} a {period}. How many {item} are used up in {y} {period}s?", "{x} * {y}"),
    ("{who} drives {x} miles a {period}; how far does it get in {y} {period}s?", "{x} * {y}"),
    ("A pump moves {x} litres a minute and runs for {y} minutes. How many litres does it move?", "{x} * {y}"),
    ("Every table seats {x} guests, and {y} tables are set. For how many guests is there room?", "{x} * {y}"),
    ("A page has {x} lines. How many lines have {y} pages?", "{x} * {y}"),
    ("{who} ordered {y} {item}, each at {x} {money}. How high is the invoice?", "{x} * {y}"),
    ("One {period} brings {x} {money}. What do {y} of them bring?", "{x} * {y}"),
    ("{y} patients get {x} pills each. How many pills is that?", "{x} * {y}"),
    ("A fine is {x} {money}; {y} people are fined. How much is collected?", "{x} * {y}"),
    ("{x} {money} a {period} over {y} {period}s: how much money is it?", "{x} * {y}"),
    ("{who} delivers {x} {item} to each of {y} shops. How many {item} are delivered?", "{x} * {y}"),
    ("A carpet is {x} feet long and {y} feet wide. What is its area?", "{x} * {y}"),
    ("At {x} {money} for each of the {y} {item}, what is the total price?", "{x} * {y}"),
    ("{z} {item} are shared out to {x} children. What does each child get?", "{z} / {x}"),
    ("{who} has {z} {money} for {x} {period}s. How much can be spent a {period}?", "{z} / {x}"),
    ("A ride of {z} miles takes {x} hours. How many miles is that per hour?", "{z} / {x}"),
    ("{who} works {z} hours in {x} {period}s; how many hours is that each {period}?", "{z} / {x}"),
    ("A barrel has {z} litres, a can takes {x} litres. How many cans can be filled?", "{z} / {x}"),
    ("The bill of {z} {money} is split by {x} friends. How much does one pay?", "{z} / {x}"),
    ("For {z} {money} {who} gets {x} {item}. What is the price of one?", "{z} / {x}"),
    ("{z} seats stand in rows of {x}. How many rows are there?", "{z} / {x}"),
    ("Of {z} seats, {x} are taken. How many are free?", "{z} - {x}"),
    ("The tank had {z} litres and {x} litres were used. How much is in it now?", "{z} - {x}"),
    ("{who} borrowed {z} {money} and has paid back {x}. How much is still owed?", "{z} - {x}"),
    ("A coat is {z} {money}, but {x} {money} less this {period}. What does it cost?", "{z} - {x}"),
    ("{who} is {z} years old. How old was the same {x} years ago?", "{z} - {x}"),
    ("{who} wants to read {z} pages and has read {x}. How many pages are to go?", "{z} - {x}"),
    ("There are {x} {item} in the shed and {y} in the house. How many {item} is that in all?", "{x} + {y}"),
    ("{who} spent {x} {money} on food and {y} {money} on travel. What did it spend altogether?", "{x} + {y}"),
    ("First {x} people came, later another {y}. How many people came?", "{x} + {y}"),
    ("A wall is {x} feet high. It is raised by {y} feet; how high is it then?", "{x} + {y}"),
    ("{who} has {x} {item}, and Ann has {y} {item} more than that. How many {item} has Ann?", "{x} + {y}"),
    ("A tax of {p} percent is due on {z} {money}. How much tax is it?", "{z} * {p} / 100"),
    ("{p} percent of the {z} voters stayed at home. How many voters is that?", "{z} * {p} / 100"),
    ("{who} buys {x} {item} at {y} {money} and pays {w} {money} for delivery. What does it pay?", "{x} * {y} + {w}"),
    ("There are {x} {box} of {y} {item}, and {w} {item} break. How many are whole?", "{x} * {y} - {w}"),
    ("{who} earns {x} {money} a {period} for {y} {period}s and spends {w} {money}. What is left?", "{x} * {y} - {w}"),
    ("A ticket is {x} {money} and a program {w} {money}. What do {y} people pay who take both?", "({x} + {w}) * {y}"),
)
"""Beside the frames for those who compute."""


def story(rng: random.Random, vocabulary: Vocabulary) -> Calculation:
    """A story and its question; the step repeats both."""
    return _told(rng, vocabulary, rng.choice(_FRAMES))


def tale(rng: random.Random, vocabulary: Vocabulary) -> Calculation:
    """A story from frames that composed tasks do not have."""
    return _told(rng, vocabulary, rng.choice(_TALES))


def _told(rng: random.Random, vocabulary: Vocabulary, told: tuple[str, str]) -> Calculation:
    frame, expression = told
    words = {kind: rng.choice(options).replace("|", " ") for kind, options in _WORDS.items()}
    words["who"] = words["who"].format(n=vocabulary.first_name(rng))
    if not frame.startswith("{who}"):
        words["who"] = words["who"].replace("A ", "a ").replace("An ", "an ").replace("The ", "the ")
    # large and small numbers in every place: the size of a number must not give the operation away
    x, y = (rng.choice((rng.randint(2, 90), rng.randint(100, 990))) for _ in range(2))
    numbers = {"x": x, "y": y, "z": x * rng.randint(2, 30), "w": rng.randint(5, 50), "p": rng.randint(2, 95)}
    text = frame.format(**words, **numbers).replace(" a hour", " an hour").replace("dayly", "daily")
    return Calculation(text, text, expression.format(**numbers))
