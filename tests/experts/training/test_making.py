"""From rows to a finished expert: how rows are encoded, what the card says, how it is scored."""

from dataclasses import replace
from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.checkpoint import load_expert
from experts.errors import AlreadyMade
from experts.expert import Expert
from experts.prompt import PromptParts
from experts.training.datasets import SYNTHETIC, Dataset
from experts.training.encoding import RowLimits
from experts.training.evaluation import Tools
from experts.training.making import Identity, Listener, Surroundings, make_builtin, make_expert, save, score_all
from experts.training.rows import TrainingRow
from experts.training.trainer import TrainerConfig, TrainingFiles
from tests.experts.training.tiny_recipes import TINY_RECIPES, write_data

BILLS = Dataset("bills", "our own desk", "CC0-1.0", "exact_match")
QUIET = Listener(lambda _: None, lambda _, done, total: None)


def row(number: int, answer: str = "yes") -> TrainingRow:
    return TrainingRow(f"r{number}", PromptParts(f"Pay {number}?"), (answer,), answer)


def made(backbone: Backbone, rows: dict[Dataset, list[TrainingRow]], max_tokens: int | None = None) -> Expert:
    identity = Identity("finance", "money", "Bills.", max_tokens=max_tokens)
    return make_expert(identity, backbone, rows, TrainerConfig(epochs=1), QUIET).expert


def test_the_card_names_the_rows_of_every_set_but_the_invented_ones(backbone: Backbone, tmp_path: Path) -> None:
    rows = {BILLS: [row(1), row(2)], SYNTHETIC: [row(3)]}
    card = save(made(backbone, rows), rows, tmp_path / "finance")

    assert {data.name: (data.licence, data.row_ids) for data in card.training_data} == {
        "bills": ("CC0-1.0", ("r1", "r2")),
        "synthetic": ("Apache-2.0", ()),
    }
    assert load_expert(tmp_path / "finance", backbone).card == card


@pytest.mark.parametrize(
    ("max_tokens", "answer", "expected"), [(None, "yes", 96), (None, "y" * 100, 117), (8, "yes", 8)]
)
def test_an_expert_may_answer_a_little_longer_than_its_rows(
    max_tokens: int | None, answer: str, expected: int, backbone: Backbone
) -> None:
    assert made(backbone, {BILLS: [row(1), row(2, answer)]}, max_tokens).card.max_tokens == expected


def test_rows_that_are_left_out_are_told_and_not_in_the_card(backbone: Backbone) -> None:
    told: list[tuple[str, int, int]] = []

    def on_rows_skipped(datasets: str, count: int, max_tokens: int) -> None:
        told.append((datasets, count, max_tokens))

    listener = replace(QUIET, on_rows_skipped=on_rows_skipped)
    rows = {BILLS: [row(1), row(2, "y" * 300), row(3)]}
    around = Surroundings(limits=RowLimits(skip_long=True))
    done = make_expert(
        Identity("finance", "money", "Bills."), backbone, rows, TrainerConfig(epochs=1), listener, around
    )

    assert told == [("bills", 1, 256)]
    assert [data.row_ids for data in done.expert.card.training_data] == [("r1", "r3")]
    assert [each.id for each in done.rows[BILLS]] == ["r1", "r3"]
    assert done.expert.card.training["num_rows"] == 2


def test_the_card_tells_the_dev_losses_and_which_epoch_was_the_best(backbone: Backbone) -> None:
    around = Surroundings({Dataset("dev", "", "", ""): [row(9)]})
    config = TrainerConfig(epochs=2, accumulate=3)
    done = make_expert(Identity("finance", "money", "Bills."), backbone, {BILLS: [row(1)]}, config, QUIET, around)
    card = done.expert.card
    plain = made(backbone, {BILLS: [row(1)]}).card

    losses = [float(loss) for loss in str(card.training["dev_losses"]).split()]
    assert losses == [round(loss, 4) for loss in done.trained.dev_losses]
    assert (len(losses), card.training["best_epoch"]) == (2, 1 + losses.index(min(losses)))
    assert card.training["accumulate"] == 3
    assert [data.name for data in card.training_data] == ["bills"]
    assert not {"dev_losses", "best_epoch", "accumulate"} & plain.training.keys()


def test_several_sets_are_scored_together_too(backbone: Backbone) -> None:
    expert, other = made(backbone, {BILLS: [row(1)]}), Dataset("letters", "", "", "label")
    both = {BILLS: [row(1)], other: [row(2), row(3, "no")]}

    def scored(sets: dict[Dataset, list[TrainingRow]]) -> list[tuple[str, str, int]]:
        metrics = score_all(expert, backbone, sets, Tools(str), QUIET)
        return [(metric.dataset, metric.metric, metric.num_rows) for metric in metrics]

    assert scored({BILLS: [row(1)]}) == [("bills", "exact_match", 1)]
    assert scored(both) == [("bills", "exact_match", 1), ("letters", "label", 2), ("all", "mean", 3)]


def test_an_expert_that_is_there_made_with_the_same_is_not_made_again(backbone: Backbone, tmp_path: Path) -> None:
    data, directory, config = write_data(tmp_path / "data"), tmp_path / "law", TrainerConfig()
    law, again = TINY_RECIPES[0], TrainingFiles(resume=True, expert=directory)
    first = make_builtin(law, backbone, data, config, Tools(str), QUIET, again)
    card = save(first.expert, first.rows, directory)

    with pytest.raises(AlreadyMade, match=f"is finished, version {card.version}"):
        make_builtin(law, backbone, data, config, Tools(str), QUIET, again)
    for recipe, other in (
        (law, replace(config, seed=1)),
        (law, replace(config, rank=4)),
        (replace(law, suffix="Type:"), config),
        (replace(law, tool="calculator"), config),
    ):
        make_builtin(recipe, backbone, data, other, Tools(str), QUIET, again)
    make_builtin(law, backbone, data, config, Tools(str), QUIET, replace(again, resume=False))
    (data / "legalbench_overruling" / "train.jsonl").write_text('{"id": "x", "prompt": "More?", "response": "y"}')
    make_builtin(law, backbone, data, config, Tools(str), QUIET, again)
