"""Twenty other ways to ask what the demo asks. Written before any of them was run, and not tuned on."""

from collections.abc import Callable

from orchestrator.demo.tasks import DemoTask, Draw

Paraphrase = Callable[[Draw], tuple[str, tuple[object, ...]]]

PARAPHRASES: tuple[Paraphrase, ...] = (
    lambda d: (
        f"Look up what the {d.models[0]} costs and what the {d.models[1]} costs. What do the two cost together?",
        (sum(d.prices),),
    ),
    lambda d: (
        f"I want to buy one {d.models[0]} and one {d.models[1]}. What are their prices, and what is the total?",
        (sum(d.prices),),
    ),
    lambda d: (f"Get the price of the {d.models[0]}. Multiply it by {d.factor}.", (d.prices[0] * d.factor,)),
    lambda d: (
        f"What is the price of the {d.models[0]}, and how much would {d.factor} of them cost?",
        (d.prices[0] * d.factor,),
    ),
    lambda d: (
        f"Check the stock of the {d.models[0]} and the stock of the {d.models[1]}, then tell me the difference.",
        (d.stocks[0] - d.stocks[1],),
    ),
    lambda d: (
        f"How many bikes are made by {d.brands[0]}? How many by {d.brands[1]}? Add the two counts.",
        (sum(d.counts),),
    ),
    lambda d: (
        f"Count the bikes of the brand {d.brands[0]} and multiply the result by {d.number}.",
        (d.counts[0] * d.number,),
    ),
    lambda d: (
        f"Tell me the stock of the {d.models[0]}. If 2 of them are sold, how many are left?",
        (d.stocks[0] - 2,),
    ),
    lambda d: (
        f"Rent is {d.amount} dollars each month. What is the rent for {d.number} months? "
        f"Also say what type of contract clause this is: {d.clause}",
        (d.amount * d.number, d.clause_type),
    ),
    lambda d: (
        f"Which sort of clause do we have here: {d.clause} "
        f"And what do {d.number} months at {d.amount} dollars a month cost?",
        (d.amount * d.number, d.clause_type),
    ),
    lambda d: (
        f"Our lease is {d.amount} dollars monthly for {d.number} months. How much is that in total? "
        f"Then classify this contract clause: {d.clause}",
        (d.amount * d.number, d.clause_type),
    ),
    lambda d: (
        f"Please identify the type of this clause: {d.clause} Next, calculate {d.amount} times {d.number}.",
        (d.amount * d.number, d.clause_type),
    ),
    lambda d: (
        f"Multiply {d.amount} by {d.number}. Then name the type of the contract clause: {d.clause}",
        (d.amount * d.number, d.clause_type),
    ),
    lambda d: (
        f"A supplier charges {d.amount} dollars per delivery and makes {d.number} deliveries. What is the bill? "
        f"What does this contract clause govern: {d.clause}",
        (d.amount * d.number, d.clause_type),
    ),
    lambda d: (
        f"What is described by this medical passage: {d.passage} "
        f"A ward uses {d.amount} masks a day; how many masks does it use in {d.number} days?",
        (d.amount * d.number, d.passage_topic),
    ),
    lambda d: (
        f"{d.amount} patients come to the clinic every day. How many come in {d.number} days? "
        f"Tell me what this medical text is about: {d.passage}",
        (d.amount * d.number, d.passage_topic),
    ),
    lambda d: (
        f"A nurse gives {d.amount} vaccines an hour for {d.number} hours. How many vaccines is that? "
        f"Classify this medical text: {d.passage}",
        (d.amount * d.number, d.passage_topic),
    ),
    lambda d: (
        f"Compute {d.amount} times {d.number}, and say what the medical passage describes: {d.passage}",
        (d.amount * d.number, d.passage_topic),
    ),
    lambda d: (
        f"Which aspect of a disease does this passage describe: {d.passage} Also, what is {d.amount} plus {d.number}?",
        (d.amount + d.number, d.passage_topic),
    ),
    lambda d: (
        f"A hospital orders {d.amount} boxes with {d.number} syringes in each box. How many syringes does it get? "
        f"What topic does this medical passage cover: {d.passage}",
        (d.amount * d.number, d.passage_topic),
    ),
)


def paraphrased(paraphrase: Paraphrase, draw: Draw) -> DemoTask:
    """The paraphrase with its names and numbers, and what a right answer contains."""
    task, expected = paraphrase(draw)
    return DemoTask("paraphrase", task, tuple(str(value) for value in expected))
