"""A command's words split into options and operands, as the usual conventions have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Options(NamedTuple):
    """`given` are options in order, each with its value (empty where it has none); `operands` is the rest."""

    given: tuple[tuple[str, str], ...]
    operands: tuple[str, ...]

    def has(self, *names: str) -> bool:
        """Whether one of `names` was given."""
        return any(name in names for name, _ in self.given)

    def values(self, *names: str) -> list[str]:
        """The values given to the options `names`, in order."""
        return [value for name, value in self.given if name in names]


def parse(words: Sequence[str], with_value: frozenset[str]) -> Options:
    """Split `words`. Options in `with_value` take the next word or what follows `=`; short ones may be clustered."""
    given: list[tuple[str, str]] = []
    operands: list[str] = []
    position, end = 0, len(words)
    while position < end:
        word = words[position]
        position += 1
        if word == "--":
            operands += words[position:]
            break
        if word[:1] != "-" or word == "-":
            operands.append(word)
            continue
        taken, needs_next = _option(word, with_value)
        if needs_next and position < end:
            taken[-1] = (taken[-1][0], words[position])
            position += 1
        given += taken
    return Options(tuple(given), tuple(operands))


def _option(word: str, with_value: frozenset[str]) -> tuple[list[tuple[str, str]], bool]:
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return [(name, value)], not equals and name in with_value
    if word in with_value:
        return [(word, "")], True
    found: list[tuple[str, str]] = []
    for index, letter in enumerate(word[1:], start=2):
        name = f"-{letter}"
        if name in with_value:
            return [*found, (name, word[index:].removeprefix("="))], index == len(word)
        found.append((name, ""))
    # Some programs (find, openssl, java) take long options with one hyphen.
    return ([(word, "")] if len(word) > 2 else []) + found, False
