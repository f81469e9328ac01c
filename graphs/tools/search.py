"""Search: passages of the user's own files, each with the place it comes from."""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from graphs.errors import ToolError
from graphs.protocols import ToolResult
from graphs.tools.invocation import MAX_RESULT_CHARS, JsonTool, object_schema
from graphs.tools.passage_index import Embed, Found, PassageIndex

SEARCH = "search"
MAX_PASSAGES = 10
_CITATION = re.compile(r"^(\[[^\[\]\n]+:p?\d+\]) ", re.MULTILINE)
_ARGUMENTS = object_schema(
    {
        "query": {"type": "string", "minLength": 1, "description": "words of what is looked for"},
        "k": {"type": "integer", "minimum": 1, "maximum": MAX_PASSAGES, "description": "how many passages"},
    },
    required=("query",),
)


class SearchTool(JsonTool):
    """Finds passages in an index that `ccoe index` has made."""

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
        passages = [{**asdict(one), "citation": one.citation} for one in found]
        return ToolResult(_as_text(found), {"passages": passages})

    def _search(self, query: str, k: int) -> list[Found]:
        if not self._index.path.exists():
            raise ToolError(self.name, "no files are indexed", "index a folder: ccoe index FOLDER")
        try:
            if self._load_embed and self._embed is None and self._index.has_embeddings:
                self._embed = self._load_embed()
            return self._index.search(query, k, self._embed)
        except sqlite3.Error as error:
            raise ToolError(self.name, f"the index cannot be read ({error})", "make it anew: ccoe index") from error


def citations(result: str) -> list[str]:
    """The citations that begin the passages of a search's result."""
    return list(dict.fromkeys(_CITATION.findall(result)))


def _as_text(found: list[Found]) -> str:
    """Whole passages while they fit; the first one always does."""
    texts: list[str] = []
    for one in found:
        text = f"{one.citation} {' '.join(one.text.split())}"
        if sum(map(len, texts)) + len(text) > MAX_RESULT_CHARS - len(texts):
            break
        texts.append(text)
    return "\n".join(texts)
