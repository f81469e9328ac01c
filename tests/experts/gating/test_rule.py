"""What a card's keywords and patterns hold for."""

from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from experts.card import GateRules
from experts.gating.rule import FiredRule, fired_rules
from tests.experts.gating.cards import make_card


@pytest.mark.parametrize(
    ("keyword", "text", "found"),
    [
        ("tax", "Which TAX applies?", ["TAX"]),
        ("tax", "A taxi, please. Syntax too.", []),
        ("how much", "How much is it?", ["How much"]),
        ("c++", "Is it C++ or C?", ["C++"]),
    ],
)
def test_a_keyword_is_whole_words_in_any_case(keyword: str, text: str, found: Sequence[str]) -> None:
    assert [one.found for one in fired_rules(text, [make_card("tax", [keyword])])] == found


def test_a_fired_rule_names_its_expert_and_what_it_found() -> None:
    cards = [make_card("tax", ["tax"]), make_card("geo", ["river"], [r"\d+ km"]), make_card("law")]
    assert fired_rules("The tax on 12 KM of river", cards) == (
        FiredRule("tax", "keyword", "tax", "tax"),
        FiredRule("geo", "keyword", "river", "river"),
        FiredRule("geo", "pattern", r"\d+ km", "12 KM"),
    )


@pytest.mark.parametrize(
    ("rules", "reason"),
    [({"patterns": ["(a"]}, "no regular expression"), ({"keywords": [" "]}, "empty"), ({"patterns": [""]}, "empty")],
)
def test_a_card_with_a_rule_that_cannot_be_used_is_refused(rules: dict[str, list[str]], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        GateRules.model_validate(rules)
