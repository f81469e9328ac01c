"""The readable text of an HTML page."""

from html.parser import HTMLParser

_HIDDEN = frozenset(("script", "style", "template", "noscript", "head", "svg"))
_BLOCKS = frozenset(
    "address article aside blockquote br dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr li main "
    "nav ol p pre section table td th tr ul".split(" ")
)


def html_lines(page: str) -> list[tuple[int, str]]:
    """The lines of text that a reader of the page sees, each with its line in the source, from 1."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    reader.end_line()
    return reader.lines


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, str]] = []
        self._words: list[str] = []
        self._begin = 1
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A block begins a line."""
        if tag in _HIDDEN:
            self._hidden.append(tag)
        if tag == "body":
            self._hidden.clear()  # of a page that does not close its head
        if tag in _BLOCKS:
            self.end_line()

    def handle_endtag(self, tag: str) -> None:
        """A block ends its line."""
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
        if tag in _BLOCKS:
            self.end_line()

    def handle_data(self, data: str) -> None:
        """Text, if it is shown."""
        if self._hidden or not data.strip():
            return
        if not self._words:
            self._begin = self.getpos()[0] + data[: len(data) - len(data.lstrip())].count("\n")
        self._words.append(data)

    def end_line(self) -> None:
        """What was read since the last block is a line."""
        if text := " ".join("".join(self._words).split()):
            self.lines.append((self._begin, text))
        self._words.clear()
