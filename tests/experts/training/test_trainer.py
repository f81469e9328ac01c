"""Training a tiny expert: the loss falls, the backbone stays, the cached activations are the model's own."""

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experts.backbone import Backbone
from experts.card import LowRank
from experts.checkpoint import load_expert, save_expert
from experts.engine.generation import generate
from experts.errors import ResumeRefused
from experts.expert import Expert
from experts.sampling_params import SamplingParams
from experts.stand_ins import Replay
from experts.training.activation_store import ActivationStore
from experts.training.activations import EncodedRow, boundary_activations, stack_of
from experts.training.answer_loss import upper_answer_loss
from experts.training.low_rank import low_rank_layers, low_rank_tensors
from experts.training.trainer import Progress, Trained, TrainerConfig, TrainingFiles, train
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


def same(left: Trained, right: Trained) -> bool:
    return left.tensors.keys() == right.tensors.keys() and all(
        torch.equal(tensor, right.tensors[name]) for name, tensor in left.tensors.items()
    )


def test_the_default_options_train_as_a_plain_loop_does(config: TrainerConfig) -> None:
    """The loop of the first version: one batch a step, in the same order, at the same rates."""
    backbone, rows, rng = make_backbone(), copying_rows(), random.Random(config.seed)
    activations, low_rank = boundary_activations(backbone, rows, lambda _: None), config.form == "low_rank"
    layers = low_rank_layers(backbone, LowRank(rank=8, alpha=32.0), 0) if low_rank else None
    layers = layers or copy.deepcopy(backbone.layers[2:]).requires_grad_(True)
    parameters = [p for p in layers.parameters() if p.requires_grad]
    optimizer, epochs = (
        torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.0),
        list[list[list[int]]](),
    )
    for _ in range(config.epochs):  # all rows are of the same length, five tokens: twelve make a batch of sixty
        order = sorted(range(60), key=lambda i: 5 * rng.uniform(0.9, 1.1))
        epochs.append([order[i : i + 12] for i in range(0, 60, 12)])
        rng.shuffle(epochs[-1])
    replay, total, done = Replay(), 5 * config.epochs, 0
    with stack_of(backbone, [replay], layers, norm=True):
        for batch in (batch for epoch in epochs for batch in epoch):
            rising = max(1, round(total * config.warmup))
            rate = min((done + 1) / rising, (total - done) / max(1, total - rising + 1))
            optimizer.param_groups[0]["lr"] = config.learning_rate * rate
            optimizer.zero_grad()
            upper_answer_loss(backbone, replay, [rows[i] for i in batch], [activations[i] for i in batch]).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            done += 1

    trained = train(make_backbone(), rows, config, ignore)
    expected = low_rank_tensors(backbone, layers) if low_rank else None
    expected = expected or {
        f"layers.{i}.{n}": t for i, each in enumerate(layers, 2) for n, t in each.state_dict().items()
    }
    assert trained.tensors.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in trained.tensors.items())


class Killed(Exception):
    """Comes in the middle of a training."""


def killed_after(num_steps: int, seen: list[Progress]) -> Callable[[Progress], None]:
    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        if [each.phase for each in seen].count("training") == num_steps:
            raise Killed

    return on_progress


@pytest.mark.parametrize(
    ("kills", "seconds", "left"), [((1,), 0, 19), ((5,), 300, 15), ((7, 3), 0, 10), ((8,), 300, 15), ((20,), 300, 0)]
)
def test_a_resumed_training_ends_with_the_same_weights(
    config: TrainerConfig, kills: tuple[int, ...], seconds: float, left: int, tmp_path: Path
) -> None:
    """20 steps, 5 an epoch: killed after the first, at an epoch's end, in the middle, twice, after the last one."""
    rows, dev = copying_rows(), copying_rows(10)
    config = replace(config, epochs=4, patience=4)
    whole = train(make_backbone(), rows, config, ignore, dev_rows=dev)
    files = TrainingFiles(ActivationStore(tmp_path / "activations"), tmp_path / "c", True, save_every_seconds=seconds)

    for kill in kills:
        with pytest.raises(Killed):
            train(make_backbone(), rows, config, killed_after(kill, []), dev_rows=dev, files=files)
    seen: list[Progress] = []
    resumed = train(make_backbone(), rows, config, seen.append, dev_rows=dev, files=files)

    assert [each.phase for each in seen].count("training") == left
    assert same(whole, resumed)
    assert (resumed.step_losses, resumed.epoch_losses) == (whole.step_losses, whole.epoch_losses)
    assert resumed.dev_losses == whole.dev_losses


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    config, files = TrainerConfig(epochs=1, rank=4), TrainingFiles(checkpoint=tmp_path / "c", resume=True)
    train(make_backbone(), copying_rows(10), config, ignore, files=files)

    for other, rows, difference in (
        (replace(config, learning_rate=0.5), copying_rows(10), "learning rate was 0.001, is 0.5"),
        (config, copying_rows(11), "rows was "),
    ):
        with pytest.raises(ResumeRefused, match=difference):
            train(make_backbone(), rows, other, ignore, files=files)
    afresh = replace(files, resume=False)
    assert len(train(make_backbone(), copying_rows(11), config, ignore, files=afresh).epoch_losses) == 1


def test_training_ends_when_the_dev_loss_no_longer_falls_and_the_best_epoch_is_kept() -> None:
    """Dev rows that contradict the training rows: the longer it learns, the worse they get."""
    rows = [EncodedRow((65, ord(">"), 65, END_ID), 2)] * 10
    against = [EncodedRow((65, ord(">"), 66, END_ID), 2)]
    config = TrainerConfig(rank=8, epochs=12, batch_tokens=8, learning_rate=0.05, patience=3)

    stopped = train(make_backbone(), rows, config, ignore, dev_rows=against)
    best = min(range(len(stopped.dev_losses)), key=stopped.dev_losses.__getitem__)
    assert len(stopped.dev_losses) == len(stopped.epoch_losses) == best + 1 + 3 < 12

    patient = train(make_backbone(), rows, replace(config, patience=12), ignore, dev_rows=against)
    assert len(patient.epoch_losses) == 12
    assert same(stopped, patient)
    assert not same(stopped, train(make_backbone(), rows, config, ignore))


def test_accumulated_batches_learn_as_one_large_batch_does() -> None:
    rows = [EncodedRow((i, ord(">"), *range(i, i + i % 3 + 1), END_ID), 2) for i in range(65, 73)]
    large = TrainerConfig("full", epochs=1, batch_tokens=1000, learning_rate=0.01)
    small = replace(large, batch_tokens=12, accumulate=100)
    one, many = train(make_backbone(), rows, large, ignore), train(make_backbone(), rows, small, ignore)

    assert len(one.step_losses) == len(many.step_losses) == 1
    assert many.step_losses[0] == pytest.approx(one.step_losses[0], rel=1e-5)
    moved = sum(float((one.tensors[n] - t).abs().max()) for n, t in make_backbone().upper_tensors().items())
    apart = sum(float((one.tensors[n] - t).abs().max()) for n, t in many.tensors.items())
    assert apart < 0.05 * moved
    assert len(train(make_backbone(), rows, replace(small, accumulate=1), ignore).step_losses) > 1
