"""Evidence to what may be shown of it: is the quote there, and which of its characters are nobody's business."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from spanwarden_processor.scoring_settings import EvidenceMode
from spanwarden_processor.secrets import find_secrets, redact
from spanwarden_processor.types import Evidence

SHOWN_CHARACTERS: Final = 255
"""Longer values cannot be searched in some backends."""
_AROUND: Final = 4096
"""Characters around a quote in which a secret may begin or end that the quote holds a part of."""


def checked(evidence: Evidence, mode: EvidenceMode, key: bytes, known_secrets: Collection[str]) -> Evidence:
    """The evidence as it is shown: verified on the original text, then without secrets, and short.

    With the mode `offsets` the quote becomes the place where it stands, with `none` nothing.
    """
    text, start = _found(evidence)
    verified = start >= 0
    in_text = start if verified and text is evidence.step.text else -1
    match mode:
        case "quote":
            shown = _without_secrets(text, start, evidence.quote, key, known_secrets)
        case "offsets":
            shown = _described(evidence, in_text)
        case "none":
            shown = ""
    return evidence._replace(quote=shown, start=in_text, verified=verified)


def short(text: str) -> str:
    """The text, cut to what is shown of one value."""
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _found(evidence: Evidence) -> tuple[str, int]:
    """The text in which the quote stands, and where; -1 where it stands nowhere."""
    quote, step = evidence.quote, evidence.step
    if not quote:
        return "", -1
    if evidence.start >= 0 and step.text.startswith(quote, evidence.start):
        return step.text, evidence.start
    for text in (step.text, *_strings(step.arguments)):
        if (start := text.find(quote)) >= 0:
            return text, start
    return quote, -1


def _strings(value: Any) -> Iterator[str]:
    """Every string inside a value, keys included."""
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                yield text
            case list() as items:
                pending.extend(items)
            case Mapping() as pairs:
                pending.extend(pairs.keys())
                pending.extend(pairs.values())


def _without_secrets(text: str, start: int, quote: str, key: bytes, known: Collection[str]) -> str:
    """The quote, widened to the whole of every secret that it holds a part of, with placeholders for them."""
    begin = max(start, 0)
    end = begin + len(quote)
    window_start = max(begin - _AROUND, 0)
    window = text[window_start : end + _AROUND]
    values = {*known, *(secret.value for secret in find_secrets(window))}
    quote_start, quote_end = begin, end
    for value in values:
        at = window.find(value) if value else -1
        while at >= 0:
            first, last = window_start + at, window_start + at + len(value)
            if first < quote_end and last > quote_start:
                begin, end = min(begin, first), max(end, last)
            at = window.find(value, at + len(value))
    return short(redact(text[begin:end], key, values))


def _described(evidence: Evidence, start: int) -> str:
    step = evidence.step
    where = f"{step.kind} of step {step.number}"
    return f"{where}, characters {start} to {start + len(evidence.quote)}" if start >= 0 else where
