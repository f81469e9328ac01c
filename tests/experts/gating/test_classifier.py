"""The trained gate on disk: whole, unchanged, for this backbone, or refused with the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experts.errors import GateInvalid
from experts.gating.classifier import GENERAL, Classifier, fitting_classifier
from tests.experts.gating.cards import BACKBONE, make_classifier

SPLIT = (2, 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "experts" / "gate.json"


def test_probabilities_are_a_softmax_of_the_logits_over_the_temperature() -> None:
    found = make_classifier(temperature=0.5).probabilities([2.0, 0.5])
    # logits 1, -0.5 and 0, divided by 0.5
    assert found == pytest.approx({"law": 0.8438, "math": 0.0420, GENERAL: 0.1142}, abs=1e-4)


def test_a_gate_comes_back_as_it_was_saved(path: Path) -> None:
    saved = make_classifier(threshold=0.25)
    card = saved.save(path)

    loaded = Classifier.load(path)

    assert loaded.card == card
    assert card.version != "unsaved"
    assert loaded.probabilities([2.0, 0.5]) == saved.probabilities([2.0, 0.5])
    assert sorted(one.name for one in path.parent.iterdir()) == ["gate.json"]


def other_weight(document: dict[str, Any]) -> None:
    document["weights"]["law"] = document["weights"]["math"]


def no_weights(document: dict[str, Any]) -> None:
    del document["weights"]


def no_weights_of_law(document: dict[str, Any]) -> None:
    del document["weights"]["law"]


def negative_temperature(document: dict[str, Any]) -> None:
    document["temperature"] = -1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (other_weight, "it was changed"),
        (no_weights, "cannot be read"),
        (no_weights_of_law, "not those of its experts"),
        (negative_temperature, "field temperature"),
    ],
)
def test_a_changed_file_is_refused(path: Path, change: Callable[[dict[str, Any]], None], reason: str) -> None:
    make_classifier().save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(GateInvalid, match=reason) as caught:
        Classifier.load(path)
    assert "ccoe gate train" in str(caught.value)


def test_a_file_that_is_not_json_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("no", encoding="utf-8")
    with pytest.raises(GateInvalid, match="cannot be read"):
        Classifier.load(path)


def test_the_first_gate_that_fits_the_backbone_is_taken(tmp_path: Path) -> None:
    own, builtin = tmp_path / "own.json", tmp_path / "builtin.json"
    own.write_text("no", encoding="utf-8")
    make_classifier().save(builtin)

    found, remark = fitting_classifier([own, builtin], BACKBONE, SPLIT)

    assert found is not None
    assert "own.json" in remark


@pytest.mark.parametrize(
    ("backbone", "split", "reason"),
    [("a" * 64, SPLIT, "trained on backbone bbbbbbbbbbbb, this one is aaaaaaaaaaaa"), (BACKBONE, (3, 4), "2 of 4")],
)
def test_a_gate_of_another_backbone_is_left_out_with_the_reason(
    path: Path, backbone: str, split: tuple[int, int], reason: str
) -> None:
    make_classifier().save(path)
    found, remark = fitting_classifier([path], backbone, split)
    assert found is None
    assert reason in remark
    assert "ccoe gate train" in remark


def test_without_a_gate_the_remark_says_how_to_get_one() -> None:
    assert fitting_classifier([], BACKBONE, SPLIT) == (None, "no gate is trained for this backbone: ccoe gate train")


def test_it_knows_a_domain_in_any_version() -> None:
    classifier = make_classifier()
    assert classifier.knows("law", "law")
    assert not classifier.knows("law", "botany")
    assert not classifier.knows("tax", "law")
