"""PEFT adapters: PEFT itself computes what the expert computes, and what an expert cannot have is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from experts.backbone import Backbone
from experts.checkpoint import content_version, load_expert, save_expert
from experts.errors import ExchangeError
from experts.exchange.adapter_config import CONFIG_FILE
from experts.exchange.peft_adapter import ADAPTER_FILE, AdapterIdentity, export_adapter, import_adapter
from experts.expert import PROJECTIONS, Expert
from tests.experts.conftest import full_expert, low_rank_expert, make_backbone, save_model
from tests.experts.families import FAMILIES, Family, byte_tokenizer, make_model

# PEFT asks transformers for a property that is on its way out, and warns of some of the settings below
pytestmark = pytest.mark.filterwarnings("ignore")
MATH = AdapterIdentity("math", "math", "knows math")
TOKENS = torch.tensor([[5, 80, 17, 200, 3, 42]])


def own_logits(expert: Expert, backbone: Backbone) -> torch.Tensor:
    return backbone.assemble(expert.upper_layers(backbone))(TOKENS).logits


def peft_logits(directory: Path, family: Family = FAMILIES[0]) -> torch.Tensor:
    """Of a model of its own, as PEFT changes the one it is given."""
    model: Any = PeftModel.from_pretrained(make_model(family), str(directory))
    return model(TOKENS).logits


def trained_adapter(directory: Path, **settings: Any) -> Path:
    """An adapter as PEFT saves it, with deltas that are not zero."""
    fields: dict[str, Any] = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": [*PROJECTIONS],
        "layers_to_transform": [2, 3],
        "layers_pattern": "layers",
        "init_lora_weights": False,
        "task_type": "CAUSAL_LM",
    }
    torch.manual_seed(5)
    model: Any = get_peft_model(make_model(FAMILIES[0]), LoraConfig(**{**fields, **settings}))
    model.save_pretrained(directory)
    return directory


def edit(directory: Path, **settings: Any) -> Path:
    path = directory / CONFIG_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return directory


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_peft_loads_it_and_the_logits_are_the_experts_own(family: Family, tmp_path: Path) -> None:
    backbone = make_backbone(family)
    expert = low_rank_expert(backbone, "math")
    export_adapter(expert, backbone, tmp_path / "adapter")

    assert torch.allclose(peft_logits(tmp_path / "adapter", family), own_logits(expert, backbone), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(own_logits(expert, backbone), backbone.model(TOKENS).logits, atol=1e-2)


def test_only_upper_layers_are_touched(backbone: Backbone, tmp_path: Path) -> None:
    export_adapter(low_rank_expert(backbone, "math"), backbone, tmp_path / "adapter")
    model: Any = PeftModel.from_pretrained(make_model(FAMILIES[0]), str(tmp_path / "adapter"))
    touched = {name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name}

    assert {name.split("layers.")[1].split(".")[0] for name in touched} == {"2", "3"}
    assert len(touched) == 2 * len(PROJECTIONS)


def test_deltas_of_some_projections_only_are_named_one_by_one(backbone: Backbone, tmp_path: Path) -> None:
    whole = low_rank_expert(backbone, "math")
    some = {n: t for n, t in whole.tensors.items() if "layers.2.mlp.up_proj" in n or "layers.3.self_attn.q_proj" in n}
    expert = Expert(whole.card, some)
    export_adapter(expert, backbone, tmp_path / "adapter")

    assert torch.allclose(peft_logits(tmp_path / "adapter"), own_logits(expert, backbone), atol=1e-3)
    assert import_adapter(tmp_path / "adapter", backbone, MATH).tensors.keys() == some.keys()


@pytest.mark.parametrize(
    ("given", "hub_name", "trained_on", "stated"),
    [
        ("my/model", "someone/model", "", "my/model"),
        ("", "someone/model", "other/model", "someone/model"),
        ("", "", "other/model", "other/model"),
        ("", "", "a-directory", ""),
        ("", "", "", ""),
    ],
)
def test_an_adapter_names_its_model_as_others_know_it(
    given: str, hub_name: str, trained_on: str, stated: str, tmp_path: Path
) -> None:
    """Never the directory that it was loaded from; PEFT loads it whether it names one or not."""
    model = AutoModelForCausalLM.from_pretrained(save_model(make_backbone(), tmp_path / "model"))
    backbone = replace(Backbone.split(model, byte_tokenizer(), 2), hub_name=hub_name)
    expert = low_rank_expert(backbone, "math")
    expert = Expert(expert.card.model_copy(update={"training": {"base_model": trained_on}}), expert.tensors)

    assert export_adapter(expert, backbone, tmp_path / "adapter", given) == stated
    assert json.loads((tmp_path / "adapter" / CONFIG_FILE).read_text())["base_model_name_or_path"] == stated
    assert str(tmp_path) not in "".join(path.read_text() for path in (tmp_path / "adapter").glob("*.json"))
    assert torch.allclose(peft_logits(tmp_path / "adapter"), own_logits(expert, backbone), atol=1e-3)


def test_an_expert_in_full_form_is_refused(backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="export it with --as merged"):
        export_adapter(full_expert(backbone, "law"), backbone, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_out_and_in_again_is_the_same_expert(backbone: Backbone, tmp_path: Path) -> None:
    expert = low_rank_expert(backbone, "math")
    saved = save_expert(expert, tmp_path / "math")
    export_adapter(expert, backbone, tmp_path / "adapter")
    back = import_adapter(tmp_path / "adapter", backbone, MATH)

    assert back.tensors.keys() == expert.tensors.keys()
    assert all(torch.equal(back.tensors[name], tensor) for name, tensor in expert.tensors.items())
    assert save_expert(back, tmp_path / "back").version == saved.version == content_version(back.card, back.tensors)
    assert load_expert(tmp_path / "back", backbone).card.low_rank == expert.card.low_rank


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"target_modules": ["q_proj", "down_proj"]}])
def test_what_peft_trained_is_imported(settings: dict[str, Any], backbone: Backbone, tmp_path: Path) -> None:
    adapter = trained_adapter(tmp_path / "adapter", **settings)
    expert = import_adapter(adapter, backbone, MATH)

    assert torch.allclose(own_logits(expert, backbone), peft_logits(adapter), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(own_logits(expert, backbone), backbone.model(TOKENS).logits, atol=1e-2)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"layers_to_transform": None, "layers_pattern": None},
            r"layers\.0\.mlp\.down_proj\.lora_A.*all experts share",
        ),
        ({"use_dora": True}, "use_dora is set"),
        ({"bias": "lora_only"}, "bias is 'lora_only'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save is set"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern gives 'q_proj' 2 where all others have 4"),
        ({"alpha_pattern": {"q_proj": 2}}, "alpha_pattern gives 'q_proj' 2 where all others have 8"),
        (
            {"target_modules": ["lm_head"], "layers_to_transform": None, "layers_pattern": None},
            r"lm_head\..*is no delta of q_proj",
        ),
    ],
)
def test_what_an_expert_cannot_have_is_refused(
    settings: dict[str, Any], reason: str, backbone: Backbone, tmp_path: Path
) -> None:
    with pytest.raises(ExchangeError, match=reason):
        import_adapter(trained_adapter(tmp_path / "adapter", **settings), backbone, MATH)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"peft_type": "IA3"}, "not LORA"),
        ({"init_lora_weights": "pissa"}, "changes the backbone's weights"),
        ({"r": 2}, r"has shape \(4, 48\), expected \(2, 48\)"),
        ({"r": 0}, "r is 0, not a positive number"),
        ({"r": 4.5}, "not a whole number"),
        ({"a_setting_of_tomorrow": True}, "a_setting_of_tomorrow is set"),
    ],
)
def test_a_configuration_that_means_something_else_is_refused(
    settings: dict[str, Any], reason: str, backbone: Backbone, tmp_path: Path
) -> None:
    export_adapter(low_rank_expert(backbone, "math"), backbone, tmp_path / "adapter")
    with pytest.raises(ExchangeError, match=reason):
        import_adapter(edit(tmp_path / "adapter", **settings), backbone, MATH)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("half", "lora_B' is missing"), ("none", "holds no tensors"), ("gone", "save it again"), ("bytes", "cannot be")],
)
def test_damaged_tensors_are_refused(fault: str, reason: str, backbone: Backbone, tmp_path: Path) -> None:
    export_adapter(low_rank_expert(backbone, "math"), backbone, tmp_path / "adapter")
    path = tmp_path / "adapter" / ADAPTER_FILE
    tensors = load_file(path)
    match fault:
        case "half":
            save_file({n: t for n, t in tensors.items() if "layers.3.mlp.up_proj.lora_B" not in n}, path)
        case "none":
            save_file({}, path)
        case "gone":
            path.unlink()
        case _:
            path.write_bytes(b"no tensors")
    with pytest.raises(ExchangeError, match=reason):
        import_adapter(tmp_path / "adapter", backbone, MATH)


@pytest.mark.parametrize(
    ("stated", "kept"), [("someone/model", "someone/model"), ("/models/mine", "mine"), (None, "unstated")]
)
def test_the_card_says_what_the_adapter_was_trained_on(
    stated: str | None, kept: str, backbone: Backbone, tmp_path: Path
) -> None:
    export_adapter(low_rank_expert(backbone, "math"), backbone, tmp_path / "adapter")
    expert = import_adapter(edit(tmp_path / "adapter", base_model_name_or_path=stated), backbone, MATH)
    assert expert.card.training == {"imported_from": "PEFT", "base_model": kept}


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_directory_that_is_no_adapter_is_refused(content: str | None, backbone: Backbone, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / CONFIG_FILE).write_text(content)
    with pytest.raises(ExchangeError):
        import_adapter(tmp_path, backbone, MATH)
