"""Tiny random models of five decoder families, and a tokenizer of bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
END_ID, START_ID, VOCAB_SIZE = 256, 257, 264
SLIDING_WINDOW = 8


@dataclass(frozen=True, slots=True)
class Family:
    """A model class with a configuration of its own kind."""

    name: str
    make: Callable[[], PreTrainedModel]


def _sizes(**more: Any) -> dict[str, Any]:
    sizes = {
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 256,
        "eos_token_id": END_ID,
        "bos_token_id": None,
        "pad_token_id": None,  # its embedding would be zero, and with a tied head no expert could learn to end
        "initializer_range": 0.4,
    }
    return {**sizes, **more}


FAMILIES = (
    Family("llama, tied head", lambda: LlamaForCausalLM(LlamaConfig(**_sizes(tie_word_embeddings=True)))),
    Family("qwen2, biases, untied head", lambda: Qwen2ForCausalLM(Qwen2Config(**_sizes(tie_word_embeddings=False)))),
    Family("qwen3, query and key norms", lambda: Qwen3ForCausalLM(Qwen3Config(**_sizes(tie_word_embeddings=True)))),
    Family(
        "mistral, sliding window",
        lambda: MistralForCausalLM(
            MistralConfig(
                **_sizes(tie_word_embeddings=False, sliding_window=SLIDING_WINDOW, attn_implementation="eager")
            )
        ),
    ),
    Family(
        "gemma2, soft caps, alternating window",
        lambda: Gemma2ForCausalLM(
            Gemma2Config(
                **_sizes(
                    tie_word_embeddings=True,
                    sliding_window=SLIDING_WINDOW,
                    query_pre_attn_scalar=8,
                    final_logit_softcapping=5.0,
                    attn_logit_softcapping=5.0,
                    attn_implementation="eager",
                )
            )
        ),
    ),
)


def byte_tokenizer() -> Any:
    """One token per byte, an end and a start token, and a chat template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE(vocab={character: i for i, character in enumerate(alphabet)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(["<|end|>", "<|start|>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_model(family: Family, seed: int = 0) -> PreTrainedModel:
    """The family's model with seeded random weights in float32."""
    torch.manual_seed(seed)
    return family.make().eval()
