"""The loss at the answers' tokens."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from experts.stand_ins import Replay
from experts.training.activations import EncodedRow, boundary_activations, stack_of
from experts.training.answer_loss import mean_answer_loss, upper_answer_loss
from tests.experts.conftest import make_backbone

ROWS = [EncodedRow((1, 2, 3, 65, 66), 3), EncodedRow((9, 8, 70), 2), EncodedRow((4, 5, 6, 7, 71, 72, 73), 4)]


def test_the_mean_over_all_rows_counts_every_answers_token_once() -> None:
    backbone, replay = make_backbone(), Replay()
    losses: list[float] = []
    for row in ROWS:
        logits = backbone.model(torch.tensor([row.token_ids])).logits[0, row.num_prompt_tokens - 1 : -1]
        wanted = torch.tensor(row.token_ids[row.num_prompt_tokens :])
        losses += cross_entropy(logits.detach(), wanted, reduction="none").tolist()
    activations = boundary_activations(backbone, ROWS, lambda _: None)

    with stack_of(backbone, [replay], backbone.layers[backbone.num_shared_layers :], norm=True):
        alone = upper_answer_loss(backbone, replay, ROWS[:1], activations[:1]).item()
        found = [mean_answer_loss(backbone, replay, ROWS, activations, limit) for limit in (7, 10, 100)]

    assert alone == pytest.approx(sum(losses[:2]) / 2, rel=1e-5)
    assert found == pytest.approx([sum(losses) / 6] * 3, rel=1e-5)
