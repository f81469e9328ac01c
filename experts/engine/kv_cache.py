"""The tensors of the paged cache: keys and values of every layer, and the boundary activations."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from experts.backbone import Backbone


@dataclass(frozen=True, slots=True)
class LayerShape:
    """What one layer keeps of a token."""

    num_kv_heads: int
    head_dim: int


class LayerCache:
    """Keys and values of one layer, each `[num_blocks * num_kv_heads, block_size, head_dim]`.

    A block's heads lie one after another, so that a sequence's blocks are gathered head by head in one copy.
    """

    def __init__(self, num_blocks: int, block_size: int, shape: LayerShape, like: Tensor) -> None:
        self.num_kv_heads, self.head_dim, self.block_size = shape.num_kv_heads, shape.head_dim, block_size
        size = (num_blocks * shape.num_kv_heads, block_size, shape.head_dim)
        self.keys, self.values = like.new_zeros(size), like.new_zeros(size)

    def write(self, keys: Tensor, values: Tensor, slots: Tensor) -> None:
        """Keep `[num_tokens, num_kv_heads, head_dim]` at slots `[num_tokens * num_kv_heads]`, token by token."""
        for kept, new in ((self.keys, keys), (self.values, values)):
            kept.view(-1, self.head_dim).index_copy_(0, slots, new.reshape(-1, self.head_dim))

    def read(self, rows: Tensor, num_sequences: int) -> tuple[Tensor, Tensor]:
        """Keys and values `[num_sequences, num_kv_heads, num_cached, head_dim]` of equally many blocks each.

        rows: `[num_sequences * num_kv_heads * num_blocks]`.
        """
        shape = (num_sequences, self.num_kv_heads, -1, self.head_dim)
        return self.keys.index_select(0, rows).view(shape), self.values.index_select(0, rows).view(shape)


class KVCache:
    """All layers' caches by layer index, and the activations that cross from the backbone to the experts."""

    def __init__(self, backbone: Backbone, num_backbone_blocks: int, num_upper_blocks: int, block_size: int) -> None:
        config = backbone.model.config.get_text_config()
        embeddings = backbone.embeddings
        shape, self.block_size = layer_shape(backbone), block_size
        num_shared, num_layers = backbone.num_shared_layers, backbone.num_layers
        self._head_offsets = torch.arange(shape.num_kv_heads, device=embeddings.device)
        self.layers = [
            LayerCache(num_backbone_blocks if i < num_shared else num_upper_blocks, block_size, shape, embeddings)
            for i in range(num_layers)
        ]
        self._activations = embeddings.new_zeros(num_backbone_blocks * block_size, int(config.hidden_size))

    def tensor(self, numbers: Any) -> Tensor:
        """Whole numbers on the cache's device."""
        return torch.tensor(numbers, dtype=torch.long, device=self._activations.device)

    def head_rows(self, blocks: Tensor) -> Tensor:
        """Rows of `LayerCache.read`, for blocks `[num_sequences, num_blocks]`."""
        return (blocks[:, None] * len(self._head_offsets) + self._head_offsets[:, None]).flatten()

    def head_slots(self, slots: Tensor) -> Tensor:
        """Slots of `LayerCache.write`, for the tokens' slots `[num_tokens]`."""
        block, offset = slots[:, None] // self.block_size, slots[:, None] % self.block_size
        return ((block * len(self._head_offsets) + self._head_offsets) * self.block_size + offset).flatten()

    def write_activations(self, slots: Tensor, activations: Tensor) -> None:
        """Keep `[num_tokens, hidden]` at slots `[num_tokens]`."""
        self._activations.index_copy_(0, slots, activations)

    def read_activations(self, slots: Tensor) -> Tensor:
        """`[num_tokens, hidden]` at slots `[num_tokens]`."""
        return self._activations.index_select(0, slots)


def layer_shape(backbone: Backbone) -> LayerShape:
    """The shape of all layers' keys and values, from the model's configuration."""
    config = backbone.model.config.get_text_config()
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return LayerShape(int(config.num_key_value_heads), int(head_dim))


def block_bytes(backbone: Backbone, block_size: int) -> tuple[int, int]:
    """Bytes of a block of the backbone's pool (with its activations) and of one of the upper pool."""
    shape, size = layer_shape(backbone), backbone.embeddings.element_size()
    of_layer = 2 * shape.num_kv_heads * shape.head_dim * block_size * size
    activations = int(backbone.model.config.get_text_config().hidden_size) * block_size * size
    num_upper = backbone.num_layers - backbone.num_shared_layers
    return backbone.num_shared_layers * of_layer + activations, num_upper * of_layer
