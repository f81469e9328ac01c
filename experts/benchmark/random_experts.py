"""Experts with random low-rank deltas: they cost what trained ones cost, on any backbone."""

from pathlib import Path

import torch
from torch import Tensor

from experts.backbone import Backbone
from experts.card import ExpertCard, LowRank
from experts.checkpoint import save_expert
from experts.expert import Expert, projection_names
from experts.registry import Entry

RANK = 16


def random_expert(backbone: Backbone, name: str, seed: int) -> Expert:
    """Deltas of rank 16 on all seven projections, small enough to leave the model a language model."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for projection, module in projection_names(backbone).items():
        for matrix, shape in (("A", (RANK, module.in_features)), ("B", (module.out_features, RANK))):
            tensors[f"{projection}.lora_{matrix}"] = 0.02 * torch.randn(shape, generator=generator)
    card = ExpertCard(
        name=name,
        domain=name,
        description="Random weights.",
        version="unsaved",
        backbone_hash=backbone.hash,
        num_shared_layers=backbone.num_shared_layers,
        num_layers=backbone.num_layers,
        form="low_rank",
        low_rank=LowRank(rank=RANK, alpha=float(RANK)),
    )
    return Expert(card, tensors)


def make_entries(backbone: Backbone, count: int, folder: Path) -> list[Entry]:
    """`e0`, `e1`, … on disk under `folder`."""
    directories = [folder / f"e{i}" for i in range(count)]
    return [
        Entry(save_expert(random_expert(backbone, directory.name, i), directory), directory)
        for i, directory in enumerate(directories)
    ]
