"""Runs one engine step: the backbone once over all rows, then each expert over its own segment."""

from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import Tensor, nn

from experts.backbone import Backbone
from experts.engine import fused_layer
from experts.engine.attention import AttentionBatch
from experts.engine.batch import TablePart, lay_out, slots_of
from experts.engine.fused_layer import FusedLayer, LayerRows
from experts.engine.kv_cache import KVCache
from experts.engine.sequence import ExpertKey, Scheduled, Sequence
from experts.stand_ins import Passing, Replay


@dataclass(frozen=True)
class Segment:
    """The contiguous rows of one expert."""

    layers: nn.ModuleList
    rows: slice
    parts: list[TablePart]
    cache: KVCache

    @cached_property
    def attention(self) -> AttentionBatch:
        """Of these rows alone, for layers that transformers runs."""
        return lay_out(self.cache, self.parts).attention


class ModelRunner:
    """The backbone's and the experts' own layers, inside transformers' own forward of the model.

    lower   embeddings · shared layers                                      → boundary activations → cache
    upper   cache → boundary activations · segments of experts' layers · norm · head → logits
    """

    def __init__(
        self,
        backbone: Backbone,
        cache: KVCache,
        shared_layers: nn.ModuleList,
        head: nn.Module,
        upper_layers: Callable[[ExpertKey], nn.ModuleList],
    ) -> None:
        self._cache, self._upper_layers = cache, upper_layers
        self._no_logits = backbone.embeddings.new_empty(0, backbone.embeddings.shape[0])
        num_shared, num_upper = backbone.num_shared_layers, backbone.num_layers - backbone.num_shared_layers
        passing = Passing()
        lower = backbone.assemble(nn.ModuleList()).base_model
        lower.layers = nn.ModuleList([*shared_layers, *[passing] * num_upper])
        lower.norm = passing
        self._lower: Any = lower
        self._boundary = Replay()
        self._upper: Any = backbone.assemble(nn.ModuleList())
        self._upper.set_output_embeddings(head)
        above = [_Segmented(index) for index in range(num_upper)]
        self._upper.base_model.layers = nn.ModuleList([self._boundary, *[passing] * (num_shared - 1), *above])

    @torch.inference_mode()
    def run(self, scheduled: Many[Scheduled]) -> Tensor:
        """Logits `[num_wanted, vocabulary]` of all wanted positions, in the order given."""
        self._run_lower([one for one in scheduled if one.backbone_positions])
        above = [one for one in scheduled if one.upper_positions]
        return self._run_upper(above) if above else self._no_logits

    @torch.inference_mode()
    def pooled(self, sequence: Sequence, first: int) -> Tensor:
        """Mean of a computed sequence's boundary activations from token `first` on, `[hidden]` in float32."""
        slots = slots_of(self._cache, [(sequence.backbone, range(first, sequence.num_tokens))])
        return self._cache.read_activations(slots).float().mean(dim=0)

    def _run_lower(self, scheduled: Many[Scheduled]) -> None:
        """Fill the cache of the shared layers and the boundary activations."""
        if not scheduled:
            return
        scheduled = sorted(scheduled, key=lambda one: len(one.backbone_positions) > 1)
        rows = lay_out(self._cache, [(one.sequence.backbone, one.backbone_positions) for one in scheduled])
        token_ids = [one.sequence.token_ids[p] for one in scheduled for p in one.backbone_positions]
        output = self._lower(
            input_ids=self._cache.tensor([token_ids]),
            position_ids=rows.positions,
            use_cache=False,
            batch=rows.attention,
        )[0]
        self._cache.write_activations(rows.slots, output[0])

    def _run_upper(self, scheduled: Many[Scheduled]) -> Tensor:
        by_expert = sorted(scheduled, key=lambda one: (one.sequence.expert, len(one.upper_positions) > 1))
        parts = [(one.sequence.upper, one.upper_positions) for one in by_expert]
        rows = lay_out(self._cache, parts)
        starts = [0, *accumulate(len(one.upper_positions) for one in by_expert)]
        first_rows = {one.sequence.id: start for one, start in zip(by_expert, starts, strict=False)}
        wanted = [
            first_rows[one.sequence.id] + position - one.upper_positions.start
            for one in scheduled
            for position in one.logit_positions
        ]
        backbone_slots = slots_of(self._cache, [(one.sequence.backbone, one.upper_positions) for one in by_expert])
        self._boundary.activations = self._cache.read_activations(backbone_slots)[None]
        return self._upper(
            input_ids=torch.zeros_like(rows.positions),
            position_ids=rows.positions,
            use_cache=False,
            batch=rows.attention,
            segments=self._segments(by_expert),
            logits_to_keep=self._cache.tensor(wanted),
        ).logits[0]

    def _segments(self, by_expert: Many[Scheduled]) -> list[Segment]:
        segments: list[Segment] = []
        end = 0
        for expert, group in groupby(by_expert, key=lambda one: one.sequence.expert):
            members = [(one.sequence.upper, one.upper_positions) for one in group]
            start, end = end, end + sum(len(positions) for _, positions in members)
            segments.append(Segment(self._upper_layers(expert), slice(start, end), members, self._cache))
        return segments


class _Segmented(nn.Module):
    """One upper layer of every expert in the batch, each over its own rows."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self._index = index

    def forward(
        self,
        hidden_states: Tensor,
        *,
        batch: AttentionBatch,
        segments: Many[Segment],
        position_embeddings: tuple[Tensor, Tensor],
        position_ids: Tensor,
        **more: Any,
    ) -> Tensor:
        layers = [segment.layers[self._index] for segment in segments]
        fused = [
            LayerRows(layer, segment.rows)
            for layer, segment in zip(layers, segments, strict=True)
            if isinstance(layer, FusedLayer)
        ]
        if len(fused) == len(segments):
            return fused_layer.run(fused, hidden_states[0], batch.rotation(position_embeddings), batch)[None]
        cos, sin = position_embeddings
        outputs = [
            layer(
                hidden_states[:, segment.rows],
                position_embeddings=(cos[:, segment.rows], sin[:, segment.rows]),
                position_ids=position_ids[:, segment.rows],
                batch=segment.attention,
                **more,
            )
            for layer, segment in zip(layers, segments, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
