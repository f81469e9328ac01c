"""Which expert a text comes to, and why."""

import pytest

from experts.gating.classifier import GENERAL
from experts.gating.gate import Gate
from tests.experts.gating.cards import make_card, make_classifier

GENERAL_CARD = make_card("general")
LAW, MATH = make_card("law", ["clause"]), make_card("math", ["sum"])
TAX = make_card("tax", ["tax", "vat"])
FOR_LAW, FOR_MATH, FOR_NOBODY = [5.0, 0.0], [0.0, 5.0], [0.0, 0.0]


def make_gate(*cards: object, threshold: float = 0.0) -> Gate:
    return Gate([*cards, GENERAL_CARD], make_classifier(threshold))  # pyright: ignore[reportArgumentType]


def test_the_classifier_chooses_among_the_experts_that_it_knows() -> None:
    gate = make_gate(LAW, MATH, TAX)
    chosen = [gate.choose("Some text", mean) for mean in (FOR_LAW, FOR_MATH, FOR_NOBODY)]
    assert [(one.expert, one.reason) for one in chosen] == [
        ("law", "classifier"),
        ("math", "classifier"),
        (GENERAL, "classifier"),
    ]
    assert next(iter(chosen[0].scores)) == "law"
    assert sum(chosen[0].scores.values()) == pytest.approx(1.0)


def test_a_keyword_does_not_overrule_the_classifier_about_an_expert_that_it_knows() -> None:
    """Else every question with the word "command" would come to the expert for code."""
    choice = make_gate(LAW, MATH).choose("Who sang the clause of the sum?", FOR_NOBODY)
    assert (choice.expert, choice.rule) == (GENERAL, None)
    assert [one.expert for one in choice.fired] == ["law", "math"]


def test_a_rule_that_agrees_is_shown() -> None:
    choice = make_gate(LAW, MATH).choose("What is this clause?", FOR_LAW)
    assert choice.rule is not None
    assert (choice.reason, choice.rule.expert, choice.rule.found) == ("classifier", "law", "clause")


def test_a_score_below_the_threshold_is_for_general() -> None:
    sure = make_gate(LAW, MATH, threshold=0.9)
    assert (sure.choose("Some text", FOR_LAW).expert, sure.choose("Some text", FOR_LAW).threshold) == ("law", 0.9)
    doubtful = sure.choose("Some text", [2.0, 0.0])
    assert (doubtful.expert, doubtful.reason) == (GENERAL, "threshold")
    assert doubtful.scores["law"] > doubtful.scores[GENERAL]


def test_an_expert_that_was_pushed_later_is_reached_by_its_rules() -> None:
    choice = make_gate(LAW, TAX).choose("Which tax clause holds?", FOR_LAW)
    assert (choice.expert, choice.reason) == ("tax", "rule")
    assert choice.rule is not None
    assert choice.rule.found == "tax"
    assert choice.scores["tax"] == pytest.approx(0.5)
    assert sum(choice.scores.values()) == pytest.approx(1.0)


def test_of_several_such_experts_the_one_with_more_rules_is_chosen() -> None:
    other = make_card("trade", ["tax"])
    choice = make_gate(other, TAX).choose("Which tax or VAT?", FOR_LAW)
    assert (choice.expert, choice.scores["tax"]) == ("tax", pytest.approx(0.5))


def test_an_expert_of_another_domain_under_a_known_name_has_its_rules() -> None:
    botany = make_card("law", ["leaf"], domain="botany")
    gate = make_gate(botany, MATH)
    assert gate.choose("Some text", FOR_LAW).expert == GENERAL
    assert gate.choose("Which leaf?", FOR_MATH).expert == "law"


def test_what_a_detached_expert_would_have_got_is_for_general() -> None:
    """Nobody who is left knows its domain; the others must not get its texts."""
    choice = make_gate(MATH, threshold=0.1).choose("What is this clause?", FOR_LAW)
    assert (choice.expert, choice.fired) == (GENERAL, ())
    assert choice.scores.keys() == {GENERAL, "math"}
    assert sum(choice.scores.values()) == pytest.approx(1.0)


def test_without_a_classifier_rules_decide() -> None:
    gate = Gate([GENERAL_CARD, LAW, MATH, TAX], None, "the reason")
    assert gate.choose("What is this clause?", FOR_MATH).expert == "law"
    nothing = gate.choose("Some text", FOR_MATH)
    assert (nothing.expert, nothing.reason, nothing.scores) == (GENERAL, "nothing", {GENERAL: 1.0})
    assert (nothing.threshold, nothing.remark) == (None, "the reason")
