"""Search: passages of the user's own files, each with the place it comes from."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from graphs.errors import ToolError
from graphs.protocols import Constraint, ToolResult
from graphs.tools.invocation import MAX_RESULT_CHARS, JsonTool, object_schema
from graphs.tools.passage_index import Embed, Found, PassageIndex

SEARCH = "search"
MAX_PASSAGES = 10
MAX_ANSWER_CHARS = 80
"""Of an answer that an expert takes from a passage."""
NOT_FOUND = "not found"
"""What an expert writes where no passage has the answer."""
_MOSTLY = 0.7
_MIN_STEMS = 2
"""One word alone is no sign that the files speak of it."""
_STEM_CHARS = 5
_EMPTY_WORDS = frozenset(
    "a an the of to in on at by for from with is are was were be do does did has have had can what which who whom "
    "whose when where why how many much long old and or it its that this there per each one i me my you your we us "
    "hello hi thanks thank please find show tell give list say".split()
)
_CHUNK = re.compile(r"(?:(?:(?<![\w.,)\]-])[-+\u2212])?[$€£]?(?=\d))?\w+(?:[.,:/-]\d+\w*)*|\s+|[^\w\s]")
"""Words; a number is one, with its sign and currency, a date and a time too: a part of it would be another number."""
_HOW_MANY = re.compile(r"\bhow many (\w{3,})", re.IGNORECASE)
_BEGINNING = "[-+\u2212$€£\\w]"
"""Of an answer."""
_ARGUMENTS = object_schema(
    {
        "query": {"type": "string", "minLength": 1, "description": "words of what is looked for"},
        "k": {"type": "integer", "minimum": 1, "maximum": MAX_PASSAGES, "description": "how many passages"},
    },
    required=("query",),
)


class SearchTool(JsonTool):
    """Finds passages in an index that `ccoe index` has made.

    An expert with this tool is shown the passages that fit its step, and answers with words of one of them.
    """

    has_effects = False

    def __init__(
        self,
        index: PassageIndex,
        *,
        num_passages: int = 3,
        max_seconds: float = 30.0,
        load_embed: Callable[[], Embed] | None = None,
    ) -> None:
        """`load_embed` is called once, for an index with vectors."""
        super().__init__(SEARCH, "finds passages in the user's files", _ARGUMENTS, max_seconds)
        self._index = index
        self._num_passages = num_passages
        self._load_embed = load_embed
        self._embed: Embed | None = None

    async def call(self, arguments: Mapping[str, Any]) -> ToolResult:
        """The best passages as `[file:line] text`. Raises ToolError if there is no index, or nothing in it fits."""
        k = int(arguments.get("k", self._num_passages))
        found = await asyncio.to_thread(self._search, str(arguments["query"]), k)
        if not found:
            raise ToolError(self.name, "no passage fits", "ask in other words, or index the folder: ccoe index FOLDER")
        return _found_at(_as_text(found), found)

    def recognises(self, text: str) -> bool | None:
        """Whether one passage has nearly all that the text speaks of; False if no file is indexed."""
        wanted = _stems(text)
        try:
            found = self._index.search(text, 1) if wanted and self._index.path.exists() else []
        except sqlite3.Error:
            return False
        share = max((len(wanted & _stems_of(one)) / len(wanted) for one in found), default=0.0)
        return True if share >= _MOSTLY and len(wanted) >= _MIN_STEMS else None if share > 0 else False

    def context(self, step: str) -> str:
        """The passages that fit the step."""
        return f"Passages:\n{_as_text(self._shown(step))}"

    def constraint(self, step: str) -> Constraint:
        """A Lark grammar: whole words of one passage in their order, or that it was not found.

        They are of the sentence that has most of the step's words, if it has more than half. Asked how many boats there
        are, it is a number of boats, where there is one. A passage that has all of the step's words has its answer.
        """
        shown, wanted = self._shown(step), _stems(step)
        missing = [] if any(wanted <= _stems_of(one) for one in shown) else [NOT_FOUND]
        read = [_focused(wanted, _in_line(one)) for one in shown]
        if counts := list(dict.fromkeys(count for text in read for count in _counts(step, text))):
            return Constraint("choice", [*counts, *missing])
        texts = [json.dumps({"substring_chunks": _CHUNK.findall(text)}) for text in read]
        spans = [f"P{k}: %regex {chunks}" for k, chunks in enumerate(texts)]
        words = [f"A{k}: P{k} & /{_BEGINNING}(.|\\n){{0,{MAX_ANSWER_CHARS - 2}}}\\S|\\w/" for k in range(len(texts))]
        options = " | ".join([*(f'"{one}"' for one in missing), *(f"A{k}" for k in range(len(texts)))])
        return Constraint("lark", "\n".join([f"start: {options}", *words, *spans]))

    async def run(self, call: str, step: str) -> ToolResult:
        """The answer that an expert took from a passage, with the place of that. Raises ToolError."""
        shown, words = await asyncio.to_thread(self._shown, step), _bordered(call)
        holding = next((one for one in shown if words in _bordered(_in_line(one))), None)
        if call == NOT_FOUND or holding is None:
            raise ToolError(self.name, "no passage has the answer", "ask in other words, or index the file that has it")
        return _found_at(call, [holding])

    def _shown(self, step: str) -> list[Found]:
        """The best passages, without those that have less than half of what the best one has of the step's words."""
        found = self._search(step, self._num_passages)
        shares = [len(_stems(step) & _stems_of(one)) for one in found]
        return [one for one, share in zip(found, shares, strict=True) if 2 * share >= max(shares)]

    def _search(self, query: str, k: int) -> list[Found]:
        """The best passages, as many as fit into a result."""
        if not self._index.path.exists():
            raise ToolError(self.name, "no files are indexed", "index a folder: ccoe index FOLDER")
        try:
            if self._load_embed and self._embed is None and self._index.has_embeddings:
                self._embed = self._load_embed()
            return _fitting(self._index.search(query, k, self._embed))
        except sqlite3.Error as error:
            raise ToolError(self.name, f"the index cannot be read ({error})", "make it anew: ccoe index") from error


