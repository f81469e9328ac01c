"""A row's own text, without the words that its set has around each: options, an order, a heading."""

FIXED_WORDS = {
    "django": "Write one line of Python: ",
    "conala": "Write Python code: ",
    "nl2bash": "Write a bash command: ",
    "cuad_clause_type": "\nClause: ",
    "legalbench_overruling": "\nSentence: ",
    "medquad_qtype": "\nPassage: ",
}
"""What stands right before a row's own text. Who learned these would know the sets, not the domains."""


def own_text(dataset: str, task: str) -> str:
    """What a row of the set is about; the whole task if its set has no fixed words."""
    before, _, behind = task.partition(FIXED_WORDS[dataset]) if dataset in FIXED_WORDS else ("", "", task)
    return behind or before
