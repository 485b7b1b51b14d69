"""Detectors with planted faults, for tests of the ruler. Named at the top of a module: processes start them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from types import FrameType
from typing import Any, get_args

from flagging_scorer import claim
from spanwarden_processor.scorers import Scorer
from spanwarden_processor.session import Session
from spanwarden_processor.types import Evidence, Finding, Step, StepKind

FORBIDDEN = "forbidden-fruit"
"""Stands in every field of a row that no detector may read, and in no step."""


def finding_of(step: Step, quote: str) -> Finding:
    return claim(step)._replace(category="scheming", evidence=(Evidence(quote, step),), detector="flags_a_word")


@dataclass(frozen=True)
class ReadsWhatIsForbidden:
    """Looks for the forbidden fields wherever a detector could look: its arguments, the stack, all of the heap."""

    name: str = "reads_what_is_forbidden"
    version: str = "1"
    kinds: Collection[StepKind] = get_args(StepKind)

    def __call__(self, session: Session, step: Step) -> Iterator[Finding]:
        seen = chain((session.session_id, session.service), _on_the_stack(), _on_the_heap())
        if any(FORBIDDEN in text for text in seen):
            yield finding_of(step, step.text[:20])


@dataclass(frozen=True)
class FlagsAWord:
    """Flags every step in which a word stands."""

    word: str
    name: str = "flags_a_word"
    version: str = "1"
    kinds: Collection[StepKind] = get_args(StepKind)

    def __call__(self, session: Session, step: Step) -> Iterator[Finding]:
        if session.steps_admitted and self.word in step.text:
            yield finding_of(step, self.word)


@dataclass(frozen=True)
class Breaks:
    """Fails on every step."""

    name: str = "breaks"
    version: str = "1"
    kinds: Collection[StepKind] = get_args(StepKind)

    def __call__(self, session: Session, step: Step) -> Iterator[Finding]:
        raise RuntimeError(f"broken at step {step.number} of {session.steps_admitted}")
        yield


@dataclass(frozen=True)
class NeverAnswers:
    """Goes on for ever."""

    name: str = "never_answers"
    version: str = "1"
    kinds: Collection[StepKind] = get_args(StepKind)

    def __call__(self, session: Session, step: Step) -> Iterator[Finding]:
        while session.steps_admitted:
            pass
        yield finding_of(step, step.text[:20])


def never_answers() -> Sequence[Scorer]:
    return (NeverAnswers(),)


def reads_what_is_forbidden() -> Sequence[Scorer]:
    return (ReadsWhatIsForbidden(),)


def flags_mischief() -> Sequence[Scorer]:
    return (FlagsAWord("mischief"),)


def breaks() -> Sequence[Scorer]:
    return (Breaks(),)


def _on_the_stack() -> Iterator[str]:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        yield from (repr(value)[:100_000] for name, value in frame.f_locals.items() if name != "FORBIDDEN")
        frame = frame.f_back


def _on_the_heap() -> Iterator[str]:
    own = globals()
    for each in gc.get_objects():
        if each is own:
            continue
        yield from _strings_of(each)


def _strings_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for text in (*value.keys(), *value.values()) if type(text) is str and text is not FORBIDDEN)
    elif isinstance(value, list | tuple):
        yield from (text for text in value if type(text) is str and text is not FORBIDDEN)
