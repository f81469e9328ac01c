"""What the six built-in experts are made from."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from experts.card import GateRules
from experts.prompt import PromptInput, PromptParts
from experts.training.rows import TrainingRow, plan_text, read_rows
from experts.training.synthesis import arithmetic
from experts.training.synthesis.queries import draw_query
from experts.training.synthesis.tasks import Calculate, ComposedTask, Piece, Topic, compose

_LONGEST_TOPIC = 320
"""Characters; longer rows would make a composed task mostly one quotation."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One expert: its identity, the tokens that each of its sets may spend, and those of rows the project makes."""

    name: str
    description: str
    suffix: str
    sets: dict[str, int]
    """Data set to training tokens."""
    synthetic_tokens: int = 0
    tool: str | None = None
    max_tokens: int = 96
    gate: GateRules = GateRules()


RECIPES = (
    Recipe(
        "planner",
        "Splits a complex task into steps and names the expert of each.",
        "Plan as JSON:",
        {"plan_strategyqa": 5000, "plan_break_high": 4000, "plan_break_low": 4000, "plan_2wiki": 3000},
        synthetic_tokens=44000,
        max_tokens=640,
    ),
    Recipe(
        "math",
        "Arithmetic and word problems; writes the expression that the calculator computes.",
        "Expression:",
        {"mawps": 19000, "svamp": 12000, "gsm8k_pot": 8000},
        synthetic_tokens=21000,
        tool="calculator",
        gate=GateRules(
            keywords=("multiply", "divide", "subtract", "percent", "sum", "total", "how much"),
            patterns=(r"\d+\s*[-+*/x]\s*\d+",),
        ),
    ),
    Recipe(
        "code",
        "Python lines and shell commands.",
        "Code:",
        {"conala": 19000, "django": 21000, "nl2bash": 20000},
        gate=GateRules(keywords=("python", "bash", "command", "function", "code", "script"), patterns=(r"`[^`]+`",)),
    ),
    Recipe(
        "sql",
        "Questions over the tables of the configured database; writes the query that is run read-only.",
        "SQL:",
        {"sql_wikisql": 19000, "sql_advising": 9000},
        synthetic_tokens=32000,
        tool="sql",
        gate=GateRules(
            keywords=("database", "table", "records", "query", "sql"), patterns=(r"\bhow many \w+ (are|have)\b",)
        ),
    ),
    Recipe(
        "law",
        "Contract clauses and court sentences: which type, what they say.",
        "Label:",
        {"cuad_clause_type": 36000, "legalbench_overruling": 10000, "legalbench_cuad": 14000},
        gate=GateRules(keywords=("clause", "contract", "court", "license", "overrule", "legal"), patterns=()),
    ),
    Recipe(
        "medical",
        "Medical passages and study conclusions; short answers about conditions.",
        "Label:",
        {"medquad_qtype": 34000, "pubmedqa_conclusion": 16000, "medquad": 10000},
        gate=GateRules(keywords=("medical", "symptoms", "patients", "disease", "treatment", "syndrome"), patterns=()),
    ),
)

_LAW_REQUESTS = (
    "Which type of contract clause is this: {x}",
    "Classify this contract clause: {x}",
    "What kind of contract clause is the following: {x}",
    "Name the type of this contract clause: {x}",
    "What does this contract clause regulate: {x}",
)
_MEDICAL_REQUESTS = (
    "What does this medical passage describe: {x}",
    "What is this medical passage about: {x}",
    "Classify this medical passage: {x}",
    "Say what this medical text describes: {x}",
)
_IN_COMPANY = frozenset(("cuad_clause_type", "medquad_qtype", "medquad", "conala", "nl2bash"))
_REQUESTS = {"cuad_clause_type": ("\nClause: ", _LAW_REQUESTS), "medquad_qtype": ("\nPassage: ", _MEDICAL_REQUESTS)}


def training_rows(
    recipe: Recipe, data: Path, count_tokens: Callable[[TrainingRow], int], calculate: Calculate, seed: int
) -> dict[str, list[TrainingRow]]:
    """The rows of a recipe by data set, within each set's tokens. Raises DatasetError."""
    rng = random.Random(f"{recipe.name}-{seed}")
    chosen: dict[str, list[TrainingRow]] = {}
    for name, budget in recipe.sets.items():
        rows = read_rows(data / name / "train.jsonl")
        rng.shuffle(rows)
        varied = [_in_company(name, _rephrase(name, row, rng), rng) for row in rows]
        chosen[name] = _within(varied, budget, count_tokens)
    if recipe.synthetic_tokens:
        chosen["synthetic"] = _synthetic(recipe, data, count_tokens, calculate, rng)
    return chosen


