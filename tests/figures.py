"""The tables of docs/experts.md, made from the cards and recipes: `python -m tests.figures` writes them in."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from experts.card import ExpertCard, Metric
from experts.gating.classifier import Classifier, GateCombination, GateFigure
from experts.registry import BUILTIN, GATE_FILE
from experts.training.datasets import dataset
from experts.training.recipes import RECIPES

_MAJORITY = ("majority", "above it, 95 % interval")
_FORMS = {"tables": "with its tables", "databases": "asked of a database"}
DOCUMENT = Path(__file__).parent.parent / "docs" / "experts.md"


def tables() -> dict[str, str]:
    """Every table by the name of its block."""
    cards = [ExpertCard.load(path.parent) for path in sorted(BUILTIN.glob("*/card.json"))]
    gate = Classifier.load(BUILTIN / GATE_FILE).card
    return {
        "recipes": recipes_table(),
        "sources": sources_table(),
        "figures": figures_table(cards),
        "combinations": combinations_table(gate.combinations),
        "gate": gate_table(gate.figures),
    }


def recipes_table() -> str:
    """What each built-in expert is made from."""
    rows: list[tuple[str, ...]] = []
    for recipe in RECIPES:
        budgets = {**recipe.sets, **({"synthetic": recipe.synthetic_tokens} if recipe.synthetic_tokens else {})}
        sets = ", ".join(f"`{name}` {tokens:,}" for name, tokens in budgets.items())
        tokens = f"{sum(budgets.values()):,}"
        rows.append((f"`{recipe.name}`", recipe.tool or "", f"`{recipe.suffix}`", sets, tokens))
    return _table(("expert", "tool", "suffix", "data sets and their training tokens", "together"), rows)


def sources_table() -> str:
    """Where the recipes' data sets come from."""
    names = dict.fromkeys(name for recipe in RECIPES for name in recipe.sets)
    rows = [(f"`{one.name}`", one.source, one.licence, one.attribution, one.metric) for one in map(dataset, names)]
    return _table(("data set", "source", "licence", "attribution", "metric"), rows)


def figures_table(cards: Iterable[ExpertCard]) -> str:
    """The figures of the cards, each beside the general expert's on the same rows."""
    rows = [(f"`{card.name}`", *_figures(metric)) for card in cards for metric in card.metrics]
    names = ("expert", "data set", "metric", "rows", "value", "`general`", "difference, 95 % interval", *_MAJORITY)
    return _table(names, rows)


def combinations_table(combinations: Iterable[GateCombination]) -> str:
    """How the built-in gate's sources did on train rows that it had not seen."""
    rows = [
        (one.name, *_share(one.num_right, one.num_domain), *_share(one.num_taken, one.num_general))
        for one in combinations
    ]
    return _table(("what decides", "right of the domains' texts", "", "taken of the texts for `general`", ""), rows)


def _share(part: int, whole: int) -> tuple[str, str]:
    return f"{part:,} of {whole:,}", f"{100 * part / whole:.1f} %"


def gate_table(figures: Iterable[GateFigure]) -> str:
    """How often the built-in gate is right on dev rows, and where the other texts came."""
    rows = [
        (
            f"`{one.expert}`" if one.expert != "domains" else "all five domains",
            one.dataset if one.dataset.startswith("all") else f"`{one.dataset}`",
            _FORMS.get(one.form, ""),
            str(one.num_rows),
            f"{one.num_right / one.num_rows:.3f}",
            f"{one.low:.3f} to {one.high:.3f}",
            ", ".join(f"`{name}` {n}" for name, n in one.chosen.items() if one.expert not in (name, "domains")),
        )
        for one in figures
    ]
    return _table(("right expert", "data set", "form", "rows", "right", "95 % interval", "others"), rows)


def blocks(text: str, names: Iterable[str]) -> dict[str, str]:
    """What stands between `<!-- name -->` and `<!-- /name -->`."""
    found = {name: re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", text, re.DOTALL) for name in names}
    return {name: match[1] for name, match in found.items() if match}


def with_blocks(text: str, contents: Mapping[str, str]) -> str:
    """The text with new contents between its marks."""
    for name, content in contents.items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda match, content=content: f"{match[1]}{content}\n{match[2]}",
            text,
            flags=re.DOTALL,
        )
    return text


def _figures(metric: Metric) -> tuple[str, ...]:
    interval = f"{metric.difference_low:+.3f} to {metric.difference_high:+.3f}"
    majority = "" if metric.majority is None else f"{metric.majority:.3f}"
    above = "" if metric.majority_low is None else f"{metric.majority_low:+.3f} to {metric.majority_high:+.3f}"
    set_name = metric.dataset if metric.dataset == "all" else f"`{metric.dataset}`"
    return (
        set_name,
        metric.metric,
        str(metric.num_rows),
        f"{metric.value:.3f}",
        f"{metric.general:.3f}",
        interval,
        majority,
        above,
    )


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, ("---",) * len(names), *rows))


if __name__ == "__main__":
    DOCUMENT.write_text(with_blocks(DOCUMENT.read_text(encoding="utf-8"), tables()), encoding="utf-8")
