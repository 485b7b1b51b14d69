"""Trusted text in, what it asks for and what it forbids out, clause by clause, in the languages that users write.

Only verbs, names of things (paths, hosts, addresses, branches, quoted words) and negations are read. That is too
little to understand a request, and enough to tell whether an act was named in it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final, NamedTuple

from spanwarden_processor.patterns import PatternSet
from spanwarden_processor.texts.vocabulary import (
    ACTS,
    ACTS_ANYWHERE,
    CONDITION,
    FOLLOW,
    NEGATION,
    NO_PROHIBITION,
    NOUNS,
)

MAX_TEXT: Final = 65_536
MAX_CLAUSES: Final = 400
_NEAR_BEFORE: Final = 90
_NEAR_AFTER: Final = 160
_MAX_SENTENCE: Final = 4_000

_BREAK: Final = re.compile(
    r"(?<=[.!?;])\s|\n+"
    r"|。|；|，(?=不|请|但|别|勿)|,\s{1,3}(?=(?:but|and (?:do not|don't|never)|do not|don't|never|aber|mais|"
    r"pero|mas|ma|но)\b)"
    r"|[ \t]{1,3}(?:but|aber|mais|pero)[ \t]{1,3}",
    re.IGNORECASE,
)
_OBJECT: Final = re.compile(
    r"`([^`\n]{1,200})`|\"([^\"\n]{1,120})\"|(?<!\w)'([^'\n]{2,120})'(?!\w)|"
    r"([A-Za-z][A-Za-z0-9+]{1,11}://[^\s<>\"'`)\],]{3,300})"
    r"|([\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4})"
    r"|((?:~|\.{1,2})?(?:/[\w.@%+-]{1,100}){1,12}/?|[\w@%+-]{1,80}(?:/[\w.@%+*-]{1,100}){1,10}/?|"
    r"\.?[\w-]{1,64}(?:\.[A-Za-z]\w{0,15}){1,6}(?::\d{2,5})?\b)"
    r"|(?<![\w/])(\.[A-Za-z][\w-]{1,40})|\b([A-Za-z][A-Za-z0-9]{0,60}(?:_[A-Za-z0-9]{1,60}){1,8})\b|"
    r"\b((?:\d{1,3}\.){3}\d{1,3}(?::\d{2,5})?|localhost(?::\d{2,5})?)\b"
)


_OBJECT_HINT: Final = re.compile(r"[`\"'/@_]|\.\w|localhost")
"""Something of this stands in every name of a thing: most clauses are left after one look."""


class Clause(NamedTuple):
    """One clause of trusted text: what acts it names, on what, and whether it forbids them.

    `acts` are keys of the vocabulary's `ACTS`. `objects` are names as written, in lower case; `nouns` are keys of its
    `NOUNS`. A `conditional` clause neither forbids nor allows by itself.
    """

    text: str
    acts: frozenset[str]
    objects: tuple[str, ...]
    nouns: frozenset[str]
    forbids: bool
    conditional: bool


@lru_cache(maxsize=256)
def clauses_of(text: str) -> tuple[Clause, ...]:
    """The clauses of trusted text that name an act or a thing, in order, at most `MAX_CLAUSES`."""
    found: list[Clause] = []
    for piece in _BREAK.split(text[:MAX_TEXT]):
        sentence = piece.strip()
        if sentence and len(sentence) <= _MAX_SENTENCE:
            clause = _clause(sentence)
            if clause.acts or clause.objects or clause.nouns:
                found.append(clause)
                if len(found) >= MAX_CLAUSES:
                    break
    return tuple(found)


@lru_cache(maxsize=64)
def marks_of(text: str) -> tuple[bool, bool]:
    """Whether trusted text may forbid something, and whether it may tell to follow another text."""
    marks = _marks().found_in(text)
    return "negation" in marks, "follow" in marks


def says_follow(text: str) -> bool:
    """Whether a clause tells to do what another text says."""
    return marks_of(text)[1]


def _clause(sentence: str) -> Clause:
    marks = set(_words().found_in(sentence))
    acts = frozenset(name[4:].rstrip("+") for name in marks if name.startswith("act:"))
    nouns = frozenset(name[5:] for name in marks if name.startswith("noun:"))
    forbids = "negation" in marks and "no prohibition" not in marks
    if forbids:
        return _prohibition(sentence, "condition" in marks)
    return Clause(sentence, acts, objects_in(sentence), nouns, False, "condition" in marks)


def _prohibition(sentence: str, conditional: bool) -> Clause:
    """What a sentence with a negation forbids: only what stands near it."""
    negation = _negation().search(f" {sentence} ")
    at = max(negation.start() - 1, 0) if negation else 0
    before = re.split(r", | and | und | et | y | e | и ", sentence[max(0, at - _NEAR_BEFORE) : at])[-1]
    near = before + sentence[at : at + _NEAR_AFTER]
    marks = _words().found_in(near)
    acts = frozenset(name[4:].rstrip("+") for name in marks if name.startswith("act:"))
    nouns = frozenset(name[5:] for name in marks if name.startswith("noun:"))
    return Clause(sentence, acts, objects_in(near), nouns, True, conditional)


def objects_in(sentence: str) -> tuple[str, ...]:
    """Names of things in a sentence: quoted words, URLs, addresses, paths; in lower case, each once."""
    if not _OBJECT_HINT.search(sentence):
        return ()
    found = (next(part for part in match.groups() if part) for match in _OBJECT.finditer(sentence))
    return tuple(dict.fromkeys(name.strip().rstrip(".,:;").lower() for name in found))[:64]


@cache
def _marks() -> PatternSet:
    return PatternSet({"negation": NEGATION, "follow": FOLLOW}, words=True)


@cache
def _negation() -> re.Pattern[str]:
    return re.compile(NEGATION.replace("'", "['\u2019]"), re.IGNORECASE)


@cache
def _words() -> PatternSet:
    patterns = {f"act:{act}": rf"\b(?:{stems})" for act, stems in ACTS.items()}
    patterns |= {f"act:{act}+": words for act, words in ACTS_ANYWHERE.items()}
    patterns |= {f"noun:{noun}": words for noun, words in NOUNS.items()}
    patterns |= {"negation": NEGATION, "no prohibition": NO_PROHIBITION, "condition": CONDITION}
    return PatternSet({name: _without_lookaround(words) for name, words in patterns.items()}, words=True)


def _without_lookaround(expression: str) -> str:
    """Hyperscan has no assertions about what follows; the words that need one may do without."""
    return re.sub(r"\(\?!\w+\)", "", expression)
