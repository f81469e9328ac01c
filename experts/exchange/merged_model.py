"""An expert with its backbone as one model that transformers loads by itself."""

from pathlib import Path

from experts.backbone import Backbone
from experts.exchange.new_directory import new_directory
from experts.expert import Expert


def export_merged(expert: Expert, backbone: Backbone, directory: Path) -> None:
    """Write the assembled model, its tokenizer and the expert's card; all layers are in it, shared ones too.

    `AutoModelForCausalLM` and `AutoTokenizer` read the directory; the logits are the expert's own. Raises
    ExchangeError if the directory exists.
    """
    with new_directory(directory) as staging:
        backbone.assemble(expert.upper_layers(backbone)).save_pretrained(staging)
        backbone.tokenizer.save_pretrained(staging)
        expert.card.save(staging)
