"""Proof by the decoder's own matcher that a grammar allows a text."""

from llguidance import LLMatcher, LLTokenizer


def accepts(grammar: str, text: str) -> bool:
    """Whether the whole text can be written under the Lark grammar, byte by byte. The grammar itself must be sound."""
    tokenizer = LLTokenizer("byte")
    lark = LLMatcher.grammar_from_lark(grammar)
    matcher = LLMatcher(tokenizer, lark)
    assert not matcher.get_error(), matcher.get_error()
    tokens = tokenizer.tokenize_bytes(text.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()
