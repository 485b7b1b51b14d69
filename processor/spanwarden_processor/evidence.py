"""Evidence to what may be shown of it: is the quote there, and which of its characters are nobody's business."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from spanwarden_processor.scoring_settings import EvidenceMode
from spanwarden_processor.secrets import find_secrets, redact
from spanwarden_processor.types import Evidence

SHOWN_CHARACTERS: Final = 255
"""Longer values cannot be searched in some backends."""
_AROUND: Final = 4096
"""Characters around a quote in which a secret may begin or end that the quote holds a part of."""


class Found(NamedTuple):
    """Where a quote stands: the text, and its start in it, -1 where it stands nowhere."""

    evidence: Evidence
    text: str
    start: int


def found(evidence: Evidence) -> Found:
    """Look for the quote in the text of its step and in its decoded arguments."""
    quote, step = evidence.quote, evidence.step
    if not quote:
        return Found(evidence, "", -1)
    if evidence.start >= 0 and step.text.startswith(quote, evidence.start):
        return Found(evidence, step.text, evidence.start)
    for text in (step.text, *_strings(step.arguments)):
        if (start := text.find(quote)) >= 0:
            return Found(evidence, text, start)
    return Found(evidence, quote, -1)


def secrets_near(place: Found) -> set[str]:
    """Secrets that the quote may hold, in whole or in part."""
    return {secret.value for secret in find_secrets(_window(place)[1])}


def shown(place: Found, mode: EvidenceMode, key: bytes, secrets: Collection[str]) -> Evidence:
    """The evidence as it is shown: marked as verified where it was found, without `secrets`, and short.

    With the mode `offsets` the quote becomes the place where it stands, with `none` nothing.
    """
    evidence, text, start = place
    in_step = start if text is evidence.step.text else -1
    match mode:
        case "quote":
            quote = _without_secrets(place, key, secrets)
        case "offsets":
            quote = _described(evidence, in_step)
        case "none":
            quote = ""
    return evidence._replace(quote=quote, start=in_step, verified=start >= 0)


def short(text: str) -> str:
    """The text, cut to what is shown of one value."""
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


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


def _without_secrets(place: Found, key: bytes, secrets: Collection[str]) -> str:
    """The quote, widened to the whole of every secret that it holds a part of, with placeholders for them."""
    offset, window = _window(place)
    start = max(place.start, 0) - offset
    end = start + len(place.evidence.quote)
    widened_start, widened_end = start, end
    for first, last in _occurrences(window, secrets):
        if first < end and last > start:
            widened_start, widened_end = min(widened_start, first), max(widened_end, last)
    return short(redact(window[widened_start:widened_end], key, secrets))


def _window(place: Found) -> tuple[int, str]:
    """The text around the quote, and where it begins."""
    start = max(place.start, 0)
    begin = max(start - _AROUND, 0)
    return begin, place.text[begin : start + len(place.evidence.quote) + _AROUND]


def _occurrences(text: str, values: Collection[str]) -> Iterator[tuple[int, int]]:
    for value in values:
        at = text.find(value) if value else -1
        while at >= 0:
            yield at, at + len(value)
            at = text.find(value, at + len(value))


def _described(evidence: Evidence, start: int) -> str:
    step = evidence.step
    where = f"{step.kind} of step {step.number}"
    return f"{where}, characters {start} to {start + len(evidence.quote)}" if start >= 0 else where
