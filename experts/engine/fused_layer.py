"""A decoder layer of the common form in as few operations as it takes, for all experts of a batch together.

Norm, query-key-value, rotation, attention, output, residual; norm, gate-up, activation, down, residual: what Llama,
Mistral, Qwen and many others are made of. Whether a layer has this form is tried, not believed: its output is compared
with that of transformers' own forward, and a model with a layer that differs is run by transformers.
"""

from collections.abc import Sequence as Many
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from experts.backbone import Backbone
from experts.engine.attention import AttentionBatch, AttentionKind
from experts.engine.operations import Gate, Norm
from experts.engine.projections import GROUPS, Part, Product
from experts.engine.rotation import Rotation

_NUM_TRIED = 5
"""Rows that a layer is tried on."""
_LAYER_PARTS = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
_PROJECTIONS = {name for _, names in GROUPS for name in names}


class FusedLayer(nn.Module):
    """The parts of one prepared decoder layer, and how they follow one another."""

    def __init__(self, layer: Any, kind: AttentionKind) -> None:
        super().__init__()
        self.index, self.kind = int(layer.self_attn.layer_idx), kind
        self.qkv, self.output, self.gate_up, self.down = (_product(layer, group) for group in range(len(GROUPS)))
        self.head_dim = int(layer.self_attn.head_dim)
        self.num_heads = layer.self_attn.q_proj.out_features // self.head_dim
        self.num_kv_heads = layer.self_attn.k_proj.out_features // self.head_dim
        self.input_norm, self.attended_norm = Norm(layer.input_layernorm), Norm(layer.post_attention_layernorm)
        self.query_norm, self.key_norm = (getattr(layer.self_attn, name, None) for name in ("q_norm", "k_norm"))
        self.gate = Gate(layer.mlp.act_fn)

    def forward(
        self, hidden_states: Tensor, *, batch: AttentionBatch, position_embeddings: tuple[Tensor, Tensor], **_: Any
    ) -> Tensor:
        """As transformers calls a layer, `[1, num_rows, hidden]`."""
        segment = LayerRows(self, slice(0, hidden_states.shape[1]))
        return run([segment], hidden_states[0], batch.rotation(position_embeddings), batch)[None]


@dataclass(frozen=True, slots=True)
class LayerRows:
    """The contiguous rows of one expert, and its layer."""

    layer: FusedLayer
    rows: slice


def run(segments: Many[LayerRows], hidden: Tensor, rotation: Rotation, batch: AttentionBatch) -> Tensor:
    """One layer over all segments, which cover hidden `[num_rows, hidden]` in order; attention is one for all."""
    layer = segments[0].layer
    groups = [_Group(list(group)) for _, group in groupby(segments, key=lambda one: id(one.layer.qkv.weights))]
    heads = _joined([group.heads(group.of(hidden)) for group in groups])
    attended = batch.attend_heads(layer.index, heads, layer.num_kv_heads, rotation, layer.kind)
    return _joined([group.finish(group.of(hidden), group.of(attended)) for group in groups])


