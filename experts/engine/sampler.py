"""From logits to a token."""

import torch
from torch import Tensor

from experts.sampling_params import SamplingParams


def sample(logits: Tensor, params: SamplingParams, position: int) -> int:
    """One token from logits `[vocabulary]`. With a seed, the draw depends on seed and position only."""
    if params.temperature == 0.0:
        return int(logits.argmax())
    scaled = logits.float() / params.temperature
    if params.top_k:
        kept = min(params.top_k, scaled.shape[-1])
        scaled = scaled.masked_fill(scaled < torch.topk(scaled, kept).values[-1], float("-inf"))
    probabilities = torch.softmax(scaled, dim=-1)
    if params.top_p < 1.0:
        ordered, indices = torch.sort(probabilities, descending=True)
        outside = torch.cumsum(ordered, dim=-1) - ordered >= params.top_p  # the first token always stays
        probabilities[indices[outside]] = 0.0
    generator = None
    if params.seed is not None:
        generator = torch.Generator(logits.device).manual_seed((params.seed * 1_000_003 + position) % 2**63)
    return int(torch.multinomial(probabilities, 1, generator=generator))
