"""A merged export: transformers alone computes what the expert computes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from experts.backbone import Backbone
from experts.card import ExpertCard
from experts.config import BackboneConfig
from experts.errors import ExchangeError
from experts.exchange.merged_model import export_merged
from experts.expert import Expert
from experts.source import load_backbone
from tests.experts.conftest import NUM_SHARED_LAYERS, full_expert, low_rank_expert, make_backbone
from tests.experts.families import FAMILIES, Family

TOKENS = torch.tensor([[5, 80, 17, 200, 3, 42]])


def own_logits(expert: Expert, backbone: Backbone) -> torch.Tensor:
    return backbone.assemble(expert.upper_layers(backbone))(TOKENS).logits


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("make", [full_expert, low_rank_expert])
def test_transformers_loads_it_and_the_logits_are_the_experts_own(family: Family, make: Any, tmp_path: Path) -> None:
    backbone = make_backbone(family)
    expert = make(backbone, "law")
    export_merged(expert, backbone, tmp_path / "merged")

    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "merged")

    assert torch.allclose(loaded(TOKENS).logits, own_logits(expert, backbone), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(loaded(TOKENS).logits, backbone.model(TOKENS).logits)
    assert tokenizer.encode("law") == backbone.tokenizer.encode("law")
    assert loaded.generation_config.eos_token_id == backbone.model.generation_config.eos_token_id
    assert ExpertCard.load(tmp_path / "merged") == expert.card


def test_a_backbone_that_stays_in_its_file_is_exported_whole(model_directory: Path, tmp_path: Path) -> None:
    backbone = load_backbone(BackboneConfig(str(model_directory), NUM_SHARED_LAYERS, "float32"))
    expert = low_rank_expert(backbone, "math")
    export_merged(expert, backbone, tmp_path / "merged")

    assert str(tmp_path) not in "".join(path.read_text() for path in (tmp_path / "merged").glob("*.json"))
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert torch.allclose(loaded(TOKENS).logits, own_logits(expert, backbone), atol=1e-3, rtol=1e-3)


def test_nothing_is_overwritten(backbone: Backbone, tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "notes.txt").write_text("mine")
    with pytest.raises(ExchangeError, match="name a new directory"):
        export_merged(full_expert(backbone, "law"), backbone, tmp_path / "merged")
    assert [path.name for path in (tmp_path / "merged").iterdir()] == ["notes.txt"]
