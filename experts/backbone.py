"""A causal transformer split into a shared backbone and experts' upper layers (CCoE, arXiv 2407.11686)."""

import ctypes
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from experts.errors import BackboneError
from experts.mapped_weights import MappedWeights

_DEFAULT_SHARED = 23 / 30


def default_num_shared_layers(num_layers: int) -> int:
    """The default split: 23 of 30 layers, the same part of another depth, at least one layer on each side."""
    return min(max(1, round(num_layers * _DEFAULT_SHARED)), num_layers - 1)


@dataclass(frozen=True)
class Backbone:
    """Embeddings and the first `num_shared_layers` decoder layers, frozen; final norm and head come with it.

    Any transformers causal language model with a standard decoder stack. A family whose upper layers reuse keys and
    values of lower ones cannot be split and is refused.
    """

    model: PreTrainedModel
    """The whole model; its own upper layers are the general expert."""
    tokenizer: Any
    num_shared_layers: int
    hub_name: str = ""
    """The model's name on the Hugging Face Hub; empty if it is not known."""
    mapped: MappedWeights | None = None
    """Where the embeddings and the upper layers lie, if they stay in their file."""

    @classmethod
    def split(cls, model: PreTrainedModel, tokenizer: Any, num_shared_layers: int | None = None) -> Self:
        """Split a model. Raises BackboneError with the reason if its family or the layer does not allow it."""
        stack = getattr(model.base_model, "layers", None)
        kind = type(model).__name__
        if not isinstance(stack, nn.ModuleList) or not hasattr(model.base_model, "embed_tokens"):
            raise BackboneError(f"{kind} has no standard decoder stack (embed_tokens, layers); choose another model")
        if getattr(model.config, "num_kv_shared_layers", 0):
            raise BackboneError(f"{kind}'s upper layers reuse keys and values of lower ones; it cannot be split")
        num_layers = len(stack)
        shared = default_num_shared_layers(num_layers) if num_shared_layers is None else num_shared_layers
        if not 1 <= shared < num_layers:
            raise BackboneError(f"l_b = {shared} does not split {num_layers} layers; choose 1 to {num_layers - 1}")
        model.requires_grad_(False).eval()
        return cls(model, tokenizer, shared)

    @property
    def layers(self) -> nn.ModuleList:
        """All decoder layers of the original model."""
        return cast(nn.ModuleList, self.model.base_model.layers)

    @property
    def embeddings(self) -> Tensor:
        """The input embeddings, `[vocabulary, hidden]`."""
        return cast(nn.Embedding, self.model.get_input_embeddings()).weight

    @property
    def head(self) -> nn.Module:
        """The output projection, `[num_tokens, hidden]` to `[num_tokens, vocabulary]`."""
        return cast(nn.Module, self.model.get_output_embeddings())

    @property
    def num_layers(self) -> int:
        return len(self.layers)

    @property
    def max_context(self) -> int:
        """Tokens that a prompt and its answer may have together."""
        return int(self.model.config.max_position_embeddings)

    @cached_property
    def eos_token_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""
        eos: int | list[int] | None = self.model.generation_config.eos_token_id
        eos = self.model.config.eos_token_id if eos is None else eos
        return frozenset() if eos is None else frozenset([eos] if isinstance(eos, int) else eos)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over sorted names, shapes and bf16 bytes of the embeddings and the shared layers."""
        embeddings = cast(nn.Module, self.model.base_model.embed_tokens)
        tensors: dict[str, Tensor] = {f"embed_tokens.{n}": t for n, t in embeddings.state_dict().items()}
        for index in range(self.num_shared_layers):
            tensors |= {f"layers.{index}.{n}": t for n, t in self.layers[index].state_dict().items()}
        return hash_tensors(tensors)

    def left_in(self, directory: Path) -> Self:
        """The same, but embeddings and upper layers are read from the model's files when they are touched.

        The engine looks up few embeddings, and needs the upper layers only while it makes an expert of them. Tensors
        that the files have in another type stay in memory.
        """
        mapped = MappedWeights(directory)
        upper = {id(p) for layer in self.layers[self.num_shared_layers :] for p in layer.parameters()}
        for name, parameter in self.model.named_parameters():
            tensor = mapped.tensor(name) if id(parameter) in upper or parameter is self.embeddings else None
            if tensor is not None and tensor.dtype == parameter.dtype and torch.equal(tensor, parameter):
                parameter.data = tensor
            elif parameter.ndim == 1:  # what stays when weights are packed must not hold the loader's whole file
                parameter.data = parameter.data.clone()
        mapped.release()
        return replace(self, mapped=mapped)

    @property
    def num_bytes(self) -> int:
        """Of the whole original model."""
        return sum(parameter.nbytes for parameter in self.model.parameters())

    @property
    def is_tied(self) -> bool:
        """Whether the output projection's weight is the embeddings."""
        return getattr(self.head, "weight", None) is self.embeddings

    def bytes_in_memory(self, parameters: Iterable[Tensor]) -> int:
        """Of parameters that are not left in a file."""
        return sum(p.nbytes for p in parameters if self.mapped is None or not self.mapped.holds(p))

    def release(self) -> None:
        """Give back the memory of what was read from the files, and what the allocator keeps of tensors gone."""
        if self.mapped is not None:
            self.mapped.release()
        if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc's alone
            trim(0)

    def upper_tensors(self) -> dict[str, Tensor]:
        """The general expert: name (`layers.<absolute index>.…`) to tensor of the backbone's own upper layers."""
        upper = range(self.num_shared_layers, self.num_layers)
        return {f"layers.{i}.{n}": t for i in upper for n, t in self.layers[i].state_dict().items()}

    def assemble(self, upper_layers: nn.ModuleList) -> PreTrainedModel:
        """A model of the same class whose lower layers, norm and head are the backbone's own modules, not copies."""
        with torch.device("meta"):
            shell = type(self.model)(self.model.config)
        _adopt(shell, self.model, skip=self.model.base_model_prefix)
        _adopt(shell.base_model, self.model.base_model, skip="layers")
        shell.base_model.layers = nn.ModuleList([*self.layers[: self.num_shared_layers], *upper_layers])
        shell.generation_config = self.model.generation_config
        return shell.requires_grad_(False).eval()


def hash_tensors(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over sorted names, shapes and bf16 bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().to("cpu", torch.bfloat16).contiguous()
        digest.update(f"{name}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _adopt(shell: nn.Module, original: nn.Module, skip: str) -> None:
    """Replace the shell's children by the original's own modules."""
    for name, child in original.named_children():
        if name != skip:
            setattr(shell, name, child)
