"""Hashes of what an expert was trained on, shipped with it, so that anyone can check that a text was not among it."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

NGRAM_FILE = "ngrams.npy"
NUM_WORDS = 8
"""Words in an n-gram; numbers count as one and the same word, so that a template is found whatever its numbers."""


def ngram_hashes(texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    """Sorted 64-bit hashes of all n-grams of words in the texts."""
    hashes = {_hash(ngram) for text in texts for ngram in ngrams(text)}
    return np.array(sorted(hashes), dtype=np.uint64)


def ngrams(text: str) -> list[str]:
    """The n-grams of a text, lower case, every number as 0."""
    words = re.sub(r"\d+", "0", text.lower())
    found = re.findall(r"\w+", words)
    return [" ".join(found[i : i + NUM_WORDS]) for i in range(len(found) - NUM_WORDS + 1)]


def seen_ngrams(text: str, hashes: npt.NDArray[np.uint64]) -> list[str]:
    """The n-grams of the text that are among the hashes."""
    return [ngram for ngram in ngrams(text) if _contains(hashes, _hash(ngram))]


def save_ngrams(hashes: npt.NDArray[np.uint64], directory: Path) -> None:
    """Write the hashes into an expert's directory."""
    np.save(directory / NGRAM_FILE, hashes)


def load_ngrams(directory: Path) -> npt.NDArray[np.uint64]:
    """The hashes of an expert's directory."""
    loaded: npt.NDArray[np.uint64] = np.load(directory / NGRAM_FILE)
    return loaded


def _hash(ngram: str) -> int:
    return int.from_bytes(hashlib.blake2b(ngram.encode(), digest_size=8).digest(), "big")


def _contains(hashes: npt.NDArray[np.uint64], value: int) -> bool:
    position = int(np.searchsorted(hashes, np.uint64(value)))
    return position < len(hashes) and int(hashes[position]) == value
