"""What a gate is trained on: the mean that the service sees, computed once for each text."""

from pathlib import Path

import pytest
import torch

from experts.backbone import Backbone
from experts.engine.async_engine import AsyncEngine
from experts.errors import TrainingFileError
from experts.training.mean_activations import MeanStore
from tests.experts.conftest import make_backbone
from tests.experts.families import FAMILIES, Family

TEXTS = ["What is 24 times 12?", "A longer text, which fills more than one block of the paged cache.", "x"]


def means(folder: Path, backbone: Backbone, texts: list[str] = TEXTS) -> tuple[torch.Tensor, list[int]]:
    """The means, and what was told about the work."""
    told: list[int] = []
    return MeanStore(folder).means(backbone, texts, told.append), told


async def test_a_text_is_seen_as_the_service_sees_it(engine: AsyncEngine, backbone: Backbone, tmp_path: Path) -> None:
    """The engine's own kernels and blocks give the mean that the gate was trained with."""
    for text, mean in zip(TEXTS, means(tmp_path, backbone)[0].tolist(), strict=True):
        assert (await engine.pool(text)).mean == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_opening_that_is_computed_once_changes_nothing(family: Family, tmp_path: Path) -> None:
    backbone = make_backbone(family)
    together = means(tmp_path / "a", backbone)[0]
    alone = torch.cat([means(tmp_path / f"{i}", backbone, [text])[0] for i, text in enumerate(TEXTS)])
    assert torch.allclose(together, alone, atol=1e-4)


def test_without_a_template_there_is_no_opening(backbone: Backbone, tmp_path: Path) -> None:
    backbone.tokenizer.chat_template = None
    assert means(tmp_path, backbone)[0].isfinite().all()


def test_a_text_is_computed_once(backbone: Backbone, tmp_path: Path) -> None:
    first, told = means(tmp_path, backbone)
    again, told_again = means(tmp_path, backbone, [*TEXTS, TEXTS[0], "new"])
    assert (told[0], sum(told)) == (0, 3)
    assert (told_again[0], sum(told_again)) == (4, 5)
    assert torch.equal(again[:4], torch.cat([first, first[:1]]))


def test_what_a_killed_run_left_at_the_end_is_computed_anew(backbone: Backbone, tmp_path: Path) -> None:
    whole = means(tmp_path, backbone)[0]
    (path,) = tmp_path.glob("*.bin")
    path.write_bytes(path.read_bytes()[:-5])

    repaired, told = means(tmp_path, backbone)
    assert (told[0], sum(told)) == (2, 3)
    assert torch.allclose(repaired, whole, atol=1e-4)
    assert means(tmp_path, backbone)[1] == [3]


def test_a_folder_that_cannot_be_written_is_named(backbone: Backbone, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TrainingFileError, match="file"):
        means(tmp_path / "file", backbone)