class _Group:
    """Segments next to each other that share their weights, apart from deltas."""

    def __init__(self, segments: list[LayerRows]) -> None:
        start = segments[0].rows.start
        self.rows = slice(start, segments[-1].rows.stop)
        self._layer = segments[0].layer
        self._members = [(one.layer, slice(one.rows.start - start, one.rows.stop - start)) for one in segments]

    def of(self, rows: Tensor) -> Tensor:
        """This group's part of all rows."""
        return rows if self.rows.stop - self.rows.start == rows.shape[0] else rows[self.rows]

    def heads(self, hidden: Tensor) -> Tensor:
        """Queries, keys and values, `[num_rows, num_heads + 2 * num_kv_heads, head_dim]`."""
        layer = self._layer
        heads = self._project("qkv", layer.input_norm(hidden)[1]).view(hidden.shape[0], -1, layer.head_dim)
        if layer.query_norm is None or layer.key_norm is None:
            return heads
        query, key, value = heads.split([layer.num_heads, layer.num_kv_heads, layer.num_kv_heads], dim=1)
        return torch.cat([layer.query_norm(query), layer.key_norm(key), value], dim=1)

    def finish(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """What follows attention, `[num_rows, hidden]`."""
        layer = self._layer
        hidden, normed = layer.attended_norm(hidden, self._project("output", attended))
        return hidden + self._project("down", layer.gate(self._project("gate_up", normed)))

    def _project(self, name: str, inputs: Tensor) -> Tensor:
        product: Product = getattr(self._layer, name)
        output = product.weights(inputs)
        for layer, rows in self._members:
            if (delta := getattr(layer, name).delta) is not None:
                delta.add_to(output[rows], inputs[rows])
        return output


@dataclass(frozen=True, slots=True)
class Trial:
    """What transformers' own forward of a layer made of some activations."""

    hidden: Tensor
    position_embeddings: tuple[Tensor, Tensor]
    output: Tensor
    kind: AttentionKind


@torch.inference_mode()
def try_layers(backbone: Backbone) -> list[Trial] | None:
    """Run every layer with an attention that only notes; None if one has another structure.

    The layers are not prepared yet, and the paged attention is set.
    """
    base: Any = backbone.model.base_model
    if not hasattr(base, "rotary_emb") or not all(_has_common_parts(layer) for layer in backbone.layers):
        return None
    generator = torch.Generator().manual_seed(0)
    like = backbone.embeddings
    hidden = torch.randn(1, _NUM_TRIED, like.shape[1], generator=generator).to(like)
    positions = torch.arange(3, 3 + _NUM_TRIED, device=like.device)[None]
    cos_sin = base.rotary_emb(hidden, positions)
    trials: list[Trial] = []
    for layer in backbone.layers:
        batch = _Noting()
        output = layer(hidden, position_embeddings=cos_sin, position_ids=positions, batch=batch)
        trials.append(Trial(hidden, cos_sin, output, batch.kinds[0]))
    return trials


@torch.inference_mode()
def agrees(layer: nn.Module, trial: Trial) -> bool:
    """Whether the fused layer makes the same of the activations, within rounding."""
    batch: Any = _Noting()
    found = layer(trial.hidden, batch=batch, position_embeddings=trial.position_embeddings)
    error = (found - trial.output).float().norm() / (trial.output - trial.hidden).float().norm()
    return bool(error <= max(1e-4, 2 * torch.finfo(found.dtype).eps))


@dataclass(slots=True)
class _Noting:
    """Stands in for a batch: notes what is asked of it, and mixes queries, keys and values into its result."""

    kinds: list[AttentionKind] = field(default_factory=list[AttentionKind])

    def attend_heads(
        self, layer: int, heads: Tensor, num_kv_heads: int, rotation: Rotation, kind: AttentionKind
    ) -> Tensor:
        return self.attend(layer, *rotation.split(heads, num_kv_heads), kind).flatten(1)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, kind: AttentionKind) -> Tensor:
        self.kinds.append(kind)
        return query + (key + 2 * value).repeat_interleave(query.shape[1] // key.shape[1], dim=1)

    def rotation(self, position_embeddings: tuple[Tensor, Tensor]) -> Rotation:
        return Rotation.of(position_embeddings)


def _has_common_parts(layer: Any) -> bool:
    """Whether a decoder layer consists of what a fused layer knows, and of nothing else."""
    if {name for name, _ in layer.named_children()} != _LAYER_PARTS:
        return False
    names = {name for name, _ in layer.self_attn.named_children()} | {name for name, _ in layer.mlp.named_children()}
    norms = [getattr(layer.self_attn, name, None) for name in ("q_norm", "k_norm")]
    per_head = all(norm is None or norm.weight.shape == (layer.self_attn.head_dim,) for norm in norms)
    return _PROJECTIONS <= names <= _PROJECTIONS | {"act_fn", "q_norm", "k_norm"} and per_head


def _product(layer: Any, group: int) -> Product:
    parent, names = GROUPS[group]
    part: Part = getattr(getattr(layer, parent), names[0])
    return part.product


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
