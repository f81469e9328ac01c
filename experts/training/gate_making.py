"""From the data directory to a trained gate with its figures."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from experts.backbone import Backbone
from experts.card import ExpertCard
from experts.gating.classifier import GENERAL, Classifier, GateCard, GateData, GatedExpert, GateFigure
from experts.gating.gate import Gate
from experts.training.datasets import dataset
from experts.training.gate_figures import combinations, set_figure, together
from experts.training.gate_fitting import GateFittingConfig, fit_gate
from experts.training.gate_texts import DEV_SETS, DOMAINS, NUM_ROWS, GateText, dev_texts, training_texts
from experts.training.mean_activations import MeanStore
from experts.training.synthesis.tasks import Calculate

OnTexts = Callable[[str, int, int], None]
"""Gets what the texts are for, how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class GateMaker:
    """Trains gates on the rows of a data directory, and measures them."""

    backbone: Backbone
    data: Path
    store: MeanStore
    on_texts: OnTexts

    def make(
        self, cards: Sequence[ExpertCard], calculate: Calculate, config: GateFittingConfig, num_rows: int = NUM_ROWS
    ) -> Classifier:
        """Train for the domains' experts among the cards, on so many rows of each set, and measure on dev rows.

        Raises DatasetError and TrainingFileError.
        """
        domains = [card for card in cards if card.name in DOMAINS]
        names = {GENERAL, *(card.name for card in domains)}
        every = training_texts(self.data, calculate, config.seed, num_rows)
        texts = [one for one in every if one.expert in names]
        means = self._means("train", texts)
        card = GateCard(
            backbone_hash=self.backbone.hash,
            num_shared_layers=self.backbone.num_shared_layers,
            num_layers=self.backbone.num_layers,
            experts=tuple(GatedExpert(name=one.name, domain=one.domain, version=one.version) for one in domains),
            training_data=tuple(_training_data(texts)),
        )
        fitted = fit_gate(means, texts, card, config)
        folds = [(Gate(cards, one), [texts[i] for i in unseen], means[unseen].tolist()) for one, unseen in fitted.folds]
        measured = {"combinations": tuple(combinations(folds)), "figures": self.measure(Gate(cards, fitted.classifier))}
        return replace(fitted.classifier, card=fitted.classifier.card.model_copy(update=measured))

    def measure(self, gate: Gate) -> tuple[GateFigure, ...]:
        """A figure for each dev set and form, then for each expert and for all domains together.

        Domains whose expert the gate does not have are left out. Raises DatasetError and TrainingFileError.
        """
        names = {GENERAL, *(card.name for card in gate.cards)}
        texts = {one: of for one in DEV_SETS if one.expert in names and (of := dev_texts(self.data, one))}
        means = iter(self._means("dev", [one for of in texts.values() for one in of]).tolist())
        figures = [set_figure(gate, of, [next(means) for _ in of]) for of in texts.values()]
        aimed = [figure for one, figure in zip(texts, figures, strict=True) if one.counts]
        groups = {name: [one for one in aimed if one.expert == name] for name in (*DOMAINS, GENERAL) if name in names}
        groups["domains"] = [one for one in aimed if one.expert != GENERAL]
        alone = [one for one in figures if one.dataset in DOMAINS.get(one.expert, ()) and one.form == "text"]
        totals = (together(of, name) for name, of in groups.items())
        return (*figures, *totals, together(alone, "domains", "all, without tables"))

    def _means(self, purpose: str, texts: Sequence[GateText]) -> Tensor:
        done = 0

        def on_done(count: int) -> None:
            nonlocal done
            done += count
            self.on_texts(purpose, done, len(texts))

        return self.store.means(self.backbone, [one.text for one in texts], on_done)


def _training_data(texts: Sequence[GateText]) -> Iterator[GateData]:
    rows: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in texts:
        rows[one.dataset, one.expert].add(one.row_id)
    for (name, expert), ids in sorted(rows.items()):
        of, digest = dataset(name), hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
        yield GateData(
            name=name,
            expert=expert,
            source=of.source,
            licence=of.licence,
            attribution=of.attribution,
            num_rows=len(ids),
            rows_hash=digest,
        )
