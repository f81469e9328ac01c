"""What the built-in experts are made from."""

from dataclasses import dataclass

from experts.card import GateRules


@dataclass(frozen=True, slots=True)
class Recipe:
    """One expert: its identity, the tokens that each of its sets may spend, and those of rows the project makes."""

    name: str
    description: str
    suffix: str
    sets: dict[str, int]
    """Data set to training tokens."""
    synthetic_tokens: int = 0
    scored_sets: tuple[str, ...] = ()
    """Sets that it is scored on beside its own, and not trained on."""
    epochs: int = 4
    rank: int = 16
    learning_rate: float = 1e-3
    """Of low-rank deltas."""
    tool: str | None = None
    max_tokens: int = 96
    gate: GateRules = GateRules()


RECIPES = (
    Recipe(
        "planner",
        "Splits a complex task into steps and names the expert of each.",
        "Plan as JSON:",
        {"plan_strategyqa": 14000, "plan_break_high": 12000, "plan_break_low": 12000, "plan_2wiki": 6000},
        synthetic_tokens=170000,
        epochs=4,
        max_tokens=640,
    ),
    Recipe(
        "math",
        "Arithmetic and word problems; writes the expression that the calculator computes.",
        "Expression:",
        {"mawps": 45000, "svamp": 30000},
        synthetic_tokens=110000,
        rank=32,
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
        {"django": 34000, "nl2bash": 26000},
        gate=GateRules(keywords=("python", "bash", "command", "function", "code", "script"), patterns=(r"`[^`]+`",)),
    ),
    Recipe(
        "sql",
        "Questions over the tables of the configured database; writes the query that is run read-only.",
        "SQL:",
        {"sql_wikisql": 24000},
        synthetic_tokens=450000,
        scored_sets=("synthetic_sql",),
        epochs=2,
        rank=32,
        learning_rate=2e-3,
        tool="sql",
        gate=GateRules(
            keywords=("database", "table", "records", "query", "sql"), patterns=(r"\bhow many \w+ (are|have)\b",)
        ),
    ),
    Recipe(
        "law",
        "Contract clauses and court sentences: which type, what they say.",
        "Label:",
        {"cuad_clause_type": 46000, "legalbench_overruling": 14000},
        gate=GateRules(keywords=("clause", "contract", "court", "license", "overrule", "legal"), patterns=()),
    ),
    Recipe(
        "medical",
        "Medical passages: what they describe; short answers about conditions.",
        "Label:",
        {"medquad_qtype": 50000, "medquad": 10000},
        gate=GateRules(keywords=("medical", "symptoms", "patients", "disease", "treatment", "syndrome"), patterns=()),
    ),
    Recipe(
        "reader",
        "Questions that the user's own files answer; answers with words of a passage.",
        "Answer from the passages:",
        {},
        synthetic_tokens=200000,
        scored_sets=("synthetic_notes",),
        epochs=5,
        tool="search",
        max_tokens=40,
        gate=GateRules(patterns=(r"\b(?:in|from|by|per) (?:my|our) (?:notes|files|documents|handbook|manual)\b",)),
    ),
)
