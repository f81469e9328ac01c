"""What differs between the cards of two experts, field by field. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass

from experts.card import ExpertCard


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field, and what each of two cards says there; "" is nothing."""

    field: str
    first: str
    second: str


def card_differences(first: ExpertCard, second: ExpertCard) -> list[FieldDifference]:
    """The fields in which two cards differ, in the order of a card; names and versions are left out."""
    pairs = [dict(_fields(card)) for card in (first, second)]
    fields = [*pairs[0], *(field for field in pairs[1] if field not in pairs[0])]
    found = [FieldDifference(field, *(pair.get(field, "") for pair in pairs)) for field in fields]
    return [difference for difference in found if difference.first != difference.second]


def _fields(card: ExpertCard) -> Iterator[tuple[str, str]]:
    yield "domain", card.domain
    yield "description", card.description
    yield "backbone", card.backbone_hash[:12]
    yield "split", f"{card.num_shared_layers} of {card.num_layers}"
    yield "form", card.form
    if card.low_rank is not None:
        yield "rank", str(card.low_rank.rank)
        yield "alpha", f"{card.low_rank.alpha:g}"
    yield "suffix", card.suffix
    yield "tool", card.tool or ""
    yield "max_tokens", str(card.max_tokens)
    yield "gate keywords", ", ".join(card.gate.keywords)
    yield "gate patterns", ", ".join(card.gate.patterns)
    for data in card.training_data:
        rows = f", {len(data.row_ids)} rows" if data.row_ids else ""
        yield f"data {data.name}", f"{data.source}, {data.licence}{rows}"
    for key, value in card.training.items():
        yield f"training {key}", str(value)
    for metric in card.metrics:
        figures = f"{metric.value:.3f} (general {metric.general:.3f}, {metric.num_rows} rows)"
        yield f"metric {metric.dataset} {metric.metric}", figures
