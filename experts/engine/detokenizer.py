"""Token ids to text, piece by piece, without ever showing half a character or a part of a stop string."""

from collections.abc import Sequence
from typing import Any

_INCOMPLETE = "\ufffd"


class Detokenizer:
    """The text of one growing answer. A stop string that is complete within the first `min_tokens` is text like any."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], min_tokens: int = 0) -> None:
        self._tokenizer, self._stop, self._min_tokens = tokenizer, tuple(stop), min_tokens
        self._token_ids: list[int] = []
        self._text = ""
        self._num_read = 0
        self._num_shown = 0
        self._num_unstoppable = 0
        """Characters of the first `min_tokens`."""
        self.is_stopped = False

    def add(self, token_ids: Sequence[int]) -> str:
        """Take tokens; returns the text that is now certain. Sets `is_stopped` when a stop string is complete."""
        early = self._min_tokens - len(self._token_ids)
        if 0 < early < len(token_ids):
            return self.add(token_ids[:early]) + self.add(token_ids[early:])
        self._token_ids += token_ids
        before = self._decode(self._token_ids[self._window : self._num_read])
        after = self._decode(self._token_ids[self._window :])
        if after.endswith(_INCOMPLETE):
            return ""
        self._text += after[len(before) :]
        self._num_read = len(self._token_ids)
        if self._num_read <= self._min_tokens:
            self._num_unstoppable = len(self._text)
        if (end := self._stop_position()) is not None:
            self._text, self.is_stopped = self._text[:end], True
            return self._show(len(self._text))
        return self._show(len(self._text) - self._held_back())

    def finish(self) -> str:
        """What was held back, now that nothing more comes."""
        if not self.is_stopped and self._num_read < len(self._token_ids):
            before = self._decode(self._token_ids[self._window : self._num_read])
            self._text += self._decode(self._token_ids[self._window :])[len(before) :]
            self._num_read = len(self._token_ids)
        return self._show(len(self._text))

    @property
    def _window(self) -> int:
        """A few earlier tokens give the decoder its context (a leading space may depend on it)."""
        return max(0, self._num_read - 6)

    def _decode(self, token_ids: list[int]) -> str:
        return str(self._tokenizer.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _show(self, end: int) -> str:
        start, self._num_shown = self._num_shown, max(self._num_shown, end)
        return self._text[start : self._num_shown]

    def _stop_position(self) -> int | None:
        first = max(self._num_shown, self._num_unstoppable + 1)
        found = [self._text.find(stop, max(0, first - len(stop))) for stop in self._stop]
        return min((position for position in found if position >= 0), default=None)

    def _held_back(self) -> int:
        """Length of the longest end of the text that may become a stop string."""
        lengths = (n for stop in self._stop for n in range(1, len(stop)) if self._text.endswith(stop[:n]))
        return max(lengths, default=0)
