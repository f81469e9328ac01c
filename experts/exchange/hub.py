"""Experts in repositories of the Hugging Face Hub. No torch."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from huggingface_hub import HfApi, snapshot_download

from experts.card import CARD_FILE, ExpertCard
from experts.errors import CheckpointError, ExchangeError
from experts.hub_errors import HUB_ERRORS, hub_reason

_FILES = [CARD_FILE, "weights.safetensors", "ngrams.npy"]
_NAME = re.compile(r"^(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?$")
_REMEDY = "check the name, the network, and that `hf auth login` has been done if it is private"


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository, and a branch, tag or commit of it: `owner/name[@revision]`."""

    repo: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The name that a text is, if it is one."""
        match = _NAME.match(text)
        return cls(match["repo"], match["revision"]) if match else None

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def upload_expert(directory: Path, name: HubName, *, private: bool = False) -> str:
    """Put an expert's files into a repository, made if it is not there; returns the address of the commit.

    Nothing but card, weights and n-gram hashes is uploaded. Raises CheckpointError if it is no expert's directory,
    ExchangeError if the Hub refuses.
    """
    card = ExpertCard.load(directory)
    if not (directory / "weights.safetensors").is_file():
        raise CheckpointError(directory, "no weights.safetensors there; name the directory of an expert")
    with _hub_errors(name):
        api = HfApi()
        api.create_repo(name.repo, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=name.repo,
            folder_path=directory,
            revision=name.revision,
            allow_patterns=_FILES,
            commit_message=f"{card.name} {card.version}",
        )
    return commit.commit_url


def download_expert(name: HubName) -> Path:
    """The directory in the Hub's cache with an expert's files. Raises CheckpointError or ExchangeError."""
    with _hub_errors(name):
        directory = Path(snapshot_download(name.repo, revision=name.revision, allow_patterns=_FILES))
    ExpertCard.load(directory)
    return directory


@contextmanager
def _hub_errors(name: HubName) -> Generator[None]:
    try:
        yield
    except HUB_ERRORS as error:
        raise ExchangeError(f"repository {str(name)!r}", f"{hub_reason(error)}; {_REMEDY}") from error
