"""The compared ways of tuning learn the same rows, and change what they say they change."""

import pytest
import torch

from experts.backbone import Backbone
from experts.benchmark.tuning.method import EXPERTS, METHODS, Method, tune
from experts.training.trainer import TrainerConfig
from tests.experts.training.test_trainer import copying_rows

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # PEFT asks for it
CONFIGS: dict[Method, TrainerConfig] = {
    "low_rank": TrainerConfig("low_rank", rank=8, epochs=6, batch_tokens=60, learning_rate=0.02),
    "full": TrainerConfig("full", epochs=6, batch_tokens=60, learning_rate=0.01),
    "lora": TrainerConfig("low_rank", rank=8, epochs=6, batch_tokens=60, learning_rate=0.02),
    "all_weights": TrainerConfig("low_rank", epochs=6, batch_tokens=60, learning_rate=0.005),
}


def changed_layers(before: Backbone, after: torch.nn.Module) -> set[int]:
    old, new = before.model.state_dict(), after.state_dict()
    names = [name for name in new if not torch.equal(old[name], new[name])]
    return {int(name.split(".layers.")[1].split(".")[0]) for name in names if ".layers." in name}


@pytest.mark.parametrize("method", METHODS)
def test_each_way_learns_and_changes_its_own_layers(method: Method, backbone: Backbone) -> None:
    seen: list[tuple[int, int]] = []
    rows = copying_rows()
    original = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}

    tuned = tune(method, backbone, rows, CONFIGS[method], lambda done, total: seen.append((done, total)))

    every = set(range(backbone.num_layers))
    upper = set(range(backbone.num_shared_layers, backbone.num_layers))
    assert changed_layers(backbone, tuned.model) == (upper if method in EXPERTS else every)
    assert tuned.epoch_losses[-1] < tuned.epoch_losses[0] / 2
    assert len(tuned.epoch_seconds) == len(tuned.epoch_losses) == 6
    tokens = sum(row.num_tokens for row in rows)
    assert seen[-1] == (6 * tokens, 6 * tokens)
    assert all(torch.equal(tensor, original[name]) for name, tensor in backbone.model.state_dict().items())


def test_the_merged_adapter_computes_what_it_learnt(backbone: Backbone) -> None:
    """The loss of the model that comes out goes on where training ended."""
    rows = copying_rows()
    tuned = tune("lora", backbone, rows, CONFIGS["lora"], lambda done, total: None)

    ids = torch.tensor([list(row.token_ids) for row in rows])
    with torch.no_grad():
        logits = tuned.model(input_ids=ids).logits[:, 1:-1]
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 2:].flatten())
    assert loss <= tuned.epoch_losses[-1]


def test_how_many_weights_are_trained(backbone: Backbone) -> None:
    numbers = {
        method: tune(method, backbone, copying_rows(6), CONFIGS[method], lambda done, total: None).num_parameters
        for method in METHODS
    }
    upper = sum(tensor.numel() for tensor in backbone.upper_tensors().values())
    assert numbers["full"] == upper
    assert numbers["all_weights"] == sum(p.numel() for p in backbone.model.parameters())
    share = (backbone.num_layers - backbone.num_shared_layers) / backbone.num_layers
    assert numbers["low_rank"] == numbers["lora"] * share
