"""Shell text in, its syntax tree out, in bounded time. The grammar is tree-sitter's."""

from __future__ import annotations

from functools import cache
from typing import Final

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

SHORT: Final = 1_024
"""Bytes of a script that cannot take long, whatever it holds."""
MAX_PARSE_CALLS: Final = 400
"""Of the parser's progress callback. Ordinary commands need one in 70 characters, here-documents hardly any."""
MAX_PARSE_WORK: Final = 8_000_000
"""Of its calls times the length of the text: recovering from errors costs more the longer the text is."""
_ASCII_ONLY: Final = bytes(range(128)) + b"." * 128
"""The grammar's scanner asks the C library's table of letters about characters that are not in it, and crashes on
some. It is shown a sign of words instead; texts are cut out of the source itself, whose places are the same."""


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


def root_of(source: bytes) -> Node | None:
    """The syntax tree of a script, or None where the grammar takes too long to recover from what it cannot read."""
    shown = source.translate(_ASCII_ONLY)
    if len(shown) <= SHORT:
        return _parser().parse(shown).root_node
    calls = 0
    limit = min(MAX_PARSE_CALLS, MAX_PARSE_WORK // max(len(shown), 1))

    def is_too_long(_offset: int, _has_error: bool) -> bool:
        nonlocal calls
        calls += 1
        return calls > limit

    try:
        return _parser().parse(lambda offset, _point: shown[offset:], progress_callback=is_too_long).root_node
    except ValueError:
        _parser().reset()  # it would go on with the text that it gave up, in memory that is gone by then
        return None
