"""PEFT: LoRA adapters on every layer, as they are usually made, one per expert, mixed in a batch by their names."""

from collections.abc import Sequence as Many
from typing import Any

from peft import LoraConfig, get_peft_model

from experts.backbone import Backbone
from experts.benchmark import workload
from experts.benchmark.random_experts import RANK
from experts.benchmark.transformers_benchmark import TransformersBenchmark
from experts.expert import PROJECTIONS


def peft_benchmark(backbone: Backbone) -> TransformersBenchmark:
    """The backbone's original model with random adapters, in its type. The model is changed by it."""
    names = [f"e{i}" for i in range(workload.NUM_EXPERTS)]
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(PROJECTIONS), init_lora_weights=False)
    tuned = get_peft_model(backbone.model, config, adapter_name=names[0])
    for name in names[1:]:
        tuned.add_adapter(name, config)
    for name, parameter in tuned.named_parameters():
        if "lora_" in name:  # small enough to leave the model a language model
            parameter.data.mul_(0.05)
    tuned = tuned.to(backbone.embeddings.dtype).eval()

    def options(experts: Many[int]) -> dict[str, Any]:
        return {"adapter_names": [names[expert] for expert in experts]}

    return TransformersBenchmark("PEFT, five adapters on all layers", tuned, backbone.tokenizer, options)
