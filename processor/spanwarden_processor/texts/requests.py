"""Trusted text in, what it asks for and what it forbids out, clause by clause, in the languages that users write.

Only verbs, names of things (paths, hosts, addresses, branches, quoted words) and negations are read. That is too
little to understand a request, and enough to tell whether an act was named in it.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Final

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
    r"(?=[\s。；，,])(?:(?<=[.!?;])\s|\n+"
    r"|。|；|，(?=不|请|但|别|勿)|,\s{1,3}(?=(?:but|and (?:do not|don't|never)|do not|don't|never|aber|mais|"
    r"pero|mas|ma|но)\b)"
    r"|[ \t]{1,3}(?:but|aber|mais|pero)[ \t]{1,3})",
    re.IGNORECASE,
)
_OBJECT: Final = re.compile(
    r"`([^`\n]{1,200})`|\"([^\"\n]{1,120})\"|(?<!\w)'([^'\n]{2,120})'(?!\w)"
    r"|(?<!\w)(?=[^\W_]*+[/@_.:%+~*-])(?:"  # only from the beginning of a word, and not at plain ones
    r"([A-Za-z][A-Za-z0-9+]{1,11}://[^\s<>\"'`)\],]{3,300})"
    r"|([\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4})"
    r"|((?:~|\.{1,2})?(?:/[\w.@%+-]{1,100}){1,12}/?|[\w@%+-]{1,80}(?:/[\w.@%+*-]{1,100}){1,10}/?|"
    r"\.?[\w-]{1,64}(?:\.[A-Za-z]\w{0,15}){1,6}(?::\d{2,5})?\b)"
    r"|(?<![\w/])(\.[A-Za-z][\w-]{1,40})|\b([A-Za-z][A-Za-z0-9]{0,60}(?:_[A-Za-z0-9]{1,60}){1,8})\b|"
    r"\b((?:\d{1,3}\.){3}\d{1,3}(?::\d{2,5})?)\b)"
    r"|\b(localhost(?::\d{2,5})?)\b"
)


_OBJECT_HINT: Final = re.compile(r"[`\"'/@_]|\.\w|localhost")
"""Something of this stands in every name of a thing: most clauses are left after one look."""


@dataclass(frozen=True)
class Clause:
    """One clause of trusted text: what acts it names, on what, and whether it forbids them.

    `acts` are keys of the vocabulary's `ACTS`, `nouns` of its `NOUNS`. `about` is the part of the text that says what
    the acts are on. A `conditional` clause neither forbids nor allows by itself. `follows` says that it tells to do
    what another text says.
    """

    text: str
    acts: frozenset[str]
    nouns: frozenset[str]
    about: str
    forbids: bool
    conditional: bool
    follows: bool

    @cached_property
    def objects(self) -> tuple[str, ...]:
        """Names of things as written, in lower case. Most clauses are never asked for them."""
        return objects_in(self.about)


@lru_cache(maxsize=256)
def clauses_of(text: str) -> tuple[Clause, ...]:
    """The clauses of trusted text that name an act or may name a thing, in order, at most `MAX_CLAUSES`."""
    pieces = (piece.strip() for piece in _BREAK.split(text[:MAX_TEXT]))
    sentences = [piece for piece in pieces if piece and len(piece) <= _MAX_SENTENCE]
    marked = zip(sentences, _words().found_in_each(sentences), strict=True)
    clauses = (_clause(sentence, marks) for sentence, marks in marked)
    named = (clause for clause in clauses if clause.acts or clause.nouns or _OBJECT_HINT.search(clause.about))
    return tuple(itertools.islice(named, MAX_CLAUSES))


@lru_cache(maxsize=64)
def may_bind(text: str) -> bool:
    """Whether trusted text may forbid something, or tell to follow another text."""
    return bool(_marks().found_in(text))


def _clause(sentence: str, marks: set[str]) -> Clause:
    forbids = "negation" in marks and "no prohibition" not in marks
    about = _forbidden_part(sentence) if forbids else sentence
    named = set(_words().found_in(about)) if forbids else marks
    return Clause(
        sentence,
        acts=frozenset(name[4:].rstrip("+") for name in named if name.startswith("act:")),
        nouns=frozenset(name[5:] for name in named if name.startswith("noun:")),
        about=about,
        forbids=forbids,
        conditional="condition" in marks,
        follows="follow" in marks,
    )


def _forbidden_part(sentence: str) -> str:
    """The part of a sentence with a negation that it forbids: only what stands near it."""
    negation = _negation().search(f" {sentence} ")
    at = max(negation.start() - 1, 0) if negation else 0
    before = re.split(r", | and | und | et | y | e | и ", sentence[max(0, at - _NEAR_BEFORE) : at])[-1]
    return before + sentence[at : at + _NEAR_AFTER]


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
    patterns |= {"negation": NEGATION, "no prohibition": NO_PROHIBITION, "condition": CONDITION, "follow": FOLLOW}
    return PatternSet({name: _without_lookaround(words) for name, words in patterns.items()}, words=True, each=True)


def _without_lookaround(expression: str) -> str:
    """Hyperscan has no assertions about what follows; the words that need one may do without."""
    return re.sub(r"\(\?!\w+\)", "", expression)
