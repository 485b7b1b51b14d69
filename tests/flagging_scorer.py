"""Scorers for tests of what is done with findings. They judge nothing: they claim what a step's text asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, get_args

from spanwarden_processor.session import Session
from spanwarden_processor.types import Evidence, Finding, Step, StepKind


def claim(step: Step) -> Finding:
    """What is claimed where nothing else is asked for."""
    return Finding(
        category="safeguard_tampering",
        step=step,
        risk="high",
        authorization="silent",
        outcome="unknown",
        intent="none",
        cause="unknown",
        view="action",
        explanation="The agent turned the monitor off.",
        evidence=(),
        score=0.8,
        detector="flagging",
        version="1",
    )


class Flagging:
    """Claims a finding on every tool call that holds `word`, with the word as evidence."""

    version = "1"
    kinds: Collection[StepKind] = get_args(StepKind)

    def __init__(
        self, word: str = "monitor-off", name: str = "flagging", quote: str | None = None, **claim: Any
    ) -> None:
        self.name = name
        self._word = word
        self._quote = quote or word
        self._claim = claim

    def __call__(self, _: Session, step: Step) -> Iterator[Finding]:
        """A finding where the word stands."""
        if step.kind == "tool_call" and self._word in step.text:
            found = claim(step)._replace(evidence=(Evidence(self._quote, step),), detector=self.name)
            yield found._replace(**self._claim)


class Failing:
    """Raises on every step that holds `trouble`, after a first claim where it also holds `monitor-off`."""

    name = "failing"
    version = "1"
    kinds: Collection[StepKind] = get_args(StepKind)

    def __call__(self, session: Session, step: Step) -> Iterator[Finding]:
        """Whatever it found before it failed, then the failure."""
        yield from Flagging(name=self.name)(session, step)
        if "trouble" in step.text:
            raise RuntimeError("trouble")
