"""Rows of a dataset repository; the hub is a folder here."""

from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from experts.errors import DatasetError
from experts.training import hub
from experts.training.hub import HubDataset

FILES = ["README.md", "data/train-00001-of-00002.jsonl", "data/train-00000-of-00002.jsonl", "data/test.jsonl"]


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the repository holds; it can be changed."""
    names = list(FILES)

    def list_repo_files(_: HfApi, repo_id: str, *, repo_type: str) -> list[str]:
        assert (repo_id, repo_type) == ("ann/bills", "dataset")
        return names

    def download(repo_id: str, filename: str, *, repo_type: str) -> str:
        assert (repo_id, repo_type, filename in names) == ("ann/bills", "dataset", True)
        return f"/hub/{filename}"

    monkeypatch.setattr(HfApi, "list_repo_files", list_repo_files)
    monkeypatch.setattr(hub, "hf_hub_download", download)
    return names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann/bills", ["/hub/data/train-00000-of-00002.jsonl", "/hub/data/train-00001-of-00002.jsonl"]),
        ("ann/bills:test", ["/hub/data/test.jsonl"]),
        ("ann/bills:dev", ["/hub/dev/1.jsonl"]),
    ],
)
def test_the_files_of_the_split_are_fetched(text: str, expected: list[str], files: list[str]) -> None:
    files += ["dev/1.jsonl", "data/latest.jsonl"]
    assert HubDataset.parse(text).fetch() == [Path(name) for name in expected]


def test_what_is_there_instead_is_named(files: list[str]) -> None:
    with pytest.raises(DatasetError, match=r"has no JSON Lines file of split 'dev' \(it has data/test.jsonl, "):
        HubDataset.parse("ann/bills:dev").fetch()
    files[:] = ["train.parquet"]
    with pytest.raises(DatasetError, match=r"it has train.parquet\); name another split, or convert it"):
        HubDataset.parse("ann/bills").fetch()
    files[:] = ["README.md"]
    with pytest.raises(DatasetError, match="no data files"):
        HubDataset.parse("ann/bills").fetch()


@pytest.mark.parametrize("text", ["bills", "ann/bills:", "a/b/c", "https://hub/ann/bills", ""])
def test_another_form_of_name_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match="write OWNER/NAME"):
        HubDataset.parse(text)


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    no_connection = HfHubHTTPError.__bases__[0]  # of the client that the library speaks through; it repeats for 20 s

    def unreachable(*_: object, **__: object) -> list[str]:
        raise no_connection("Connection refused")

    monkeypatch.setattr(HfApi, "list_repo_files", unreachable)
    with pytest.raises(DatasetError, match=r"cannot be fetched \(Connection refused\); check its name and the network"):
        HubDataset.parse("ann/bills").fetch()


def test_a_hub_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> list[str]:
        raise OfflineModeIsEnabled("the hub is offline")

    monkeypatch.setattr(HfApi, "list_repo_files", offline)
    with pytest.raises(DatasetError, match=r"ann/bills: cannot be fetched \(the hub is offline\); check its name"):
        HubDataset.parse("ann/bills").fetch()
