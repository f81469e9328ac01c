"""From logits to a token."""

import math

import torch
from torch import Tensor

from experts.sampling_params import SamplingParams

_COLDEST = 1e-5
"""Below it a temperature is greedy: the quotient would leave float32."""


def sample(logits: Tensor, params: SamplingParams, position: int, index: int = 0) -> int:
    """One token from logits `[vocabulary]`. With a seed, the draw depends on seed, position and index only."""
    if params.temperature < _COLDEST:
        return int(logits.argmax())
    generator = None
    if params.seed is not None:
        # torch's generator takes the lowest 32 bits; in these, the factors keep seeds and answers apart
        number = params.seed * 1_000_003 + index * 2_654_435_761 + position
        generator = torch.Generator(logits.device).manual_seed(number % 2**63)
    return int(torch.multinomial(probabilities(logits, params), 1, generator=generator))


def probabilities(logits: Tensor, params: SamplingParams) -> Tensor:
    """What is drawn from, `[vocabulary]` in float32: behind temperature, min_p, top_k and top_p, in this order."""
    scaled = logits.float() / params.temperature
    if params.min_p > 0.0:
        scaled = scaled.masked_fill(scaled < scaled.max() + math.log(params.min_p), -math.inf)
    if params.top_k:
        kept = min(params.top_k, scaled.shape[-1])
        scaled = scaled.masked_fill(scaled < torch.topk(scaled, kept).values[-1], -math.inf)
    found = torch.softmax(scaled, dim=-1)
    if params.top_p < 1.0:
        ordered, indices = torch.sort(found, descending=True)
        outside = torch.cumsum(ordered, dim=-1) - ordered >= params.top_p  # the first token always stays
        found[indices[outside]] = 0.0
    return found
