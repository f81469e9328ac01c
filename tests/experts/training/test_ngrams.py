"""The shipped hashes find what was trained on, and nothing else."""

from pathlib import Path

from experts.training.ngrams import load_ngrams, ngram_hashes, ngrams, save_ngrams, seen_ngrams

TRAINED = "How many hotels in Oslo have more than 250 rooms and a pool?"


def test_a_trained_text_is_found_whatever_its_numbers(tmp_path: Path) -> None:
    save_ngrams(ngram_hashes([TRAINED, "another text"]), tmp_path)
    hashes = load_ngrams(tmp_path)

    assert seen_ngrams(TRAINED.upper().replace("250", "9"), hashes) == ngrams(TRAINED)
    assert seen_ngrams("How many hotels in Bergen have more than 250 rooms and a garden?", hashes) == []


def test_short_texts_have_no_ngrams() -> None:
    assert ngrams("seven words are not enough for one") == []
    assert ngrams("one two three four five six seven eight") == ["one two three four five six seven eight"]
