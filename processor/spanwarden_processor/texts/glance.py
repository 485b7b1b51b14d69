"""A tool's answer in, which readers should look at it closely out: one pass where each would need one of its own."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal, TypeAlias

from spanwarden_processor.patterns import PatternSet
from spanwarden_processor.secret_forms import FORMS
from spanwarden_processor.texts import denials, injections, outcomes

Reader: TypeAlias = Literal["refusal", "outcome", "instructions", "secrets"]
"""What may be read in a tool's answer: see `denials`, `outcomes`, `injections` and `secrets`."""

_EXPRESSIONS: Final[dict[Reader, dict[str, str]]] = {
    # Of a refused action, only the refusal: the acts that there are stand in every text.
    "refusal": {**denials.PATTERNS, **denials.HINTS},
    "outcome": outcomes.ANSWER_PATTERNS,
    "instructions": injections.PATTERNS,
    "secrets": FORMS,
}


def readers_of(text: str) -> set[Reader]:
    """The readers that may find something in `text`: no other one will."""
    found = _patterns().found_in(text)
    return {reader for reader in _EXPRESSIONS if any(name.startswith(reader) for name in found)} if found else set()


@cache
def _patterns() -> PatternSet:
    named = {f"{reader} {name}": each for reader, group in _EXPRESSIONS.items() for name, each in group.items()}
    return PatternSet(named)
