"""An expert's figure beside the general expert's and beside the most frequent label."""

from experts.prompt import PromptParts
from experts.training.evaluation import compare
from experts.training.rows import TrainingRow


def rows(*labels: str) -> list[TrainingRow]:
    return [TrainingRow(str(i), PromptParts(f"text {i}"), (label,), label) for i, label in enumerate(labels)]


def test_a_classifier_is_compared_with_always_answering_the_most_frequent_label() -> None:
    half = rows(*["yes"] * 50, *["no"] * 50, "yes")
    right = [1.0] * 101

    metric = compare("letters", "label", half, right, right)

    assert metric.majority == 51 / 101
    assert metric.majority_low is not None
    assert metric.majority_high is not None
    assert 0.35 < metric.majority_low < 50 / 101 < metric.majority_high < 0.65


def test_who_always_answers_the_most_frequent_label_is_not_above_it() -> None:
    own = [1.0] * 3 + [0.0] * 2

    metric = compare("letters", "label", rows("yes", "yes", "yes", "no", "maybe"), own, own)

    assert (metric.majority, metric.majority_low, metric.majority_high) == (0.6, 0, 0)


def test_other_metrics_have_no_majority() -> None:
    metric = compare("bills", "answer", rows("4"), [1.0], [0.0])

    assert (metric.majority, metric.majority_low, metric.majority_high) == (None, None, None)
