"""Lists of words as one text, for sets that would otherwise take a line a word."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of `text`, which blanks separate."""
    return frozenset(text.split())
