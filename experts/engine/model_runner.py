"""Runs one engine step: the backbone once over all rows, then each expert over its own segment."""

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from experts.backbone import Backbone
from experts.engine import attention
from experts.engine.attention import AttentionBatch
from experts.engine.batch import lay_out
from experts.engine.kv_cache import KVCache
from experts.engine.projections import prepared
from experts.engine.sequence import ExpertKey, Scheduled
from experts.stand_ins import Passing, Replay


@dataclass(frozen=True, slots=True)
class Segment:
    """The contiguous rows of one expert."""

    layers: nn.ModuleList
    rows: slice
    attention: AttentionBatch


class ModelRunner:
    """The backbone's and the experts' own layers, inside transformers' own forward of the model.

    lower   embeddings · shared layers                                      → boundary activations → cache
    upper   cache → boundary activations · segments of experts' layers · norm · head → logits
    """

    def __init__(self, backbone: Backbone, cache: KVCache, upper_layers: Callable[[ExpertKey], nn.ModuleList]) -> None:
        attention.register()
        backbone.model.set_attn_implementation(attention.NAME)
        self._cache, self._upper_layers = cache, upper_layers
        num_shared, num_upper = backbone.num_shared_layers, backbone.num_layers - backbone.num_shared_layers
        passing = Passing()
        lower = backbone.assemble(nn.ModuleList([passing] * num_upper)).base_model
        lower.norm = passing
        self._lower: Any = lower
        self._boundary = Replay()
        self._upper: Any = backbone.assemble(nn.ModuleList())
        self._upper.set_output_embeddings(prepared(backbone.head))
        above = [_Segmented(index) for index in range(num_upper)]
        self._upper.base_model.layers = nn.ModuleList([self._boundary, *[passing] * (num_shared - 1), *above])

    @torch.inference_mode()
    def run(self, scheduled: Many[Scheduled]) -> Tensor:
        """Logits `[num_wanted, vocabulary]` of all wanted positions, in the order given."""
        self._run_lower([one for one in scheduled if one.backbone_positions])
        return self._run_upper(scheduled)

    def _run_lower(self, scheduled: Many[Scheduled]) -> None:
        """Fill the cache of the shared layers and the boundary activations."""
        if not scheduled:
            return
        parts = [(one.sequence.backbone, one.backbone_positions) for one in scheduled]
        rows = lay_out(self._cache, parts)
        token_ids = [scheduled[i].sequence.token_ids[p] for i in rows.order for p in parts[i][1]]
        output = self._lower(
            input_ids=self._cache.tensor([token_ids]),
            position_ids=self._cache.tensor([rows.positions(parts)]),
            use_cache=False,
            batch=rows.attention,
        )[0]
        self._cache.write_activations(rows.slots, output[0])

    def _run_upper(self, scheduled: Many[Scheduled]) -> Tensor:
        by_expert = defaultdict[ExpertKey, list[Scheduled]](list)
        for one in scheduled:
            by_expert[one.sequence.expert].append(one)
        segments: list[Segment] = []
        slots: list[Tensor] = []
        positions: list[int] = []
        first_rows: dict[int, int] = {}
        for expert, members in by_expert.items():
            parts = [(one.sequence.upper, one.upper_positions) for one in members]
            rows, start = lay_out(self._cache, parts), len(positions)
            first_rows |= {members[i].sequence.id: start + row for i, row in rows.starts.items()}
            positions += rows.positions(parts)
            slots.append(rows.slots_of(self._cache, [(one.sequence.backbone, one.upper_positions) for one in members]))
            segments.append(Segment(self._upper_layers(expert), slice(start, len(positions)), rows.attention))
        self._boundary.activations = self._cache.read_activations(torch.cat(slots))[None]
        wanted = [
            first_rows[one.sequence.id] + position - one.upper_positions.start
            for one in scheduled
            for position in one.logit_positions
        ]
        return self._upper(
            input_ids=self._cache.tensor([[0] * len(positions)]),
            position_ids=self._cache.tensor([positions]),
            use_cache=False,
            batch=segments,
            logits_to_keep=self._cache.tensor(wanted),
        ).logits[0]


class _Segmented(nn.Module):
    """One upper layer of every expert in the batch, each over its own rows."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self._index = index

    def forward(
        self,
        hidden_states: Tensor,
        *,
        batch: Many[Segment],
        position_embeddings: tuple[Tensor, Tensor],
        position_ids: Tensor,
        **more: Any,
    ) -> Tensor:
        cos, sin = position_embeddings
        outputs = [
            segment.layers[self._index](
                hidden_states[:, segment.rows],
                position_embeddings=(cos[:, segment.rows], sin[:, segment.rows]),
                position_ids=position_ids[:, segment.rows],
                batch=segment.attention,
                **more,
            )
            for segment in batch
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
