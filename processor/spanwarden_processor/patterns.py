"""Many patterns over one text in one pass: which of them occur at all.

Hyperscan answers in about 2 us for 4 KB, however many patterns there are; `re` needs 1,300 us for a few dozen.
What occurs is then looked at closely by its own expression, so that ordinary text costs one pass and no more.
"""

from __future__ import annotations

import itertools
import re
import string
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import hyperscan

_BETWEEN_WORDS: Final = "".join(sign for sign in string.punctuation if sign not in "'-_") + string.whitespace
_BLANKS: Final = bytes.maketrans(_BETWEEN_WORDS.encode(), b" " * len(_BETWEEN_WORDS))
"""What stands between words becomes a blank."""
_TYPOGRAPHIC: Final = str.maketrans({"\u2019": "'", **dict.fromkeys("\u2013\u2014\u201c\u201d\u201e\u00ab\u00bb", " ")})

_BEFORE_HINT: Final = 120
_MAX_HINTS: Final = 32


class PatternSet:
    """A compiled set of named patterns. Not for use from several threads at once (one scratch space)."""

    def __init__(
        self, patterns: Mapping[str, str], *, words: bool = False, loose: bool = True, each: bool = False
    ) -> None:
        r"""Compile `patterns` (name -> expression in Hyperscan's syntax), all without regard to ASCII case.

        While `loose`, gaps such as `.{0,40}` count as of any length, which is many times faster to compile: what is
        found is then to be looked at again with `re`.

        With `words`, a text is scanned in lower case with one blank between words, and `\b` is such a blank: word
        boundaries then hold in every script, at a hundredth of what Hyperscan's own Unicode mode takes to compile.

        With `each`, every occurrence is told and not only the first, as `found_in_each` needs it.
        """
        self._names = tuple(patterns)
        self._words = words
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_MULTILINE
        flags |= 0 if each else hyperscan.HS_FLAG_SINGLEMATCH
        expressions = [pattern.replace(r"\b", " ") if words else pattern for pattern in patterns.values()]
        if loose:
            expressions = [_loosened(expression) for expression in expressions]
        self._database.compile(
            expressions=[expression.encode() for expression in expressions],
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[flags] * len(patterns),
        )

    def found_in(self, text: str) -> list[str]:
        """Names of the patterns that occur in `text`, each once, in the order of the set."""
        found: set[int] = set()

        def note(index: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            found.add(index)

        scanned = _words_of(text) if self._words else text.encode("utf-8", "replace")
        self._database.scan(scanned, match_event_handler=note)
        return [self._names[index] for index in sorted(found)] if found else []

    def found_in_each(self, texts: Sequence[str]) -> list[set[str]]:
        """The names of the patterns that occur in each of `texts`: one pass over all, and none reaches into the next.

        Needs `words` and `each`; no pattern may match a line break.
        """
        pieces = [_words_of(text) for text in texts]
        ends = list(itertools.accumulate(len(piece) + 1 for piece in pieces))
        found: list[set[str]] = [set() for _ in texts]

        def note(index: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found[bisect_left(ends, end)].add(self._names[index])

        self._database.scan(b"\n".join(pieces), match_event_handler=note)
        return found


class Expressions:
    """Named expressions of which few occur in any text: one pass tells which, and `re` looks at those.

    They are written in what Hyperscan and `re` have in common: no assertions about what stands around.
    """

    def __init__(
        self, patterns: Mapping[str, str], hints: Mapping[str, str] | None = None, *, loose: bool = True
    ) -> None:
        """Compile `patterns`, without regard to case; `^` and `$` are ends of lines. For `loose` see `PatternSet`.

        `hints` are the rarer parts of expressions that begin with what is common: they are looked for first, and the
        whole expression only around them.
        """
        self._set = PatternSet({**patterns, **(hints or {})}, loose=loose)
        self._expressions = _compiled(patterns)
        self._hints = _compiled(hints or {})

    def first_in(self, text: str) -> Iterator[tuple[str, re.Match[str]]]:
        """The first match of each expression that occurs in `text`, in the order of the expressions."""
        for name in self._set.found_in(text):
            found = self._around_hints(name, text) if name in self._hints else self._expressions[name].search(text)
            if found:
                yield name, found

    def _around_hints(self, name: str, text: str) -> re.Match[str] | None:
        expression = self._expressions[name]
        hints = itertools.islice(self._hints[name].finditer(text), _MAX_HINTS)
        near = (expression.search(text, max(0, hint.start() - _BEFORE_HINT), hint.end()) for hint in hints)
        return next((found for found in near if found), None)

    def names_in(self, text: str) -> list[str]:
        """The expressions that occur in `text`, if gaps in them may be of any length."""
        return self._set.found_in(text)

    def all_in(self, text: str) -> Iterator[tuple[str, re.Match[str]]]:
        """Every match of each expression that occurs in `text`."""
        for name in self._set.found_in(text):
            yield from ((name, found) for found in self._expressions[name].finditer(text))


def _compiled(patterns: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    return {name: re.compile(pattern, re.IGNORECASE | re.MULTILINE) for name, pattern in patterns.items()}


def _loosened(pattern: str) -> str:
    """`pattern` without the upper bounds of its gaps: many times cheaper to compile, and finds no less."""
    return re.sub(r"(?<!\\)\{0,\d+\}", "*", pattern)


def _words_of(text: str) -> bytes:
    lower = text.lower()
    lower = lower if lower.isascii() else " ".join(lower.translate(_TYPOGRAPHIC).split())
    return b" %b " % b" ".join(lower.encode("utf-8", "replace").translate(_BLANKS).split())
