"""How answers are scored."""

import pytest

from experts.training.metrics import (
    answer_match,
    bootstrap_difference,
    exact_match,
    execution_match,
    last_number_match,
    passes_tests,
    query_match,
)


def calculate(text: str) -> str:
    """Sums only."""
    return str(sum(float(part) for part in text.split(" + ")))


@pytest.mark.parametrize(
    ("answer", "target", "score"),
    [
        ("2 + 3", "5", 1.0),
        ("2 + 3", "6", 0.0),
        ("So the answer is 1,250 apples", "1250", 1.0),
        ("First 5, then 7", "5", 0.0),
        ("no number", "5", 0.0),
        ("2.50001", "2.5", 1.0),
    ],
)
def test_a_final_answer_is_computed_or_read(answer: str, target: str, score: float) -> None:
    assert answer_match(answer, target, calculate) == score


def test_queries_are_compared_after_normalising() -> None:
    assert query_match('select a  FROM t WHERE b="x";', "SELECT a FROM t WHERE b = 'x'") == 1.0
    assert query_match("SELECT a FROM t", "SELECT b FROM t") == 0.0


def test_code_is_compared_but_for_quotes_and_ends() -> None:
    assert exact_match(' x = "a"\n', "x = 'a'") == 1.0
    assert exact_match("x = 'A'", "x = 'a'") == 0.0


def test_queries_that_find_the_same_rows_are_the_same() -> None:
    rows = {"A": [["x", 1], ["y", None]], "B": [["y", None], ["x", 1]], "C": [["x", 1]], "D": [["x", 1], ["x", 1]]}

    def execute(query: str) -> list[list[object]]:
        if query not in rows:
            raise ValueError(query)
        return [list(row) for row in rows[query]]

    assert execution_match(" B\n", "A", execute) == 1.0
    assert [execution_match(query, "C", execute) for query in ("A", "D", "no query")] == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError):
        execution_match("A", "a wanted query that fails is not passed over", execute)


def test_a_program_is_run_with_its_tests() -> None:
    program = "def double(x):\n    return 2 * x"

    assert passes_tests(program, "assert double(2) == 4") == 1.0
    assert passes_tests(f"Here it is:\n```python\n{program}\n```\nDone.", "assert double(2) == 4") == 1.0
    assert passes_tests(program, "assert double(2) == 5") == 0.0


def test_without_the_calculator_the_last_number_counts() -> None:
    assert last_number_match("2 + 3 = 5", "5") == 1.0
    assert last_number_match("2 + 3", "5") == 0.0


def test_the_bootstrap_interval_holds_the_difference() -> None:
    better, worse = [1.0] * 80 + [0.0] * 20, [1.0] * 20 + [0.0] * 80
    low, high = bootstrap_difference(better, worse)

    assert 0.4 < low < 0.6 < high < 0.8
    assert bootstrap_difference([1.0, 0.0] * 50, [0.0, 1.0] * 50)[0] < 0
    assert bootstrap_difference(better, worse) == (low, high)
