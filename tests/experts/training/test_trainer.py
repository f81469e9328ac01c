"""Training a tiny expert: the loss falls, the backbone stays, the cached activations are the model's own."""

import random
from pathlib import Path

import pytest
import torch

from experts.backbone import Backbone
from experts.checkpoint import load_expert, save_expert
from experts.engine.generation import generate
from experts.expert import Expert
from experts.sampling_params import SamplingParams
from experts.training.activations import EncodedRow, boundary_activations
from experts.training.trainer import Progress, Trained, TrainerConfig, train
from tests.experts.conftest import make_backbone, make_card
from tests.experts.families import END_ID, FAMILIES, Family


def copying_rows(count: int = 60) -> list[EncodedRow]:
    """`x>` is answered with `xx`: learnt in a minute by a tiny model."""
    rng = random.Random(0)
    letters = [rng.choice(b"abcdefgh") for _ in range(count)]
    return [EncodedRow((letter, ord(">"), letter, letter, END_ID), 2) for letter in letters]


def ignore(_: Progress) -> None:
    """Nobody watches."""


@pytest.fixture(params=["low_rank", "full"])
def config(request: pytest.FixtureRequest) -> TrainerConfig:
    rate = 0.02 if request.param == "low_rank" else 0.01
    return TrainerConfig(request.param, rank=8, epochs=12, batch_tokens=60, learning_rate=rate)


def as_expert(backbone: Backbone, trained: Trained, config: TrainerConfig) -> Expert:
    card = make_card(backbone, "copy", form=config.form, low_rank=trained.low_rank)
    return Expert(card, trained.tensors)


def test_the_loss_falls_and_the_saved_expert_has_learnt_it(config: TrainerConfig, tmp_path: Path) -> None:
    backbone = make_backbone()
    before = backbone.hash, {n: t.clone() for n, t in backbone.upper_tensors().items()}

    trained = train(backbone, copying_rows(), config, ignore)
    save_expert(as_expert(backbone, trained, config), tmp_path / "copy")
    model = backbone.assemble(load_expert(tmp_path / "copy", backbone).upper_layers(backbone))
    params = SamplingParams(max_tokens=3)
    answers = [
        [
            i
            for e in generate(model, backbone.tokenizer, [x, ord(">")], params, None, backbone.eos_token_ids)
            for i in e.token_ids
        ]
        for x in b"abcdefgh"
    ]

    assert trained.epoch_losses[-1] < 0.3 * trained.epoch_losses[0]
    assert answers == [[x, x] for x in b"abcdefgh"]
    assert backbone.hash == before[0]
    assert all(torch.equal(tensor, before[1][name]) for name, tensor in backbone.upper_tensors().items())


def test_progress_counts_every_token_once_an_epoch(config: TrainerConfig) -> None:
    seen: list[Progress] = []
    rows = copying_rows(20)
    train(make_backbone(), rows, config, seen.append)

    assert seen[-1].done == seen[-1].total == config.epochs * 5 * len(rows)
    assert max(p.done for p in seen if p.phase == "caching") == 5 * len(rows)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_boundary_activations_are_the_models_own_hidden_states(family: Family) -> None:
    backbone = make_backbone(family)
    rng = random.Random(1)
    rows = [EncodedRow(tuple(rng.randbytes(n)), 1) for n in (3, 40, 17, 25)]

    cached = boundary_activations(backbone, rows, lambda _: None, max_batch_tokens=64)

    for row, activations in zip(rows, cached, strict=True):
        own = backbone.model(torch.tensor([row.token_ids]), output_hidden_states=True).hidden_states
        torch.testing.assert_close(activations, own[backbone.num_shared_layers][0], rtol=1e-5, atol=1e-4)


def test_only_the_answer_is_learnt() -> None:
    """Rows that differ in what follows their answer's place in the prompt only give the same loss."""
    backbone, config = make_backbone(), TrainerConfig(epochs=1, learning_rate=0.0, batch_tokens=8)
    loss = [
        train(backbone, [EncodedRow((*prompt, 65, END_ID), len(prompt))], config, ignore).epoch_losses[0]
        for prompt in ((1, 2, 3), (1, 2, 3))
    ]
    logits = backbone.model(torch.tensor([[1, 2, 3, 65, END_ID]])).logits[0]
    expected = torch.nn.functional.cross_entropy(logits[2:4].float(), torch.tensor([65, END_ID]))

    assert loss[0] == loss[1] == pytest.approx(float(expected.detach()), abs=1e-4)
