"""`ccoe train --file`: from rows of one's own to an expert that is pushed, asked and popped."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.progress import Progress

from experts.card import ExpertCard
from experts.errors import EngineClosed
from experts.training import trainer
from experts.training.hub import HubDataset
from experts.training.making import Listener
from experts.training.ngrams import load_ngrams
from orchestrator.cli.progress import progress_listener
from tests.experts.conftest import make_backbone, save_model
from tests.experts.training.tiny_recipes import TINY_RECIPES, write_data
from tests.orchestrator.cli.conftest import Terminal

FAST = ("--epochs", "40", "--learning-rate", "0.02")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the command is called; the backbone is a tiny one with random weights."""
    monkeypatch.setenv("CCOE_BACKBONE", str(save_model(make_backbone(), tmp_path / "model")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_rows(path: Path, *more: str) -> None:
    rows = [json.dumps({"prompt": f"Pay {i}?", "response": "yes"}) for i in range(20)]
    path.write_text("\n".join([*rows, *more]) + "\n", encoding="utf-8")


def made(folder: Path) -> ExpertCard:
    return ExpertCard.load(folder / "trained" / "finance")


def test_an_expert_of_ones_own_from_rows_to_pop(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl")

    code, output, errors = terminal.ccoe("train", "--file", "rows.jsonl", "--name", "finance", *FAST)
    assert code == 0, errors
    assert output.rstrip().endswith("in trained/finance; next: ccoe experts push trained/finance")
    version = made(folder).version

    assert terminal.ccoe("experts", "push", "trained/finance")[:2] == (0, f"finance is now version {version}\n")
    listed = terminal.ccoe("experts", "list")[1]
    assert any(line.split()[:2] == ["finance", version] for line in listed.splitlines()), listed
    assert json.loads(terminal.ccoe("experts", "show", "finance")[1])["version"] == version

    scored = terminal.ccoe("eval", "finance", "--file", "rows.jsonl", "--metric", "exact_match")[1]
    assert scored.splitlines()[-1].split()[:5] == ["rows", "exact_match", "20", "1.000", "0.000"]

    assert terminal.ccoe("experts", "pop", "finance")[:2] == (0, "finance is detached\n")
    code, _, errors = terminal.ccoe("experts", "show", "finance")
    assert (code, "no expert 'finance'" in errors) == (1, True)


def test_the_progress_shows_phase_tokens_and_loss(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl")
    output = terminal.ccoe("train", "--file", "rows.jsonl", "--name", "finance", "--epochs", "3")[1]
    caching, training = output.splitlines()[:2]
    num_tokens = int(made(folder).training["num_tokens"])

    assert caching.startswith("finance: caching")
    assert f"{num_tokens:,} of {num_tokens:,} tokens" in caching
    assert training.startswith("finance: training")
    assert f"{3 * num_tokens:,} of {3 * num_tokens:,} tokens loss " in training


@pytest.mark.parametrize(("form", "rate"), [("low_rank", 0.001), ("full", 0.0003)])
def test_the_card_says_what_the_options_said(form: str, rate: float, terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl", json.dumps({"prompt": " ".join("abcdefghijklmnop"), "response": "yes"}))
    told = {"--domain": "money", "--description": "Bills.", "--suffix": "Pay:", "--tool": "calculator"}
    rows = {"--licence": "CC0-1.0", "--source": "our own desk"}
    options = [
        word for option in {**told, **rows, "--form": form, "--rank": "4", "--epochs": "1"}.items() for word in option
    ]
    assert terminal.ccoe("train", "--file", "rows.jsonl", "--name", "finance", *options)[0] == 0

    card = made(folder)
    assert [card.domain, card.description, card.suffix, card.tool] == list(told.values())
    assert (card.form, card.low_rank.rank if card.low_rank else None) == (form, 4 if form == "low_rank" else None)
    assert (card.training["learning_rate"], card.training["epochs"]) == (rate, 1)
    (data,) = card.training_data
    assert (data.name, data.licence, data.source, len(data.row_ids)) == ("rows", "CC0-1.0", "our own desk", 21)
    assert card.metrics == ()
    assert len(load_ngrams(folder / "trained" / "finance")) > 0


def test_without_options_the_card_says_so(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl")
    terminal.ccoe("train", "--file", "rows.jsonl", "--name", "finance", "--epochs", "1", "--output", "elsewhere")
    card = ExpertCard.load(folder / "elsewhere" / "finance")

    assert (card.domain, card.description, card.suffix, card.tool) == ("finance", "Trained on rows.jsonl.", "", None)
    assert {(data.licence, data.source) for data in card.training_data} == {("unstated", "unstated")}


def test_the_longest_answer_has_room(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl", json.dumps({"prompt": "All?", "response": "y" * 120}))
    terminal.ccoe("train", "--file", "rows.jsonl", "--name", "finance", "--epochs", "1")
    assert made(folder).max_tokens > 120


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"prompt": "a"', "rows.jsonl:21: not JSON"),
        ('["a", "b"]', "rows.jsonl:21: not an object"),
        ('{"prompt": "a"}', "rows.jsonl:21: field 'response' must be a text that is not empty"),
        (json.dumps({"id": "r7", "prompt": "a" * 300, "response": "b"}), "row 'r7' has"),
        (json.dumps({"prompt": "a" * 300, "response": "b"}), "row 'rows-21' has"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_left(row: str, reason: str, terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl", row)
    code, _, errors = terminal.ccoe("train", "--file", "rows.jsonl", "--name", "finance")
    assert (code, reason in errors) == (2, True), errors
    assert not (folder / "trained").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--file", "nowhere.jsonl", "--name", "finance"], "nowhere.jsonl: cannot be read"),
        (["--file", "empty.jsonl", "--name", "finance"], "empty.jsonl: has no rows"),
        (["--file", "rows.jsonl"], "rows of your own need --name"),
        (["--file", "rows.jsonl", "--name", "general"], "'general' cannot be used"),
        (["--file", "rows.jsonl", "--name", "person"], "'person' cannot be used"),
        (["--file", "rows.jsonl", "--name", "My Expert"], "'My Expert' cannot be used"),
        (["math", "--file", "rows.jsonl", "--name", "finance"], "what is 'math' for?"),
        (["--file", "rows.jsonl", "--name", "finance", "--tool", "browser"], "'browser' is not one of"),
        (["--file", "rows.jsonl", "--name", "finance", "--form", "half"], "'half' is not one of"),
        (["--file", "rows.jsonl", "--name", "finance", "--epochs", "0"], "Invalid value for '--epochs'"),
        (["--name", "finance"], "--name is for the expert that --file makes"),
        (["--dev", "rows.jsonl"], "--dev is for the expert that --file makes"),
        (["math", "--patience", "2"], "--patience is for the expert that --file makes"),
        (["--max-row-tokens", "64"], "--max-row-tokens is for the expert that --file makes"),
        (["law", "--skip-long", "--resume"], "--skip-long is for the expert that --file makes"),
        (["--file", "rows.jsonl", "--name", "finance", "--patience", "2"], "--patience needs --dev"),
        (["--file", "rows.jsonl", "--dev", "nowhere.jsonl", "--name", "finance"], "nowhere.jsonl: cannot be read"),
        (["--file", "rows.jsonl", "--dataset", "ann/bills", "--name", "finance"], "both name the rows"),
        (["--dataset", "bills", "--name", "finance"], "bills: is no dataset of the hub"),
        (["alchemy", "math"], "no recipe for alchemy; known: planner, math"),
        (["math"], "CCOE_DATA cannot be used"),
    ],
)
def test_what_cannot_be_trained_is_said_before_a_model_is_loaded(
    arguments: list[str], reason: str, terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(folder / "rows.jsonl")
    (folder / "empty.jsonl").touch()
    monkeypatch.setenv("CCOE_BACKBONE", str(folder / "no model"))
    code, _, errors = terminal.ccoe("train", *arguments)
    assert (code, reason in errors) == (2, True), errors
    assert not (folder / "trained").exists()


TRAIN = ("train", "--file", "rows.jsonl", "--name", "finance", "--epochs", "3")


def test_the_backbones_output_is_kept_until_it_is_cleared(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl")
    store = folder / "cache" / "activations"
    assert terminal.ccoe(*TRAIN, "--no-cache")[0] == 0
    assert not store.exists()
    version = made(folder).version

    output = terminal.ccoe(*TRAIN)[1]
    assert f"MB kept in {store}; ccoe train --clear-cache removes them" in output
    (data,) = store.glob("*/activations.bin")
    written = data.stat().st_mtime_ns
    assert terminal.ccoe(*TRAIN)[0] == 0
    assert data.stat().st_mtime_ns == written
    assert made(folder).version == version

    assert terminal.ccoe("train", "--clear-cache")[1].endswith(f"MB removed from {store}\n")
    assert not store.exists()


def test_an_interrupted_training_goes_on_from_its_checkpoint(
    terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(folder / "rows.jsonl")
    terminal.ccoe(*TRAIN, "--output", "whole")
    checkpoint = folder / "trained" / "finance.checkpoint"

    with monkeypatch.context() as patched:
        patched.setattr("orchestrator.cli.train.progress_listener", failing_after_two_epochs)
        assert terminal.ccoe(*TRAIN)[0] == 1
    assert checkpoint.is_file()
    assert not (folder / "trained" / "finance").exists()

    code, _, errors = terminal.ccoe(*TRAIN, "--resume", "--rank", "2")
    assert (code, "rank was 16, is 2; train with what it was made with" in errors) == (1, True), errors
    code, output, errors = terminal.ccoe(*TRAIN, "--resume")
    assert (code, "no checkpoint" in output) == (0, False), errors
    assert made(folder).version == ExpertCard.load(folder / "whole" / "finance").version
    assert not checkpoint.exists()


def failing_after_two_epochs(bars: Progress, name: str) -> Listener:
    listener = progress_listener(bars, name)

    def on_training(progress: trainer.Progress) -> None:
        if progress.phase == "training" and progress.done >= progress.total * 2 / 3:
            raise EngineClosed("enough")
        listener.on_training(progress)

    return replace(listener, on_training=on_training)


def test_a_checkpoint_that_is_not_there_or_not_used_is_told(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl")
    assert "finance: no checkpoint at trained/finance.checkpoint" in terminal.ccoe(*TRAIN, "--resume")[1]
    (folder / "trained" / "finance.checkpoint").touch()
    assert "of an unfinished training is replaced" in terminal.ccoe(*TRAIN)[1]


def test_dev_rows_stop_the_training_and_the_losses_are_shown(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl")
    (folder / "dev.jsonl").write_text(json.dumps({"prompt": "Pay 3?", "response": "no, never"}))
    options = ("--epochs", "30", "--learning-rate", "0.02", "--dev", "dev.jsonl", "--patience", "1")
    code, output, errors = terminal.ccoe(*TRAIN[:-2], *options)
    assert code == 0, errors

    losses = str(made(folder).training["dev_losses"]).split()
    assert len(losses) == int(made(folder).training["best_epoch"]) + 1 < 30
    table = [line.split() for line in output.splitlines()]
    assert ["epoch", "loss", "dev", "loss"] in table
    assert [row[-1] for row in table if row[1:] and row[-1] == "kept"] == ["kept"]
    assert [data.name for data in made(folder).training_data] == ["rows"]


def test_long_rows_are_left_out_and_counted(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "rows.jsonl", json.dumps({"prompt": "a" * 300, "response": "b"}))
    output = terminal.ccoe(*TRAIN, "--skip-long")[1]
    assert "finance: 1 rows of rows have more than 256 tokens; left out" in output
    assert made(folder).training["num_rows"] == 20
    code, _, errors = terminal.ccoe(*TRAIN, "--max-row-tokens", "8")
    assert (code, "more than 8" in errors, "21 rows are too long" in errors) == (2, True, True), errors


def test_a_dataset_of_the_hub_is_trained_on(terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = [{"role": "user", "content": "Pay?"}, {"role": "assistant", "content": "yes"}]
    (folder / "train.jsonl").write_text(json.dumps({"messages": chat}))

    def fetch(of: HubDataset) -> list[Path]:
        assert (of.repository, of.split) == ("ann/bills", "small")
        return [folder / "train.jsonl"]

    monkeypatch.setattr(HubDataset, "fetch", fetch)
    code, _, errors = terminal.ccoe("train", "--dataset", "ann/bills:small", "--name", "finance", "--epochs", "1")
    assert code == 0, errors
    (data,) = made(folder).training_data
    assert (data.name, data.source, data.row_ids) == ("bills", "ann/bills, split small", ("train-1",))
    assert made(folder).description == "Trained on ann/bills:small."


@pytest.mark.parametrize("data", [None, "nowhere", "bare"])
def test_a_data_directory_without_the_sets_is_named(
    data: str | None, terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bare").mkdir()
    if data:
        monkeypatch.setenv("CCOE_DATA", data)
    code, _, errors = terminal.ccoe("train", "math")
    assert (code, "CCOE_DATA" in errors) == (2, True), errors


def test_a_backbone_that_is_not_there_is_named(
    terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(folder / "rows.jsonl")
    monkeypatch.setenv("CCOE_BACKBONE", str(folder / "no model"))
    code, _, errors = terminal.ccoe("train", "--file", "rows.jsonl", "--name", "finance")
    assert (code, "cannot load backbone" in errors) == (1, True), errors


def test_what_is_finished_is_not_trained_again_by_resume(
    terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCOE_DATA", str(write_data(folder / "sets")))
    monkeypatch.setattr("orchestrator.cli.train.RECIPES", TINY_RECIPES)
    assert terminal.ccoe("train", "law")[0] == 0
    card = ExpertCard.load(folder / "trained" / "law")
    version = card.version
    assert card.low_rank is not None
    assert (card.low_rank.rank, card.training["learning_rate"]) == (3, 2e-3)  # the recipe's

    code, output, errors = terminal.ccoe("train", "--resume")
    assert (code, f"law: 'trained/law' is finished, version {version}" in output) == (0, True), errors
    assert "law: training" not in output
    assert "next: ccoe experts push trained/medical" in output
    assert "law: training" in terminal.ccoe("train", "law", "--resume", "--epochs", "2")[1]
