"""Data sets: where they come from and under which licence."""

from dataclasses import dataclass

CC_BY = "CC BY 4.0"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows of one origin; a built-in one is a folder of the data directory with `train.jsonl` and `dev.jsonl`."""

    name: str
    source: str
    licence: str
    metric: str
    """How its dev rows are scored; the names are those of `experts.training.metrics`."""
    attribution: str = ""
    max_answer_tokens: int | None = None
    """Of an answer that is scored; None leaves it to the metric."""
    num_scored_rows: int | None = None
    """Of a sample of dev rows; None leaves it to the metric."""
    database: str | None = None
    """A file beside the rows, which queries are executed on."""


SYNTHETIC = Dataset("synthetic", "made by experts.training.synthesis, seeded", "Apache-2.0", "", "the ccoe authors")
SYNTHETIC_SQL = Dataset(
    "synthetic_sql",
    "made by experts.training.synthesis, seeded; things, words and sentences that no training row has",
    "Apache-2.0",
    "execution",
    "the ccoe authors",
    num_scored_rows=200,
)
SYNTHETIC_NOTES = Dataset(
    "synthetic_notes",
    "made by experts.training.synthesis, seeded; things, words and sentences that no training row has",
    "Apache-2.0",
    "exact_match",
    "the ccoe authors",
    num_scored_rows=200,
)

_ALL = (
    SYNTHETIC,
    SYNTHETIC_SQL,
    SYNTHETIC_NOTES,
    Dataset("conala", "CoNaLa, neulab/conala", "MIT", "exact_match", "Yin et al. 2018; text from Stack Overflow"),
    Dataset("django", "odashi/ase15-django-dataset", "MIT", "exact_match", "Oda et al. 2015; lines of Django, BSD-3"),
    Dataset("nl2bash", "TellinaTool/nl2bash, data", "MIT", "exact_match", "Lin et al. 2018", 40, 500),
    Dataset("mbpp", "MBPP, google-research", "CC BY 4.0", "tests", "Austin et al. 2021", 256),
    Dataset("mawps", "MAWPS in the packaging of arkilpatel/SVAMP", "MIT", "answer", "Koncel-Kedziorski et al. 2016"),
    Dataset("svamp", "arkilpatel/SVAMP", "MIT", "answer", "Patel et al. 2021"),
    Dataset("sql_wikisql", "WikiSQL in jkkummerfeld/text2sql-data", "BSD-3-Clause", "query_match", "Zhong et al. 2017"),
    Dataset(
        "sql_geography",
        "geography in jkkummerfeld/text2sql-data",
        "none stated",
        "execution",
        "Zelle and Mooney 1996; to measure with, nothing that is shipped is trained on it",
        database="geography.sqlite",
    ),
    Dataset(
        "cuad_clause_type",
        "CUAD clauses in HazyResearch/legalbench",
        CC_BY,
        "label",
        "Hendrycks et al. 2021; LegalBench, Guha et al. 2023",
    ),
    Dataset(
        "legalbench_overruling",
        "HazyResearch/legalbench",
        CC_BY,
        "label",
        "Zheng et al. 2021; LegalBench, Guha et al. 2023",
    ),
    Dataset("medquad_qtype", "abachaa/MedQuAD, question types", CC_BY, "label", "Ben Abacha and Demner-Fushman 2019"),
    Dataset("medquad", "abachaa/MedQuAD", CC_BY, "", "Ben Abacha and Demner-Fushman 2019"),
    Dataset("plan_strategyqa", "eladsegal/strategyqa", "MIT", "step_f1", "Geva et al. 2021", None, 100),
    Dataset("plan_break_high", "allenai/Break, QDMR high-level", "MIT", "step_f1", "Wolfson et al. 2020"),
    Dataset("plan_break_low", "allenai/Break, QDMR", "MIT", "step_f1", "Wolfson et al. 2020"),
    Dataset("plan_2wiki", "Alab-NII/2wikimultihop records", "Apache-2.0", "step_f1", "Ho et al. 2020"),
)


def dataset(name: str) -> Dataset:
    """The built-in data set of this name. Raises KeyError."""
    return {one.name: one for one in _ALL}[name]


def is_builtin(name: str) -> bool:
    """Whether `dataset` knows this name."""
    return any(one.name == name for one in _ALL)
