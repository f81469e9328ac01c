"""Rows from a dataset repository of the Hugging Face hub, where it has them as JSON Lines."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from huggingface_hub import HfApi, hf_hub_download

from experts.errors import DatasetError
from experts.hub_errors import HUB_ERRORS, hub_reason

_DATA = (".jsonl", ".jsonl.gz", ".json", ".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class HubDataset:
    """`owner/name`, and which of its splits."""

    repository: str
    split: str = "train"

    @classmethod
    def parse(cls, text: str) -> "HubDataset":
        """`OWNER/NAME` or `OWNER/NAME:SPLIT`. Raises DatasetError."""
        matched = re.fullmatch(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?", text)
        if matched is None:
            raise DatasetError(Path(text), None, "is no dataset of the hub; write OWNER/NAME or OWNER/NAME:SPLIT")
        return cls(matched[1], matched[2] or "train")

    def fetch(self) -> list[Path]:
        """The split's JSON Lines files, in the order of their names, from the hub's cache where they are there.

        Raises DatasetError if the hub does not answer, or the split is not there as JSON Lines.
        """
        try:
            names = sorted(HfApi().list_repo_files(self.repository, repo_type="dataset"))
            chosen = [name for name in names if name.endswith(".jsonl") and self._is_mine(name)]
            paths = [Path(hf_hub_download(self.repository, name, repo_type="dataset")) for name in chosen]
        except HUB_ERRORS as error:
            remedy = "check its name and the network, or use --file"
            raise DatasetError(
                Path(self.repository), None, f"cannot be fetched ({hub_reason(error)}); {remedy}"
            ) from error
        if not paths:
            data = [name for name in names if name.endswith(_DATA)]
            there = f"it has {', '.join(data[:5])}" if data else "it has no data files"
            reason = f"has no JSON Lines file of split {self.split!r} ({there})"
            remedy = "name another split, or convert it for --file"
            raise DatasetError(Path(self.repository), None, f"{reason}; {remedy}")
        return paths

    def _is_mine(self, name: str) -> bool:
        """`train.jsonl`, `train-00000-of-00002.jsonl`, `x_train.jsonl` and `train/any.jsonl` are of split train."""
        split = re.escape(self.split)
        path = PurePosixPath(name)
        return self.split in path.parts[:-1] or bool(re.search(rf"(^|[-_.]){split}($|[-_.])", path.stem))
