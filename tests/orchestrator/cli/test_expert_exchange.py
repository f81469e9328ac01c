"""`ccoe experts export`, `import`, `upload` and a push by repository, with the real engine on a tiny backbone."""

from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.card import ExpertCard
from experts.checkpoint import save_expert
from tests.experts.conftest import full_expert, low_rank_expert, make_backbone, save_model
from tests.experts.exchange.conftest import FakeHub, hub
from tests.orchestrator.cli.conftest import Terminal

__all__ = ["hub"]  # a fixture


@pytest.fixture
def backbone() -> Backbone:
    return make_backbone()


@pytest.fixture(autouse=True)
def folder(backbone: Backbone, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the command is called, with a low-rank expert pushed."""
    model = save_model(backbone, tmp_path / "model")
    monkeypatch.setenv("CCOE_BACKBONE", str(model))
    monkeypatch.chdir(tmp_path)
    save_expert(low_rank_expert(Backbone.split(backbone.model, backbone.tokenizer), "tax"), tmp_path / "tax")
    assert terminal.ccoe("experts", "push", "tax")[0] == 0
    return tmp_path


def test_an_adapter_goes_out_and_comes_in_as_the_same_version(terminal: Terminal, folder: Path) -> None:
    version = ExpertCard.load(folder / "tax").version
    code, output, errors = terminal.ccoe("experts", "export", "tax", "adapter", "--as", "peft")
    assert (code, output) == (0, f"tax {version} is in adapter\n"), errors

    code, output, errors = terminal.ccoe("experts", "import", "adapter", "--name", "levy", "--description", "taxes")
    assert (code, output) == (0, f"levy {version} is in trained/levy; next: ccoe experts push trained/levy\n"), errors
    assert ExpertCard.load(folder / "trained" / "levy").description == "taxes"
    assert terminal.ccoe("experts", "push", "trained/levy")[:2] == (0, f"levy is now version {version}\n")


def test_a_model_goes_out(terminal: Terminal, folder: Path) -> None:
    assert terminal.ccoe("experts", "export", "tax", "merged", "--as", "merged")[0] == 0
    assert terminal.ccoe("experts", "export", "general", "general", "--as", "merged")[0] == 0
    for name in ("merged", "general"):
        assert (folder / name / "model.safetensors").exists()
    code, _, errors = terminal.ccoe("experts", "export", "general", "adapter", "--as", "peft")
    assert (code, "export it with --as merged" in errors) == (1, True)


@pytest.mark.parametrize("name", ["general", "No Name"])
def test_a_name_that_cannot_be_used_is_refused_first(name: str, terminal: Terminal) -> None:
    code, _, errors = terminal.ccoe("experts", "import", "nowhere", "--name", name)
    assert (code, "cannot be used" in errors) == (2, True)


def test_an_expert_goes_up_and_is_pushed_by_its_repository(hub: FakeHub, terminal: Terminal, folder: Path) -> None:
    version = ExpertCard.load(folder / "tax").version
    code, output, errors = terminal.ccoe("experts", "upload", "tax", "someone/tax")
    assert (code, output.startswith(f"tax is at {hub.url}/someone/tax/commit/")) == (0, True), errors
    assert terminal.ccoe("experts", "pop", "tax")[0] == 0

    revision = hub.sha("someone/tax", 0)
    assert terminal.ccoe("experts", "push", f"someone/tax@{revision}")[:2] == (0, f"tax is now version {version}\n")
    code, _, errors = terminal.ccoe("experts", "push", "someone/nothing")
    assert (code, "repository 'someone/nothing'" in errors) == (1, True)
    assert terminal.ccoe("experts", "upload", "tax", "tax")[0] == 2


def test_two_versions_are_compared(terminal: Terminal, backbone: Backbone, folder: Path) -> None:
    split = Backbone.split(backbone.model, backbone.tokenizer)
    first = ExpertCard.load(folder / "tax").version
    second = save_expert(full_expert(split, "tax"), folder / "other").version
    assert terminal.ccoe("experts", "push", "other")[0] == 0

    code, output, errors = terminal.ccoe("experts", "diff", f"tax@{first}", f"tax@{second}")
    assert code == 0, errors
    assert ["form", "low_rank", "full"] in [line.split() for line in output.splitlines()]
    assert "of what the first changes of the backbone" in output.splitlines()[-1]
    output = terminal.ccoe("experts", "diff", "tax", f"tax@{second}")[1]
    assert output.splitlines() == ["the cards say the same", "weights: the same"]
    assert terminal.ccoe("experts", "diff", "tax", "tax@beef")[0] == 1