def _stems(text: str) -> set[str]:
    """Beginnings of the words that a text is about."""
    words = (word for word in re.findall(r"\w+", text.lower()) if word not in _EMPTY_WORDS)
    return {word.removesuffix("s")[:_STEM_CHARS] for word in words}


def _stems_of(passage: Found) -> set[str]:
    return _stems(f"{passage.name} {passage.heading} {passage.text}")


def _focused(wanted: set[str], text: str) -> str:
    """The sentences that speak most of what is wanted, if they have two words of it, and more than half; else all."""
    sentences = re.split(r"(?<=[.!?])\s+", text)
    counts = [len(wanted & _stems(sentence)) for sentence in sentences]
    most = max(counts)
    if most < _MIN_STEMS or 2 * most <= len(wanted):
        return text
    return " ".join(sentence for sentence, count in zip(sentences, counts, strict=True) if count == most)


def _counts(step: str, passage: str) -> list[str]:
    """The numbers of what the step asks how many there are."""
    asked = _HOW_MANY.search(step)
    if asked is None:
        return []
    thing = re.escape(asked[1][:_STEM_CHARS].lower())
    return re.findall(rf"(?<![\w.,:-])(\d+(?:[.,]\d+)*) (?:\w+ )?(?={thing})", passage.lower())


def _found_at(text: str, found: Sequence[Found]) -> ToolResult:
    data = {"passages": [{**asdict(one), "citation": one.citation} for one in found]}
    return ToolResult(text, data, sources=tuple(dict.fromkeys(one.citation for one in found)))


def _fitting(found: Sequence[Found]) -> list[Found]:
    """Whole passages while their text is no longer than a result may be; the first one always is."""
    return [one for k, one in enumerate(found) if k == 0 or len(_as_text(found[: k + 1])) <= MAX_RESULT_CHARS]


def _as_text(found: Sequence[Found]) -> str:
    return "\n".join(f"{one.citation} {_in_line(one)}" for one in found)


def _in_line(passage: Found) -> str:
    return " ".join(passage.text.split())


def _bordered(text: str) -> str:
    """Its chunks with a border around each: a text that is in it consists of whole ones."""
    return "\x1e" + "".join(f"{chunk}\x1e" for chunk in _CHUNK.findall(text))
