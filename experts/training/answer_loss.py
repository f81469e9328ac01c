"""The loss at the answers' tokens, of one batch and of a set that is not trained on."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from experts.backbone import Backbone
from experts.stand_ins import Replay
from experts.training.activations import EncodedRow, batches, pad


def answer_loss(model: PreTrainedModel, rows: Sequence[EncodedRow], *, mixed: bool) -> Tensor:
    """Mean cross-entropy of the answers' tokens; logits are computed at these alone. `mixed`: products in bfloat16."""
    input_ids = pad(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
        output = model.base_model(input_ids=input_ids, use_cache=False)[0]
        predicting = torch.zeros_like(input_ids, dtype=torch.bool)
        for i, row in enumerate(rows):
            predicting[i, row.num_prompt_tokens - 1 : row.num_tokens - 1] = True
        logits = cast(nn.Module, model.get_output_embeddings())(output[predicting])  # [num_answer_tokens, vocabulary]
    wanted = input_ids[torch.roll(predicting, 1, dims=1)]
    return functional.cross_entropy(logits.float(), wanted)


def upper_answer_loss(
    backbone: Backbone, replay: Replay, rows: Sequence[EncodedRow], activations: Sequence[Tensor]
) -> Tensor:
    """The same without the shared layers; `activations` are `[num_tokens, hidden]` for each row.

    The layers to train and `replay` already stand in the backbone's stack.
    """
    replay.activations = nn.utils.rnn.pad_sequence(list(activations), batch_first=True)  # [num_rows, longest, hidden]
    return answer_loss(backbone.model, rows, mixed=backbone.model.dtype == torch.bfloat16)


@torch.no_grad()
def mean_answer_loss(
    backbone: Backbone, replay: Replay, rows: Sequence[EncodedRow], activations: Sequence[Tensor], batch_tokens: int
) -> float:
    """Mean over all answers' tokens of all rows, in batches of at most so many padded tokens; nothing is learnt."""
    total, count = 0.0, 0
    for batch in batches(rows, batch_tokens):
        num_tokens = sum(rows[i].num_answer_tokens for i in batch)
        loss = upper_answer_loss(backbone, replay, [rows[i] for i in batch], [activations[i] for i in batch])
        total, count = total + loss.item() * num_tokens, count + num_tokens
    return total / count