def _within(rows: list[TrainingRow], budget: int, count_tokens: Callable[[TrainingRow], int]) -> list[TrainingRow]:
    """Rows in order until the budget is spent; a row too long for a tenth of it is passed over."""
    taken: list[TrainingRow] = []
    for row in rows:
        size = count_tokens(row)
        if size <= min(budget, 400):
            budget -= size
            taken.append(row)
        if budget < 30:
            break
    return taken


def _rephrase(name: str, row: TrainingRow, rng: random.Random) -> TrainingRow:
    """Half of the classification rows ask as people do: no list of options."""
    if name not in _REQUESTS or rng.random() < 0.5:
        return row
    mark, requests = _REQUESTS[name]
    text = row.parts.task.partition(mark)[2]
    return replace(row, parts=PromptParts(rng.choice(requests).format(x=text)))


def _in_company(name: str, row: TrainingRow, rng: random.Random) -> TrainingRow:
    """Some rows stand as one step of a larger task, as the service asks them."""
    text = row.parts.task
    if name not in _IN_COMPANY or len(text) > _LONGEST_TOPIC or rng.random() < 0.65:
        return row
    other = rng.choice((arithmetic.story(rng).said, draw_query(rng, number=True).question))
    task = rng.choice((f"{other} {text}", f"{text} {other}"))
    return replace(row, parts=PromptParts(task, step=text))


def _topics(data: Path, rng: random.Random) -> list[Topic]:
    """Short questions of the other domains for composed tasks."""
    topics: list[Topic] = []
    for name, expert, limit in (
        ("cuad_clause_type", "law", 160),
        ("medquad_qtype", "medical", 130),
        ("conala", "code", 60),
        ("nl2bash", "code", 60),
        ("medquad", "medical", 50),
    ):
        rows = [_asked(name, row, rng) for row in read_rows(data / name / "train.jsonl")]
        short = [row for row in rows if len(row.parts.task) <= _LONGEST_TOPIC and "#" not in row.parts.task]
        topics += [Topic(row.parts.task, expert, row.response) for row in rng.sample(short, min(limit, len(short)))]
    return topics


def _asked(name: str, row: TrainingRow, rng: random.Random) -> TrainingRow:
    if name not in _REQUESTS:
        return row
    mark, requests = _REQUESTS[name]
    return replace(row, parts=PromptParts(rng.choice(requests).format(x=row.parts.task.partition(mark)[2])))


def _synthetic(
    recipe: Recipe, data: Path, count_tokens: Callable[[TrainingRow], int], calculate: Calculate, rng: random.Random
) -> list[TrainingRow]:
    topics = _topics(data, rng)
    budget, rows = recipe.synthetic_tokens, list[TrainingRow]()
    while budget > 0:
        made = _made(recipe.name, rng, topics, calculate, len(rows))
        rows += made
        budget -= sum(count_tokens(row) for row in made)
    return rows


def _made(name: str, rng: random.Random, topics: list[Topic], calculate: Calculate, number: int) -> list[TrainingRow]:
    if name == "sql" and rng.random() < 0.5:
        query = draw_query(rng, number=rng.random() < 0.6)
        return [
            TrainingRow(f"synthetic-{number}", PromptParts(query.question, context=query.tables), query.sql, query.sql)
        ]
    composed = compose(rng, topics, calculate)
    if name == "planner":
        response = plan_text([(piece.step, piece.expert) for piece in composed.steps])
        return [TrainingRow(f"synthetic-{number}", PromptParts(composed.task), response, response)]
    indices = [i for i, piece in enumerate(composed.steps) if piece.expert == name]
    return [_step_row(composed, i, f"synthetic-{number}-{i}") for i in indices]


def _step_row(composed: ComposedTask, index: int, identifier: str) -> TrainingRow:
    """A step as the service asks it: the task, the results it depends on, its text with short results filled in."""
    piece = composed.steps[index]
    inputs: list[PromptInput] = []
    text = piece.step
    for k, earlier in reversed(list(enumerate(composed.steps[:index], 1))):
        if f"#{k}" in text:
            text = text.replace(f"#{k}", earlier.result)
            inputs.insert(0, PromptInput(k, _asked_text(earlier, composed), earlier.result))
    step = "" if text == composed.task else text
    parts = PromptParts(composed.task, tuple(inputs), step, piece.context)
    return TrainingRow(identifier, parts, piece.written, piece.written)


def _asked_text(piece: Piece, composed: ComposedTask) -> str:
    text = piece.step
    for k, earlier in reversed(list(enumerate(composed.steps, 1))):
        text = text.replace(f"#{k}", earlier.result)
    return text
