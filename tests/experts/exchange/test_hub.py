"""Experts in repositories: what goes up comes down, and what goes wrong has a reason. The Hub is a local server."""

from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.checkpoint import load_expert, save_expert
from experts.errors import CheckpointError, ExchangeError
from experts.exchange.hub import HubName, download_expert, upload_expert
from tests.experts.conftest import low_rank_expert
from tests.experts.exchange.conftest import FakeHub

LAW = HubName("someone/law")


def law_in(directory: Path, backbone: Backbone, seed: int = 2) -> str:
    return save_expert(low_rank_expert(backbone, "law", seed), directory).version


def test_what_was_uploaded_is_downloaded(hub: FakeHub, backbone: Backbone, tmp_path: Path) -> None:
    version = law_in(tmp_path / "law", backbone)
    (tmp_path / "law" / "secret.txt").write_text("not for everybody")

    assert upload_expert(tmp_path / "law", LAW) == f"{hub.url}/someone/law/commit/{hub.sha('someone/law', 0)}"
    assert hub.commits["someone/law"][0].keys() == {"card.json", "weights.safetensors"}
    assert hub.messages == [f"law {version}"]
    assert load_expert(download_expert(LAW), backbone).card.version == version


def test_a_revision_names_an_older_upload(hub: FakeHub, backbone: Backbone, tmp_path: Path) -> None:
    versions = [law_in(tmp_path / f"law-{seed}", backbone, seed) for seed in (2, 3)]
    for seed in (2, 3):
        upload_expert(tmp_path / f"law-{seed}", LAW)

    older = HubName("someone/law", hub.sha("someone/law", 0))
    assert [load_expert(download_expert(name), backbone).card.version for name in (older, LAW)] == versions


def test_a_repository_that_is_not_there_has_a_reason(hub: FakeHub) -> None:
    with pytest.raises(ExchangeError, match=r"repository 'someone/poetry'.*check the name"):
        download_expert(HubName("someone/poetry"))


def test_a_hub_that_is_not_there_has_a_reason(hub: FakeHub, backbone: Backbone, tmp_path: Path) -> None:
    law_in(tmp_path / "law", backbone)
    hub.shutdown()
    hub.server_close()
    for attempt in (lambda: upload_expert(tmp_path / "law", LAW), lambda: download_expert(LAW)):
        with pytest.raises(ExchangeError, match=r"repository 'someone/law'.*the network"):
            attempt()


def test_what_is_no_expert_is_neither_sent_nor_taken(hub: FakeHub, backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no card\.json"):
        upload_expert(tmp_path, LAW)
    law_in(tmp_path / "law", backbone)
    (tmp_path / "law" / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no weights\.safetensors"):
        upload_expert(tmp_path / "law", LAW)
    assert hub.commits == {}

    hub.commits["someone/model"] = [{"card.json": b"{}", "config.json": b"{}"}]
    with pytest.raises(CheckpointError, match="field name"):
        download_expert(HubName("someone/model"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("someone/law", HubName("someone/law")),
        ("some-one/law.v2@v1.0", HubName("some-one/law.v2", "v1.0")),
        ("law", None),
        ("/trained/law", None),
        ("./law", None),
        ("../law", None),
        ("someone/law@", None),
        ("a/b/c", None),
    ],
)
def test_a_name_is_told_from_a_path(text: str, name: HubName | None) -> None:
    assert HubName.parse(text) == name
    assert name is None or str(name) == text
