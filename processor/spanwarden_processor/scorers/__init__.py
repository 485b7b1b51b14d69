"""Scorers: each looks at a new step of a session and claims findings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

from spanwarden_processor.session import Session
from spanwarden_processor.types import Finding, Step, StepKind


class Scorer(Protocol):
    """One detector. What it raises is its own failure: the caller records that, and asks the next one."""

    @property
    def name(self) -> str:
        """What findings and failures call it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever its answers may."""
        ...

    @property
    def kinds(self) -> Collection[StepKind]:
        """The kinds of steps that it may have something to say about: it is asked about no others."""
        ...

    def __call__(self, session: Session, step: Step) -> Iterator[Finding]:
        """Findings that `step`, just admitted to `session`, completes."""
        ...
