"""Proof by the decoder's own matcher that a grammar allows a text."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llguidance import LLMatcher, LLTokenizer

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions


def accepts(grammar: str, text: str) -> bool:
    """Whether the whole text can be written under the Lark grammar, byte by byte. The grammar itself must be sound."""
    tokenizer = LLTokenizer("byte")
    lark = LLMatcher.grammar_from_lark(grammar)
    matcher = LLMatcher(tokenizer, lark)
    assert not matcher.get_error(), matcher.get_error()
    tokens = tokenizer.tokenize_bytes(text.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


def accepts_json(schema: Mapping[str, Any], text: str) -> bool:
    """The same of a JSON Schema, without flexible white space, as the engine compiles it."""
    compact: JsonCompileOptions = {"whitespace_flexible": False}
    matcher = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=compact))
    tokens = LLTokenizer("byte").tokenize_bytes(text.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()
